"""Category diversity of a list."""

from collections.abc import Sequence

import tensorflow as tf

from trainer.metrics.ranking import CUTOFFS


def category_diversity(
    ranked: tf.Tensor, item_category: tf.Tensor, cutoffs: Sequence[int] = CUTOFFS
) -> dict[str, tf.Tensor]:
    """``diversity@N``: the share of pairs of the first N items that are of different categories.

    Reference: Cen et al., KDD 2020, section 4.4, eq. 13. Items without a category form one of their own, as in
    :func:`trainer.ranking.diversity.diversify`, which trades it for score.

    Args:
      ranked: int [B, N], item indices, best first, -1 where the list has ended; N at least the largest cutoff.
      item_category: int [N items], -1 for none.
      cutoffs: the N to report.

    Returns:
      ``diversity_at_<N>``: float32 [B]; NaN for a list of fewer than two items, and where no item has a category.
    """
    category = tf.gather(item_category, tf.maximum(ranked, 0))
    present = ranked >= 0
    named = tf.reduce_any(item_category >= 0)
    outputs = {}
    for n in cutoffs:
        both = tf.logical_and(present[:, :n, tf.newaxis], present[:, tf.newaxis, :n])
        different = tf.logical_and(both, category[:, :n, tf.newaxis] != category[:, tf.newaxis, :n])
        # Every pair is counted twice, and each item once with itself.
        pairs = tf.math.count_nonzero(both, axis=[1, 2], dtype=tf.float32)
        pairs -= tf.math.count_nonzero(present[:, :n], axis=1, dtype=tf.float32)
        share = tf.math.divide_no_nan(tf.math.count_nonzero(different, axis=[1, 2], dtype=tf.float32), pairs)
        outputs[f"diversity_at_{n}"] = tf.where(tf.logical_and(named, pairs > 0), share, float("nan"))
    return outputs

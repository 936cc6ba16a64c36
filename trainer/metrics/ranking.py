"""Recall, hit rate and NDCG of a ranked list against a set of held-out items."""

from collections.abc import Sequence

import tensorflow as tf

CUTOFFS = (20, 50)
PADDING = -1


def ranking_metrics(ranked: tf.Tensor, targets: tf.Tensor, cutoffs: Sequence[int] = CUTOFFS) -> dict[str, tf.Tensor]:
    """Per-user metrics under the ComiRec protocol.

    ``recall@N = |top N and targets| / |targets|``, ``hit_rate@N`` is 1 where any target is among the top N,
    ``ndcg@N`` has the ideal of min(N, |targets|) hits. Targets count once however often they are listed; a target
    that is not in the catalogue counts and cannot be hit.

    Reference: Cen et al., KDD 2020, section 4.1; NDCG's ideal departs from their released code, which divides by the
    ideal of the hits found.

    Args:
      ranked: int [B, N], item indices, best first, -1 where the list has ended; N at least the largest cutoff.
      targets: int [B, M]: item indices, -2 for an item outside the catalogue, -1 for padding.
      cutoffs: the N to report.

    Returns:
      ``recall_at_<N>``, ``hit_rate_at_<N>``, ``ndcg_at_<N>``: float32 [B], 0 for a user without targets.
    """
    targets = tf.sort(tf.cast(targets, tf.int64), axis=1)
    repeated = tf.concat([tf.zeros_like(targets[:, :1], tf.bool), targets[:, 1:] == targets[:, :-1]], axis=1)
    countable = tf.logical_or(targets == -2, tf.logical_and(targets >= 0, tf.logical_not(repeated)))
    size = tf.reduce_sum(tf.cast(countable, tf.float32), axis=1)
    ranked = tf.cast(ranked[:, : max(cutoffs)], tf.int64)
    hits = tf.reduce_any(ranked[:, :, tf.newaxis] == targets[:, tf.newaxis, :], axis=2)
    hits = tf.cast(tf.logical_and(hits, ranked >= 0), tf.float32)
    discount = tf.math.log(2.0) / tf.math.log(tf.range(max(cutoffs), dtype=tf.float32) + 2.0)
    ideal = tf.concat([[0.0], tf.cumsum(discount)], axis=0)
    outputs = {}
    for n in cutoffs:
        found = tf.reduce_sum(hits[:, :n], axis=1)
        best = tf.gather(ideal, tf.cast(tf.minimum(size, float(n)), tf.int32))
        gain = tf.reduce_sum(hits[:, :n] * discount[tf.newaxis, : tf.shape(hits)[1]][:, :n], axis=1)
        outputs[f"recall_at_{n}"] = tf.math.divide_no_nan(found, size)
        outputs[f"hit_rate_at_{n}"] = tf.cast(found > 0, tf.float32)
        outputs[f"ndcg_at_{n}"] = tf.math.divide_no_nan(gain, best)
    return outputs

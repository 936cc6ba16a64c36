"""Precision@k of a ranking of tags."""

import tensorflow as tf

TAG_CUTOFFS = (1, 3, 5, 10)


def precision_of_tags(scores: tf.Tensor, relevant: tf.Tensor, cutoffs: tuple[int, ...]) -> dict[str, tf.Tensor]:
    """Precision@k: the part of the k best tags that is relevant, the expectation over all orders of equal scores.

    Of t tags with equal scores behind a better ones, each is among the first k with probability
    ``max(0, min(k - a, t)) / t``. A tag whose score is NaN is never found.

    Reference: Yang et al., "Learning to Build User-tag Profile in Recommendation System", CIKM 2020, section 5.

    Args:
      scores: float [B, N_tags].
      relevant: bool [B, N_tags].
      cutoffs: the k.

    Returns:
      ``precision_at_<k>`` float32 [B]; NaN for a row without a relevant tag, and where there are fewer than k tags.
    """
    tags = scores.shape[1] or tf.shape(scores)[1]
    known = tf.reduce_any(relevant, axis=1)
    computed = ~tf.math.is_nan(scores)
    # In ascending order of the negative, what is better stands to the left and equals are in one run.
    cost = tf.where(computed, -scores, float("inf"))
    ordered = tf.sort(cost, axis=1)
    better = tf.searchsorted(ordered, cost, side="left")
    tied = tf.searchsorted(ordered, cost, side="right") - better
    wanted = tf.where(relevant & computed, 1.0 / tf.cast(tied, tf.float32), 0.0)

    def precision(k: int) -> tf.Tensor:
        places = tf.clip_by_value(k - better, 0, tied)
        return tf.reduce_sum(wanted * tf.cast(places, tf.float32), axis=1) / k

    return {f"precision_at_{k}": tf.where(known & (tags >= k), precision(k), float("nan")) for k in cutoffs}

"""Precision of a ranking of tags."""

import tensorflow as tf

TAG_CUTOFFS = (1, 3, 5, 10)


def precision_of_tags(scores: tf.Tensor, relevant: tf.Tensor, cutoffs: tuple[int, ...]) -> dict[str, tf.Tensor]:
    """Precision@k: the part of the k best tags that is relevant.

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
    ranked = tf.argsort(scores, axis=1, direction="DESCENDING", stable=True)
    hits = tf.cast(tf.gather(relevant, ranked, batch_dims=1), tf.float32)
    return {
        f"precision_at_{k}": tf.where(known & (tags >= k), tf.reduce_mean(hits[:, :k], axis=1), float("nan"))
        for k in cutoffs
    }

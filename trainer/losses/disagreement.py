"""A penalty on interests that agree."""

import tensorflow as tf


def mean_cosine(interests: tf.Tensor, interest_mask: tf.Tensor) -> tf.Tensor:
    """Mean cosine between the interests of a user, to be minimised: ``(1 / K^2) sum_ij cos(u_i, u_j)``.

    The pairs of an interest with itself count (each is 1), as in the multi-head disagreement of Li et al.,
    "Multi-Head Attention with Disagreement Regularization", EMNLP 2018, whose sign is turned here: added to a loss, a
    smaller value spreads the interests. A user's inactive interests are left out, users without one do not count.

    Args:
      interests: float [M, K, D].
      interest_mask: bool [M, K].

    Returns:
      scalar in -1 .. 1; 0 when there is no active interest at all.
    """
    active = tf.cast(interest_mask, interests.dtype)
    directions = tf.math.l2_normalize(interests, axis=-1) * active[:, :, tf.newaxis]
    # sum_ij <d_i, d_j> = |sum_i d_i|^2
    agreement = tf.reduce_sum(tf.square(tf.reduce_sum(directions, axis=1)), axis=-1)
    number = tf.reduce_sum(active, axis=1)
    each = tf.math.divide_no_nan(agreement, tf.square(number))
    users = tf.reduce_sum(tf.cast(number > 0, interests.dtype))
    return tf.math.divide_no_nan(tf.reduce_sum(each), users)

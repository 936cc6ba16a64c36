"""Regularisers that keep a user's interests apart."""

import tensorflow as tf


def disagreement(interests: tf.Tensor, interest_mask: tf.Tensor) -> tf.Tensor:
    """How alike a user's active interests are: ``D = (1 / K^2) sum_ij cos(V_i, V_j)``, to be minimised.

    Reference: the disagreement regularisation of Li et al., "Multi-Head Attention with Disagreement Regularization",
    EMNLP 2018, eq. 4, there with a minus sign and maximised. K counts a user's active interests.

    Args:
      interests: float [M, K, D].
      interest_mask: bool [M, K].

    Returns:
      float32 [M], 1 where all interests point the same way; 0 for a user without an active interest.
    """
    active = tf.cast(interest_mask, tf.float32)
    directions = tf.math.l2_normalize(tf.cast(interests, tf.float32), axis=-1) * active[:, :, tf.newaxis]
    total = tf.reduce_sum(directions, axis=1)
    return tf.math.divide_no_nan(tf.reduce_sum(total * total, axis=1), tf.reduce_sum(active, axis=1) ** 2)


def routing_variance(attribution: tf.Tensor, lengths: tf.Tensor, released_dimension: int | None = None) -> tf.Tensor:
    """How much the interests cling to single items: ``|diag Cov(A)|^2`` of the interests' weights over the history.

    Cov is over the n items of the prefix. With ``released_dimension`` it is what the authors' code computes: the
    weights are centred over all T places, the empty ones at 0 included, and the sum of squares is divided by D instead
    of n. For a full history that is ``(T / D)^2`` of the variance's penalty. The code sums over the rows of a batch
    where the loss here is their mean: its weight corresponds to one B times as large.

    Reference: Xie et al., "Rethinking Multi-Interest Learning for Candidate Matching in Recommender Systems" (REMI),
    RecSys 2023, section 3.3; Tokkiu/REMI for the released form.

    Args:
      attribution: float [M, K, T], weight of each history item in each interest, 0 behind the prefix.
      lengths: [M], number of items of the prefix.
      released_dimension: D for the released form; None for the variance.

    Returns:
      float32 [M]; 0 for an empty prefix.
    """
    weights = tf.cast(attribution, tf.float32)
    if released_dimension is not None:
        centred = weights - tf.reduce_mean(weights, axis=2, keepdims=True)
        return tf.reduce_sum((tf.reduce_sum(centred * centred, axis=2) / released_dimension) ** 2, axis=1)
    count = tf.cast(lengths, tf.float32)[:, tf.newaxis]
    mean = tf.math.divide_no_nan(tf.reduce_sum(weights, axis=2), count)
    square = tf.math.divide_no_nan(tf.reduce_sum(weights * weights, axis=2), count)
    return tf.reduce_sum((square - mean * mean) ** 2, axis=1)

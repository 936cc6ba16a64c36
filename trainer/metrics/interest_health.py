"""Whether a user's interests are several, or one in disguise."""

import tensorflow as tf

ACTIVE, COSINE, EFFECTIVE, USE = "active_interests", "interest_cosine", "effective_interests", "interest_use"
NAMES = (ACTIVE, COSINE, EFFECTIVE, USE)

_NOTHING = float("nan")


def interest_health(
    interests: tf.Tensor, interest_mask: tf.Tensor, ranked: tf.Tensor, winner: tf.Tensor
) -> dict[str, tf.Tensor]:
    """Per-user numbers that say whether interests collapsed.

    - ``active_interests``: how many interests the user has.
    - ``interest_cosine``: mean cosine of the pairs of active interests. 1 where all point the same way. An interest
      of length 0 has no direction and is in no pair: two of them are not at a right angle.
    - ``effective_interests``: ``exp(H)``, H the entropy of the shares of the user's list that each interest gave: 1
      where one interest gives all of it, the number of interests where they share it evenly.
    - ``interest_use``: ``exp(H) / K``, of all the interests that the model has.

    The exponential of an entropy as a number of kinds is Hill's of order 1: Hill, "Diversity and Evenness: A Unifying
    Notation and Its Consequences", Ecology 54, 1973.

    Args:
      interests: float [B, K, D].
      interest_mask: bool [B, K].
      ranked: int [B, N], the list, -1 where it has ended.
      winner: int [B, N], the interest that gave each item its score.

    Returns:
      float32 [B] each; NaN where there is nothing to measure: no pair of active interests, an empty list.
    """
    active = tf.cast(interest_mask, tf.float32)
    count = tf.reduce_sum(active, axis=1)
    directions = tf.math.l2_normalize(tf.cast(interests, tf.float32), axis=-1) * active[:, :, tf.newaxis]
    directed = tf.math.count_nonzero(tf.reduce_any(directions != 0.0, axis=2), axis=1, dtype=tf.float32)
    total = tf.reduce_sum(tf.square(tf.reduce_sum(directions, axis=1)), axis=1)
    alone = tf.reduce_sum(tf.square(directions), axis=[1, 2])
    pairs = directed * (directed - 1)
    given = tf.one_hot(winner, tf.shape(interests)[1]) * tf.cast(ranked >= 0, tf.float32)[:, :, tf.newaxis]
    given = tf.reduce_sum(given, axis=1)
    share = tf.math.divide_no_nan(given, tf.reduce_sum(given, axis=1, keepdims=True))
    listed = tf.reduce_any(ranked >= 0, axis=1)
    effective = tf.where(listed, tf.exp(-tf.reduce_sum(tf.math.xlogy(share, share), axis=1)), _NOTHING)
    return {
        ACTIVE: count,
        COSINE: tf.where(pairs > 0, tf.math.divide_no_nan(total - alone, pairs), _NOTHING),
        EFFECTIVE: effective,
        USE: effective / tf.cast(tf.shape(interests)[1], tf.float32),
    }

"""Squash nonlinearity of capsules."""

import tensorflow as tf

_EPSILON = 1e-9


def squash(vectors: tf.Tensor, power: float = 1.0) -> tf.Tensor:
    """``(|z|^2 / (1 + |z|^2))^p z / |z|``: keeps the direction and brings the length into 0 .. 1.

    Reference: Sabour et al., "Dynamic Routing Between Capsules", NIPS 2017, eq. 1, where p = 1; MIND (Li et al., CIKM
    2019, eq. 7) and ComiRec use the same. A power below 1 keeps short vectors longer, which matters while the item
    vectors are still small; 0 leaves the direction alone, at length 1. Computed in float32.

    Args:
      vectors: float [..., D].
      power: p, in 0 .. 1.

    Returns:
      like ``vectors``; zero for a zero vector.
    """
    wide = tf.cast(vectors, tf.float32)
    square = tf.reduce_sum(tf.square(wide), axis=-1, keepdims=True)
    share = square / (1.0 + square)
    if power != 1.0:
        # The epsilon keeps the slope of the power finite at zero.
        share = tf.pow(share + _EPSILON, power)
    return tf.cast(wide * (share * tf.math.rsqrt(square + _EPSILON)), vectors.dtype)

"""L2 normalisation."""

import tensorflow as tf


def unit(vectors: tf.Tensor) -> tf.Tensor:
    """Vectors of length 1, float [..., D]; zero for a zero vector.

    Computed in float32: in float16 the square of a length below 0.0002 is zero.
    """
    return tf.cast(tf.math.l2_normalize(tf.cast(vectors, tf.float32), axis=-1), vectors.dtype)

"""Weighted products of pairs of components (UTPM's cross layer)."""

from typing import Any

import numpy as np
import tensorflow as tf

from trainer.keras_api import keras, register


@register
class CrossFeatures(keras.layers.Layer):
    """A vector and the weighted products of all pairs of its components (UTPM's cross-feature layer).

    ``[x; x_i x_j <v_i, v_j> for i < j]``: what a factorisation machine sums up, kept as a vector.

    Reference: Yang et al., "Learning to Build User-tag Profile in Recommendation System", CIKM 2020, section 3.3.

    Args:
      factors: width of the vectors v.

    Raises:
      ValueError: ``factors`` is not positive.

    Example:
      >>> layer = CrossFeatures(1)
      >>> layer.build([None, 3])
      >>> layer.factors_table.assign([[1.0], [2.0], [3.0]])
      >>> layer(tf.constant([[1.0, 10.0, 100.0]]))
      <tf.Tensor: shape=(1, 6), dtype=float32, numpy=array([[1.e+00, 1.e+01, 1.e+02, 2.e+01, 3.e+02, 6.e+03]])>
    """

    def __init__(self, factors: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if factors < 1:
            raise ValueError(f"factors should be positive. Received: {factors}.")
        self.factors = factors

    def build(self, input_shape: Any) -> None:
        self.factors_table = self.add_weight(
            "factors", shape=(int(input_shape[-1]), self.factors), initializer="glorot_uniform"
        )
        super().build(input_shape)

    def call(self, vectors: tf.Tensor) -> tf.Tensor:
        """Crosses: float [B, I] to [B, I + I (I - 1) / 2]."""
        # Products with matrices of zeros and ones: cheaper, with their gradients, than gathers or slices.
        every = np.eye(vectors.shape[-1])
        left, right = (tf.constant(every[:, of], vectors.dtype) for of in np.triu_indices(len(every), 1))
        strengths = tf.reduce_sum(
            tf.matmul(left, self.factors_table, transpose_a=True)
            * tf.matmul(right, self.factors_table, transpose_a=True),
            axis=1,
        )
        return tf.concat([vectors, tf.matmul(vectors, left) * tf.matmul(vectors, right) * strengths], axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factors": self.factors}

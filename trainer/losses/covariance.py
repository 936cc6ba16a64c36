"""Covariance penalty that decorrelates prototypes (SINE)."""

import tensorflow as tf

from trainer.keras_api import keras, register


def covariance_penalty(prototypes: tf.Tensor) -> tf.Tensor:
    """How much the prototypes vary together: ``L_c = (|M|_F^2 - |diag M|_F^2) / 2``.

    ``M = (C - mean) (C - mean)^T / D`` where the mean of each prototype is over its own components, so that
    ``M[i, j]`` is the covariance of prototypes i and j. Zero when no two of them are correlated.

    Reference: Tan et al., "Sparse-Interest Network for Sequential Recommendation", WSDM 2021.

    Args:
      prototypes: float [L, D].

    Returns:
      scalar.
    """
    centred = prototypes - tf.reduce_mean(prototypes, axis=1, keepdims=True)
    covariance = tf.matmul(centred, centred, transpose_b=True) / tf.cast(tf.shape(prototypes)[1], prototypes.dtype)
    diagonal = tf.linalg.diag_part(covariance)
    return (tf.reduce_sum(tf.square(covariance)) - tf.reduce_sum(tf.square(diagonal))) / 2


@register
class CovarianceRegularizer(keras.regularizers.Regularizer):
    """``weight * L_c`` of the weights it is given to, added to the loss of a training step by Keras.

    Args:
      weight: lambda.

    Raises:
      ValueError: the weight is negative.
    """

    def __init__(self, weight: float) -> None:
        if weight < 0:
            raise ValueError(f"weight should be non-negative. Received: {weight}.")
        self.weight = float(weight)

    def __call__(self, weights: tf.Tensor) -> tf.Tensor:
        return self.weight * covariance_penalty(tf.cast(weights, tf.float32))

    def get_config(self) -> dict[str, float]:
        return {"weight": self.weight}

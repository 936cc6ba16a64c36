"""Orthogonality loss of vectors."""

import tensorflow as tf

from trainer.keras_api import keras, register


def orthogonality(vectors: tf.Tensor, temperature: float = 0.1) -> tf.Tensor:
    """Cross-entropy of each vector's cosines with all of them: ``mean_i -log softmax_j(cos(a_i, a_j) / t)`` at j = i.

    Smallest when the vectors are as far from each other as they can be.

    Reference: Tang et al., "Towards Multi-Interest Pre-training with Sparse Capsule Network" (MIRACLE), SIGIR 2023.

    Args:
      vectors: float [C, D].
      temperature: t.

    Returns:
      scalar, nats.
    """
    directions = tf.math.l2_normalize(vectors, axis=-1)
    cosines = tf.matmul(directions, directions, transpose_b=True) / temperature
    return tf.reduce_mean(tf.reduce_logsumexp(cosines, axis=1) - tf.linalg.diag_part(cosines))


@register
class OrthogonalityRegularizer(keras.regularizers.Regularizer):
    """``weight * orthogonality`` of the weights it is given to, added to the loss of a training step by Keras.

    Args:
      weight: theta.
      temperature: of the cosines.

    Raises:
      ValueError: the weight is negative or the temperature not positive.
    """

    def __init__(self, weight: float, temperature: float = 0.1) -> None:
        if weight < 0 or temperature <= 0:
            raise ValueError(
                f"weight should be non-negative and temperature positive. Received: {weight}, {temperature}."
            )
        self.weight, self.temperature = float(weight), float(temperature)

    def __call__(self, weights: tf.Tensor) -> tf.Tensor:
        return self.weight * orthogonality(tf.cast(weights, tf.float32), self.temperature)

    def get_config(self) -> dict[str, float]:
        return {"weight": self.weight, "temperature": self.temperature}

"""Residual projection of pooled item vectors."""

from typing import Any

import tensorflow as tf

from trainer.keras_api import keras, register


@register
class ResidualProjection(keras.layers.Layer):
    """``u = v + W2 relu(W1 [v; p] + b1) + b2`` with W2 and b2 starting at zero.

    Interests that are averages of item vectors cannot leave the items' convex hull; the projection lets them, and
    starts as the identity. ``p`` is the user's profile vector, tiled over the interests as in MIND (Li et al.,
    CIKM 2019, section 3.4, whose H layer is this without the residual path).

    Args:
      hidden: width of the hidden layer.

    Raises:
      ValueError: hidden is not positive.
    """

    def __init__(self, hidden: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if hidden < 1:
            raise ValueError(f"hidden should be positive. Received: {hidden}.")
        self.hidden = hidden

    def build(self, input_shape: Any) -> None:
        self.inner = keras.layers.Dense(self.hidden, activation="relu", name="inner")
        self.outer = keras.layers.Dense(int(input_shape[-1]), kernel_initializer="zeros", name="outer")
        super().build(input_shape)

    def call(self, interests: tf.Tensor, profile: tf.Tensor | None = None) -> tf.Tensor:
        """Projects.

        Args:
          interests: float [B, Q, K, D].
          profile: float [B, P] or None.

        Returns:
          float [B, Q, K, D].
        """
        inputs = interests
        if profile is not None:
            shape = tf.concat([tf.shape(interests)[:-1], tf.shape(profile)[-1:]], axis=0)
            tiled = tf.ensure_shape(
                tf.broadcast_to(profile[:, tf.newaxis, tf.newaxis, :], shape), [None, None, None, profile.shape[-1]]
            )
            inputs = tf.concat([interests, tf.cast(tiled, interests.dtype)], axis=-1)
        return interests + self.outer(self.inner(inputs))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "hidden": self.hidden}

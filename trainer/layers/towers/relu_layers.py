"""MIND's ReLU layers from capsules to user vectors."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainer.keras_api import keras, register


@register
class ReluLayers(keras.layers.Layer):
    """``u = relu(W_n ... relu(W_1 [v; p] + b_1) ... + b_n)``, the same layers for every interest.

    ``p`` is the user's profile vector, tiled over the interests. The last layer has ReLU too, so that no component of a
    user vector is negative; the default of the models is :class:`ResidualProjection`, which keeps them free.

    Reference: Li et al., "Multi-Interest Network with Dynamic Routing for Recommendation at Tmall", CIKM 2019,
    sections 4.1 and 4.3 and figure 2.

    Args:
      hidden: widths of the layers before the last; the last is as wide as an interest.

    Raises:
      ValueError: a width is not positive.
    """

    def __init__(self, hidden: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if min(hidden, default=1) < 1:
            raise ValueError(f"hidden should be positive widths. Received: {list(hidden)}.")
        self.hidden = list(hidden)

    def build(self, input_shape: Any) -> None:
        widths = [*self.hidden, int(input_shape[-1])]
        self.dense = [
            keras.layers.Dense(width, activation="relu", name=f"dense_{index}") for index, width in enumerate(widths)
        ]
        super().build(input_shape)

    def call(self, interests: tf.Tensor, profile: tf.Tensor | None = None) -> tf.Tensor:
        """Projects.

        Args:
          interests: float [B, Q, K, D].
          profile: float [B, P] or None.

        Returns:
          float [B, Q, K, D].
        """
        outputs = interests
        if profile is not None:
            shape = tf.concat([tf.shape(interests)[:-1], tf.shape(profile)[-1:]], axis=0)
            tiled = tf.broadcast_to(profile[:, tf.newaxis, tf.newaxis, :], shape)
            tiled = tf.ensure_shape(tiled, [None, None, None, profile.shape[-1]])
            outputs = tf.concat([interests, tf.cast(tiled, interests.dtype)], axis=-1)
        for dense in self.dense:
            outputs = dense(outputs)
        return outputs

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "hidden": list(self.hidden)}

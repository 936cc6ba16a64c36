"""Encodes a user's profile features as one vector."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from trainer.keras_api import keras, register


@register
class UserProfile(keras.layers.Layer):
    """Concatenates the mean embedding of each categorical feature and the value of each numeric one, in float32.

    Args:
      categorical: name of the transformed feature -> number of known values.
      numeric: names of the transformed numeric features.
      dimension: E, width of each categorical embedding.

    Raises:
      ValueError: no feature is given.
    """

    def __init__(self, categorical: Mapping[str, int], numeric: list[str], dimension: int, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        if not categorical and not numeric:
            raise ValueError("UserProfile needs at least one feature. Received none.")
        self.categorical, self.numeric, self.dimension = dict(categorical), list(numeric), dimension

    def build(self, input_shape: Any) -> None:
        self.tables = {
            name: self.add_weight(name, shape=(size + 1, self.dimension), initializer="glorot_uniform")
            for name, size in self.categorical.items()
        }
        super().build(input_shape)

    def call(self, features: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The profile vector.

        Args:
          features: categorical, int64 [B, V], 1 + index, 0 is padding; numeric, float32 [B, 1].

        Returns:
          float32 [B, E * categorical + numeric]; a feature without values contributes zeros.
        """
        parts = []
        for name, table in self.tables.items():
            values = features[name]
            present = tf.cast(values > 0, tf.float32)[:, :, tf.newaxis]
            total = tf.reduce_sum(tf.gather(table, values) * present, axis=1)
            parts.append(total / tf.maximum(tf.reduce_sum(present, axis=1), 1.0))
        parts += [tf.cast(features[name], tf.float32) for name in self.numeric]
        return tf.concat(parts, axis=-1)

    @property
    def width(self) -> int:
        """Number of components of the profile vector."""
        return self.dimension * len(self.categorical) + len(self.numeric)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "categorical": dict(self.categorical),
            "numeric": list(self.numeric),
            "dimension": self.dimension,
        }


def profile_layer(profile: Mapping[str, int | None], dimension: int) -> UserProfile | None:
    """The layer of a model whose profile features have these numbers of values (None: numeric); None without any."""
    if not profile:
        return None
    categorical = {name: size for name, size in profile.items() if size is not None}
    return UserProfile(categorical, [name for name, size in profile.items() if size is None], dimension, name="profile")

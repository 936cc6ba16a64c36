"""Mean vector of each user field."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from trainer.keras_api import keras, register
from trainer.layers.tags.field_embeddings import Field


@register
class FieldMeans(keras.layers.Layer):
    """The mean of each field's values: ``F_f = sum_v n_v x_v / sum_v n_v`` with counts n; 0 for an empty field."""

    def __init__(self, **kwargs: Any) -> None:
        # Counts stay what they are: half precision would round them.
        super().__init__(**{**kwargs, "autocast": False})

    def call(self, fields: Mapping[str, Field]) -> tuple[tf.Tensor, tf.Tensor]:
        """Pools.

        Args:
          fields: see :class:`FieldEmbeddings`.

        Returns:
          the field vectors, float [B, F, E], and which fields have a value, bool [B, F], in the order of ``fields``.
        """
        vectors, present = [], []
        for field in fields.values():
            total = tf.reduce_sum(field.counts, axis=1, keepdims=True)
            weights = tf.cast(field.counts / tf.maximum(total, 1.0), self.compute_dtype)
            vectors.append(weighted_sum(weights, tf.cast(field.values, self.compute_dtype)))
            present.append(total[:, 0] > 0)
        return tf.stack(vectors, axis=1), tf.stack(present, axis=1)


def weighted_sum(weights: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """``sum_v w_v x_v``: float [B, V] and [B or 1, V, E] to [B, E]."""
    if values.shape[0] == 1:
        return tf.matmul(weights, values[0])
    # Not an einsum, which makes a matrix product a row of it.
    return tf.reduce_sum(weights[..., tf.newaxis] * values, axis=1)

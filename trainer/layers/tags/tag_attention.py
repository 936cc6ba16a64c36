"""UTPM's attention within and across a user's fields."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from trainer.keras_api import keras, register
from trainer.layers.history.masking import masked_softmax
from trainer.layers.tags.field_embeddings import Field


@register
class TagAttention(keras.layers.Layer):
    """Attention inside each field, then across the fields, with the same queries (UTPM's feature-fusion layer).

    For each head h with a query q_h, inside field f with values x_i that a user has n_i times::

        alpha_i = softmax_i(q_h . relu(W_f x_i + b_f) + log n_i)        m_f = sum_i alpha_i x_i

    and across the fields that have a value::

        beta_f  = softmax_f(q_h . relu(W m_f + b))                      x_h = sum_f beta_f m_f

    The heads' vectors are concatenated. ``log n_i`` makes a value that is there n times count as n equal values. A
    field without a value has no part in the second softmax; a user without any gets zeros.

    Reference: Yang et al., "Learning to Build User-tag Profile in Recommendation System", CIKM 2020, section 3.2. Our
    reading: heads differ in their query alone, and a query is as wide as an embedding.

    Args:
      heads: H.
      single: names of the fields that have at most one value: inside them there is nothing to choose.

    Raises:
      ValueError: there is no head.
    """

    def __init__(self, heads: int = 2, single: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "autocast": False})
        if heads < 1:
            raise ValueError(f"heads should be positive. Received: {heads}.")
        self.heads, self.single = heads, list(single)

    def build(self, input_shape: Any) -> None:
        width = int(next(iter(input_shape.values()))[0][-1])
        self.queries = self.add_weight("queries", shape=(width, self.heads), initializer="glorot_uniform")
        self.inside = {
            name: keras.layers.Dense(width, activation="relu", name=f"inside_{name}")
            for name in input_shape
            if name not in self.single
        }
        self.across = keras.layers.Dense(width, activation="relu", name="across")
        for dense in (*self.inside.values(), self.across):
            dense.build((None, None, width))
        super().build(input_shape)

    def call(self, fields: Mapping[str, Field]) -> tf.Tensor:
        """Fuses.

        Args:
          fields: see :class:`FieldEmbeddings`, the same ones at each call.

        Returns:
          float [B, H E].
        """
        merged, present = [], []
        for name, field in fields.items():
            values = tf.cast(field.values, self.compute_dtype)
            if name in self.single:
                weights = tf.repeat(tf.cast(field.counts, self.compute_dtype)[:, tf.newaxis], self.heads, axis=1)
            else:
                weights = self._inside(name, values, field.counts)
            shared = values.shape[0] == 1
            merged.append(tf.einsum("bhv,ve->bhe", weights, values[0]) if shared else tf.matmul(weights, values))
            present.append(tf.reduce_any(field.counts > 0, axis=1))
        vectors = tf.stack(merged, axis=2)
        logits = tf.einsum("bhfe,eh->bhf", self.across(vectors), self.queries)
        weights = masked_softmax(tf.cast(logits, tf.float32), tf.stack(present, axis=1)[:, tf.newaxis])
        fused = tf.einsum("bhf,bhfe->bhe", tf.cast(weights, self.compute_dtype), vectors)
        return tf.reshape(fused, [-1, self.heads * vectors.shape[-1]])

    def _inside(self, name: str, values: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
        """Weights [B, H, V] of the values of a field."""
        logits = tf.cast(tf.matmul(self.inside[name](values), self.queries), tf.float32)
        logits = tf.transpose(logits, [0, 2, 1]) + tf.math.log(tf.maximum(counts, 1e-9))[:, tf.newaxis]
        return tf.cast(masked_softmax(logits, counts[:, tf.newaxis] > 0), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads, "single": list(self.single)}

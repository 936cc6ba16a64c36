"""Item tower, shared by history and candidates."""

from typing import Any

import numpy as np
import tensorflow as tf

from trainer.keras_api import keras, register


@register
class ItemTower(keras.layers.Layer):
    """An embedding an item, joined with the mean embedding of its categories where there are any.

    ``fields="sum"`` adds the two; categories start at zero, so that an item starts as its embedding. ``fields="mean"``
    averages them (an item without a category is its embedding): the mean pooling over an item's id and fields of MIND's
    embedding layer (Li et al., CIKM 2019, section 4.1), with the values of a field averaged first; categories start as
    embeddings do.

    The same vectors stand for the items of a history and for candidates (MIND and ComiRec share the table). Rows
    are gathered, never multiplied out, so that an update touches only what a batch used. There is nothing to compute
    here, and candidates are scored in float32: vectors are float32 under mixed precision too.

    Args:
      num_items: N.
      dimension: D.
      categories: int [N, C], 1 + number of each category of an item, 0 is padding; None for no categories.
      fields: ``sum`` or ``mean``.

    Raises:
      ValueError: a size is not positive, ``categories`` has another number of rows than N, or ``fields`` is neither.
    """

    def __init__(
        self, num_items: int, dimension: int, categories: Any = None, fields: str = "sum", **kwargs: Any
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        if num_items < 1 or dimension < 1:
            raise ValueError(f"num_items and dimension should be positive. Received: {num_items}, {dimension}.")
        self.categories = None if categories is None else np.asarray(categories, np.int32)
        if self.categories is not None and self.categories.shape[0] != num_items:
            raise ValueError(f"categories should have {num_items} rows. Received shape: {self.categories.shape}.")
        if fields not in ("sum", "mean"):
            raise ValueError(f"fields should be 'sum' or 'mean'. Received: {fields!r}.")
        self.num_items, self.dimension, self.fields = num_items, dimension, fields

    def build(self, input_shape: Any) -> None:
        self.embeddings = self.add_weight(
            "embeddings", shape=(self.num_items, self.dimension), initializer="glorot_uniform"
        )
        if self.categories is not None:
            self.category_embeddings = self.add_weight(
                "category_embeddings",
                shape=(int(self.categories.max()) + 1, self.dimension),
                initializer="zeros" if self.fields == "sum" else "glorot_uniform",
            )
            self.category_table = self.add_weight(
                "category_table",
                shape=self.categories.shape,
                dtype=tf.int32,
                initializer=lambda shape, dtype=None: tf.constant(self.categories),
                trainable=False,
            )
        super().build(input_shape)

    def call(self, indices: tf.Tensor) -> tf.Tensor:
        """Vectors of items: int [...] in 0 .. N - 1 to float32 [..., D]."""
        vectors = tf.gather(self.embeddings, indices)
        if self.categories is None:
            return vectors
        categories = tf.gather(self.category_table, indices)
        present = tf.cast(categories > 0, vectors.dtype)[..., tf.newaxis]
        total = tf.reduce_sum(tf.gather(self.category_embeddings, categories) * present, axis=-2)
        number = tf.reduce_sum(present, axis=-2)
        joined = vectors + total / tf.maximum(number, 1.0)
        return joined if self.fields == "sum" else joined / (1.0 + tf.minimum(number, 1.0))

    def get_config(self) -> dict[str, Any]:
        categories = None if self.categories is None else self.categories.tolist()
        return {
            **super().get_config(),
            "num_items": self.num_items,
            "dimension": self.dimension,
            "categories": categories,
            "fields": self.fields,
        }

"""Item vectors, in a history and as candidates alike."""

from typing import Any

import numpy as np
import tensorflow as tf

from trainer.keras_api import keras, register


@register
class ItemTower(keras.layers.Layer):
    """An embedding a item, plus the mean embedding of its categories where there are any.

    The same vectors stand for the items of a history and for candidates (MIND and ComiRec share the table). Rows
    are gathered, never multiplied out, so that an update touches only what a batch used. There is nothing to compute
    here, and candidates are scored in float32: vectors are float32 under mixed precision too.

    Args:
      num_items: N.
      dimension: D.
      categories: int [N, C], 1 + number of each category of an item, 0 is padding; None for no categories.

    Raises:
      ValueError: a size is not positive, or ``categories`` has another number of rows than N.
    """

    def __init__(self, num_items: int, dimension: int, categories: Any = None, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        if num_items < 1 or dimension < 1:
            raise ValueError(f"num_items and dimension should be positive. Received: {num_items}, {dimension}.")
        self.categories = None if categories is None else np.asarray(categories, np.int32)
        if self.categories is not None and self.categories.shape[0] != num_items:
            raise ValueError(f"categories should have {num_items} rows. Received shape: {self.categories.shape}.")
        self.num_items, self.dimension = num_items, dimension

    def build(self, input_shape: Any) -> None:
        self.embeddings = self.add_weight(
            "embeddings", shape=(self.num_items, self.dimension), initializer="glorot_uniform"
        )
        if self.categories is not None:
            self.category_embeddings = self.add_weight(
                "category_embeddings", shape=(int(self.categories.max()) + 1, self.dimension), initializer="zeros"
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
        return vectors + total / tf.maximum(tf.reduce_sum(present, axis=-2), 1.0)

    def get_config(self) -> dict[str, Any]:
        categories = None if self.categories is None else self.categories.tolist()
        return {
            **super().get_config(),
            "num_items": self.num_items,
            "dimension": self.dimension,
            "categories": categories,
        }

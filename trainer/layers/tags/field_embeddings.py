"""Embeddings of a user's fields."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from trainer.data import schema
from trainer.keras_api import keras, register

HISTORY_ITEMS, HISTORY_TAGS = "history_items", "history_tags"


class Field(NamedTuple):
    """The values of a field, each with the number of times a user has it.

    Attributes:
      values: float32 [B, V, E], or [1, V, E] where all users choose from the same values.
      counts: float32 [B, V], 0 for a value that is padding or that the user does not have.
    """

    values: tf.Tensor
    counts: tf.Tensor


@register
class FieldEmbeddings(keras.layers.Layer):
    """A table of embeddings for each field; the fields are in the order of their names, however they were given.

    * A categorical feature and ``history_items`` have an embedding a value.
    * ``history_tags`` are the tags of the items of the history, with an embedding a tag. Where there are fewer tags
      than places in a history (T G), all tags are the values and a user has counts of them: the same sums, less work.
    * A numeric feature has one learned vector, times the feature's value. 0, the mean, is what Transform writes for a
      missing number: it counts as absent.

    Rows are gathered, so that an update touches only what a batch used (but for the counted tags, which are few).
    Vectors are float32 under mixed precision too.

    Args:
      categorical: name of the transformed feature -> number of known values.
      numeric: names of the transformed numeric features.
      dimension: E.
      num_items: N, for the field of history items; 0 to leave it out.
      item_tags: int [N, G], 1 + number of each tag of an item, 0 is padding, for the field of history tags; None to
        leave it out.
      max_history: T, to choose how tags are summed.

    Raises:
      ValueError: there is no field, or a size is not positive.
    """

    def __init__(
        self,
        categorical: Mapping[str, int],
        numeric: list[str],
        dimension: int,
        num_items: int = 0,
        item_tags: Any = None,
        max_history: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        if dimension < 1 or max_history < 1:
            raise ValueError(f"dimension and max_history should be positive. Received: {dimension}, {max_history}.")
        self.categorical, self.numeric = dict(categorical), list(numeric)
        self.dimension, self.num_items, self.max_history = dimension, num_items, max_history
        self.item_tags = None if item_tags is None else np.asarray(item_tags, np.int32)
        sizes: dict[str, int] = dict(self.categorical)
        if num_items:
            sizes[HISTORY_ITEMS] = num_items
        if self.item_tags is not None:
            sizes[HISTORY_TAGS] = int(self.item_tags.max(initial=0))
        self._sizes = sizes
        self.fields = sorted([*sizes, *self.numeric])
        if not self.fields:
            raise ValueError("FieldEmbeddings needs at least one field. Received none.")

    def build(self, input_shape: Any) -> None:
        self.tables = {
            name: self.add_weight(
                name,
                # Row 0 is padding.
                shape=(self._sizes[name] + 1, self.dimension) if name in self._sizes else (1, self.dimension),
                initializer="glorot_uniform",
            )
            for name in self.fields
        }
        if self.item_tags is not None:
            # Row 0 is the unknown item, which has none.
            table = np.concatenate([np.zeros_like(self.item_tags[:1]), self.item_tags])
            self.tag_table = self.add_weight(
                "tag_table",
                shape=table.shape,
                dtype=tf.int32,
                initializer=lambda shape, dtype=None: tf.constant(table),
                trainable=False,
            )
        super().build(input_shape)

    def call(self, features: Mapping[str, tf.Tensor]) -> dict[str, Field]:
        """The fields of each user, by name, in the order of ``fields``.

        Args:
          features: transformed features: ``history`` and ``history_mask`` [B, T]; categorical, int64 [B, V], 1 + index,
            0 is padding; numeric, float32 [B, 1].
        """
        return {name: self._field(name, features) for name in self.fields}

    def _field(self, name: str, features: Mapping[str, tf.Tensor]) -> Field:
        table = self.tables[name]
        if name in self.numeric:
            value = tf.cast(features[name], tf.float32)
            return Field(value[..., tf.newaxis] * table, tf.cast(value != 0, tf.float32))
        if name in self.categorical:
            numbers = features[name]
        else:
            history = features[schema.HISTORY]
            numbers = history * tf.cast(features[schema.HISTORY_MASK], history.dtype)
        if name != HISTORY_TAGS:
            return _gathered(table, numbers)
        places, num_tags = self.tag_table.shape[1] * self.max_history, self._sizes[name]
        tags = tf.gather(self.tag_table, numbers)
        tags = tf.reshape(tags, [tf.shape(tags)[0], tf.reduce_prod(tf.shape(tags)[1:])])
        if num_tags > places:
            return _gathered(table, tags)
        counts = tf.math.bincount(tags, minlength=num_tags + 1, maxlength=num_tags + 1, axis=-1, dtype=tf.float32)
        counts = tf.ensure_shape(counts, [None, num_tags + 1])
        return Field(table[tf.newaxis, 1:], counts[:, 1:])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "categorical": dict(self.categorical),
            "numeric": list(self.numeric),
            "dimension": self.dimension,
            "num_items": self.num_items,
            "item_tags": None if self.item_tags is None else self.item_tags.tolist(),
            "max_history": self.max_history,
        }


def _gathered(table: tf.Tensor, numbers: tf.Tensor) -> Field:
    return Field(tf.gather(table, numbers), tf.cast(numbers > 0, tf.float32))

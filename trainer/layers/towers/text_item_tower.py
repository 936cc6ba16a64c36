"""Item tower over text vectors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.keras_api import keras, register
from trainer.layers.towers.item_tower import ItemTower
from trainer.layers.towers.moe_adaptor import MoEAdaptor


@register
class TextItemTower(keras.layers.Layer):
    """``x_i = adaptor(t_i)``, plus the item's own embedding where there is one.

    t_i is what a frozen text encoder says of item i: a weight that is not trained. Called as
    :class:`~trainer.layers.towers.item_tower.ItemTower` is. :meth:`from_text` gives the vector of an item that has no
    number, because it came after training.

    The adaptor runs once for each different item of a call, however often it occurs; in training all its occurrences
    see the same dropout and noise.

    Reference: Tang et al., "Towards Multi-Interest Pre-training with Sparse Capsule Network" (MIRACLE), SIGIR 2023.

    Args:
      num_items: N.
      text_width: E.
      adaptor: from [M, E] to [M, D].
      embeddings: gives the item's own embedding (transductive); None for items that are their texts (inductive).
      texts: float [N, E]; None where weights are loaded afterwards. No part of the configuration: it is a weight.

    Raises:
      ValueError: a size is not positive, or ``texts`` has another shape than [N, E].
    """

    def __init__(
        self,
        num_items: int,
        text_width: int,
        adaptor: MoEAdaptor,
        embeddings: ItemTower | None = None,
        texts: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if min(num_items, text_width) < 1:
            raise ValueError(f"num_items and text_width should be positive. Received: {num_items}, {text_width}.")
        if texts is not None and tuple(texts.shape) != (num_items, text_width):
            raise ValueError(f"texts should be of shape {(num_items, text_width)}. Received: {tuple(texts.shape)}.")
        self.num_items, self.text_width, self.adaptor, self.embeddings = num_items, text_width, adaptor, embeddings
        self._initial = texts
        self._noisy = False

    def build(self, input_shape: Any) -> None:
        initial = self._initial
        self.texts = self.add_weight(
            "texts",
            shape=(self.num_items, self.text_width),
            initializer="zeros"
            if initial is None
            else lambda shape, dtype=None: tf.constant(np.asarray(initial), dtype),
            trainable=False,
        )
        self._initial = None
        self.adaptor.build((None, self.text_width))
        if self.embeddings is not None:
            self.embeddings.build(None)
        super().build(input_shape)

    def call(self, indices: tf.Tensor) -> tf.Tensor:
        """Vectors of items: int [...] in 0 .. N - 1 to float32 [..., D]."""
        distinct, place = tf.unique(tf.reshape(indices, [-1]))
        vectors = tf.gather(self.from_text(tf.gather(self.texts, distinct)), tf.reshape(place, tf.shape(indices)))
        vectors = tf.cast(vectors, tf.float32)
        if self.embeddings is not None:
            vectors += self.embeddings(indices)
        return tf.ensure_shape(vectors, [*indices.shape, self.adaptor.dimension])

    def from_text(self, texts: tf.Tensor) -> tf.Tensor:
        """Vectors of items of which nothing but the text is known: float [M, E] to float [M, D]."""
        return self.adaptor(texts, training=self._noisy)

    @contextmanager
    def noise(self, training: bool) -> Iterator[None]:
        """Inside, the adaptor has dropout and noise if ``training``: an item tower is called with indices alone."""
        before, self._noisy = self._noisy, training
        try:
            yield
        finally:
            self._noisy = before

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_items": self.num_items,
            "text_width": self.text_width,
            "adaptor": keras.layers.serialize(self.adaptor),
            "embeddings": None if self.embeddings is None else keras.layers.serialize(self.embeddings),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TextItemTower":
        """The layer of a configuration; its weights have to be loaded."""
        inner = {name: value and keras.layers.deserialize(value) for name, value in config.items() if name in _INNER}
        return cls(**{**config, **inner})


_INNER = ("adaptor", "embeddings")

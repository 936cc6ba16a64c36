"""Causal context for history items: each item sees those before it."""

from typing import Any

import tensorflow as tf

from trainer.keras_api import keras, register
from trainer.layers.history.transformer_encoder import TransformerEncoder

WIDENING = 4


@register
class HistoryContext(keras.layers.Layer):
    """``h_t = x_t + g * Transformer(x_1 .. x_t)_t`` with a gain g that starts at 0.

    Any model can read its interests off h instead of x; what it is scored against stays the item vectors. Untrained it
    changes nothing, and being causal it leaves all prefixes of a window to one pass. The layer for sequences follows
    Kang and McAuley, "Self-Attentive Sequential Recommendation" (SASRec), ICDM 2018; the gain is that of Bachlechner
    et al., "ReZero is All You Need", UAI 2021, around the whole encoder. None of the multi-interest papers but
    MIRACLE, which has an encoder of its own, has it.

    Args:
      max_history: T.
      layers: Transformer layers.
      heads: attention heads; the width of the items has to be a multiple of it.
      dropout: inside the Transformer.
      seed: seed of dropout.

    Raises:
      ValueError: an argument is out of its range.
    """

    def __init__(
        self, max_history: int, layers: int, heads: int = 2, dropout: float = 0.2, seed: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if min(max_history, layers, heads) < 1:
            raise ValueError(
                f"max_history, layers and heads should be positive. Received: {max_history}, {layers}, {heads}."
            )
        self.max_history, self.layers, self.heads = max_history, layers, heads
        self.dropout, self.seed = dropout, seed

    def build(self, input_shape: Any) -> None:
        width = WIDENING * int(input_shape[-1])
        self.encoder = TransformerEncoder(
            self.max_history, self.layers, self.heads, width, self.dropout, seed=self.seed, name="encoder"
        )
        self.encoder.build(input_shape)
        self.gain = self.add_weight("gain", shape=(), initializer="zeros")
        super().build(input_shape)

    def call(self, items: tf.Tensor, history_mask: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Adds the context.

        Args:
          items: float [B, T, D].
          history_mask: [B, T].
          training: whether dropout applies.

        Returns:
          float [B, T, D], 0 behind the mask where ``items`` is.
        """
        context = self.encoder(items, history_mask, training=training)
        present = tf.cast(history_mask, items.dtype)[:, :, tf.newaxis]
        return items + tf.cast(self.gain, items.dtype) * context * present

    def get_config(self) -> dict[str, Any]:
        own = ("max_history", "layers", "heads", "dropout", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}

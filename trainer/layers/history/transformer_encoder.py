"""Transformer encoder over the items of a history."""

from typing import Any

import tensorflow as tf

from trainer.keras_api import keras, register
from trainer.layers.history.masking import from_the_newest, masked_softmax

# What BERT and the authors' code use; Keras's default of 1e-3 would damp vectors as small as fresh embeddings.
EPSILON = 1e-12
# Of positions and mask: Glorot's spread for so few rows would drown fresh item embeddings.
STDDEV = 0.02


@register
class TransformerEncoder(keras.layers.Layer):
    """``H = blocks(dropout(LN(x + P)))`` with L post-norm Transformer layers (BERT's).

    A layer is ``y = LN(x + dropout(attention(x)))``, ``LN(y + dropout(W2 gelu(W1 y + b1) + b2))``, the attention with
    scaled dot products in float32, dropout on its weights, and padding masked. Its keys have no bias, which would
    cancel in the softmax.

    ``causal`` lets an item see itself and what came before it, so that the encoding of an item is the same in every
    prefix it is in, and one pass encodes all of them. The paper's encoder is bidirectional (``causal=False``): there a
    younger item changes the encoding of the older ones, and a prefix has to be encoded by itself.

    Norms have no gain and offset unless ``affine``, which is BERT's: what follows has its own, and an offset is the
    same for all items, which then ask for the same capsules. Xu et al., "Understanding and Improving Layer
    Normalization", NeurIPS 2019, find the simple norm as good or better.

    Positions count from the oldest item; with ``newest`` the last item of a row always has the last of the T positions,
    the one before it the one before, as where histories are padded in front (MIRACLE's released code). A younger item
    then changes the encoding of the older ones whatever ``causal`` is. Row 0 of their table is the vector that stands
    in for a masked item.

    Reference: Tang et al., "Towards Multi-Interest Pre-training with Sparse Capsule Network" (MIRACLE), SIGIR 2023;
    Devlin et al., "BERT", NAACL 2019.

    Args:
      max_history: T, number of positions.
      layers: L.
      heads: number of attention heads.
      hidden: width of the feed-forward layer.
      dropout: of inputs, attention weights and outputs of each part.
      causal: see above.
      affine: see above.
      seed: seed of dropout.
      newest: see above.

    Raises:
      ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        max_history: int,
        layers: int,
        heads: int,
        hidden: int,
        dropout: float = 0.0,
        causal: bool = True,
        affine: bool = False,
        seed: int = 1,
        newest: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if min(max_history, layers, heads, hidden) < 1:
            raise ValueError(
                "max_history, layers, heads and hidden should be positive. "
                f"Received: {max_history}, {layers}, {heads}, {hidden}."
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout should be at least 0 and below 1. Received: {dropout}.")
        self.max_history, self.layers, self.heads, self.hidden = max_history, layers, heads, hidden
        self.dropout, self.causal, self.affine, self.seed, self.newest = dropout, causal, affine, seed, newest
        self.norm = keras.layers.LayerNormalization(epsilon=EPSILON, center=affine, scale=affine, name="norm")
        self.drop = keras.layers.Dropout(dropout, seed=seed)
        self.blocks = [_Block(heads, hidden, dropout, affine, seed, name=f"block_{number}") for number in range(layers)]

    def build(self, input_shape: Any) -> None:
        dimension = int(input_shape[-1])
        if dimension % self.heads:
            raise ValueError(f"The width should be a multiple of heads. Received: {dimension}, {self.heads}.")
        self.positions = self.add_weight(
            "positions",
            shape=(1 + self.max_history, dimension),
            initializer=keras.initializers.RandomNormal(stddev=STDDEV, seed=self.seed),
        )
        self.norm.build((None, None, dimension))
        for block in self.blocks:
            block.build((None, None, dimension))
        super().build(input_shape)

    def call(
        self, items: tf.Tensor, history_mask: tf.Tensor, hidden: tf.Tensor | None = None, training: bool = False
    ) -> tf.Tensor:
        """Encodes.

        Args:
          items: float [B, T, D].
          history_mask: [B, T]; no item looks behind it, and what is there is of no meaning in the output.
          hidden: bool [B, T], items to put the mask's vector in the place of; None for none.
          training: whether dropout applies.

        Returns:
          float [B, T, D].
        """
        positions = tf.cast(self.positions, items.dtype)
        length = tf.shape(items)[1]
        if hidden is not None:
            items = tf.where(hidden[:, :, tf.newaxis], positions[0], items)
        if self.newest:
            placed = items + tf.gather(positions[1:], from_the_newest(history_mask, self.max_history))
        else:
            placed = items + positions[1 : 1 + length]
        states = self.drop(self.norm(placed), training=training)
        visible = tf.cast(history_mask, tf.bool)[:, tf.newaxis, tf.newaxis, :]
        if self.causal:
            order = tf.range(length)
            visible = tf.logical_and(visible, order[tf.newaxis, :] <= order[:, tf.newaxis])
        for block in self.blocks:
            states = block(states, visible, training=training)
        return states

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "max_history": self.max_history,
            "layers": self.layers,
            "heads": self.heads,
            "hidden": self.hidden,
            "dropout": self.dropout,
            "causal": self.causal,
            "affine": self.affine,
            "seed": self.seed,
            "newest": self.newest,
        }


class _Block(keras.layers.Layer):
    """One post-norm layer. Made by the encoder alone."""

    def __init__(self, heads: int, hidden: int, dropout: float, affine: bool, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads, self.hidden, self.affine = heads, hidden, affine
        self.drop = keras.layers.Dropout(dropout, seed=seed)

    def build(self, input_shape: Any) -> None:
        dimension = int(input_shape[-1])
        self.query = keras.layers.Dense(dimension, name="query")
        self.key = keras.layers.Dense(dimension, use_bias=False, name="key")
        self.value = keras.layers.Dense(dimension, name="value")
        self.joined = keras.layers.Dense(dimension, name="joined")
        self.inner = keras.layers.Dense(self.hidden, activation=tf.nn.gelu, name="inner")
        self.outer = keras.layers.Dense(dimension, name="outer")
        norm = {"epsilon": EPSILON, "center": self.affine, "scale": self.affine}
        self.attention_norm = keras.layers.LayerNormalization(**norm, name="attention_norm")
        self.output_norm = keras.layers.LayerNormalization(**norm, name="output_norm")
        for layer in (self.query, self.key, self.value, self.joined, self.inner, self.attention_norm, self.output_norm):
            layer.build(input_shape)
        self.outer.build((*input_shape[:-1], self.hidden))
        super().build(input_shape)

    def call(self, states: tf.Tensor, visible: tf.Tensor, training: bool = False) -> tf.Tensor:
        query, key, value = (self._split(layer(states)) for layer in (self.query, self.key, self.value))
        logits = tf.cast(tf.matmul(query, key, transpose_b=True), tf.float32)
        weights = tf.cast(masked_softmax(logits * query.shape[-1] ** -0.5, visible), states.dtype)
        seen = tf.matmul(self.drop(weights, training=training), value)
        seen = tf.reshape(tf.transpose(seen, [0, 2, 1, 3]), tf.shape(states))
        states = self.attention_norm(states + self.drop(self.joined(seen), training=training))
        return self.output_norm(states + self.drop(self.outer(self.inner(states)), training=training))

    def _split(self, vectors: tf.Tensor) -> tf.Tensor:
        """[B, T, D] to [B, heads, T, D / heads]."""
        shape = tf.shape(vectors)
        split = tf.reshape(vectors, [shape[0], shape[1], self.heads, vectors.shape[-1] // self.heads])
        return tf.transpose(split, [0, 2, 1, 3])

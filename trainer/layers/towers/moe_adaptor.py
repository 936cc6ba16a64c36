"""Mixture-of-experts adaptor from text vectors to item vectors."""

from typing import Any

import tensorflow as tf

from trainer.keras_api import keras, register

NOISE_FLOOR = 0.01


@register
class MoEAdaptor(keras.layers.Layer):
    """A mixture of G linear experts over a frozen text encoder's vectors: ``x = sum_g w_g (dropout(t) - b_g) W_g``.

    The gates are ``w = softmax(t W_gate)``, in training ``w = softmax(t W_gate + e (softplus(t W_noise) + 0.01))`` with
    e ~ N(0, 1). The biases b_g let an expert centre the texts before it projects them (parametric whitening), which
    the vectors of language models, all alike to begin with, need. All gates start equal.

    The experts share one draw of the dropout, so that they are one matrix product; the authors' code draws for each.

    Reference: Tang et al., "Towards Multi-Interest Pre-training with Sparse Capsule Network" (MIRACLE), SIGIR 2023;
    the adaptor is the one of Hou et al., "Towards Universal Sequence Representation Learning for Recommender Systems"
    (UniSRec), KDD 2022, section 2.2.

    Args:
      dimension: D, width of the output.
      num_experts: G.
      dropout: share of the components of a text vector zeroed in training.
      seed: seed of dropout and noise.

    Raises:
      ValueError: an argument is out of its range.
    """

    def __init__(
        self, dimension: int, num_experts: int = 8, dropout: float = 0.0, seed: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if min(dimension, num_experts) < 1:
            raise ValueError(f"dimension and num_experts should be positive. Received: {dimension}, {num_experts}.")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout should be at least 0 and below 1. Received: {dropout}.")
        self.dimension, self.num_experts, self.dropout, self.seed = dimension, num_experts, dropout, seed
        self.drop = keras.layers.Dropout(dropout, seed=seed)

    def build(self, input_shape: Any) -> None:
        width, experts = int(input_shape[-1]), self.num_experts
        self.gate = self.add_weight("gate", shape=(width, experts), initializer="zeros")
        self.noise = self.add_weight("noise", shape=(width, experts), initializer="zeros")
        self.centres = self.add_weight("centres", shape=(experts, width), initializer="zeros")
        # Drawn as G matrices [E, D] side by side, each with the spread that Glorot gives one of them.
        limit = (6.0 / (width + self.dimension)) ** 0.5
        self.kernels = self.add_weight(
            "kernels",
            shape=(width, experts, self.dimension),
            initializer=keras.initializers.RandomUniform(-limit, limit, seed=self.seed),
        )
        super().build(input_shape)

    def call(self, texts: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Adapts.

        Args:
          texts: float [M, E], vectors of texts.
          training: whether dropout and noise apply.

        Returns:
          float [M, D].
        """
        logits = tf.matmul(texts, self.gate)
        if training:
            spread = tf.nn.softplus(tf.matmul(texts, self.noise)) + NOISE_FLOOR
            logits += spread * tf.random.normal(tf.shape(logits), dtype=logits.dtype, seed=self.seed)
        gates = tf.nn.softmax(logits, axis=-1)
        flat = tf.reshape(self.kernels, [texts.shape[-1], self.num_experts * self.dimension])
        projected = tf.matmul(self.drop(texts, training=training), flat)
        projected = tf.reshape(projected, [-1, self.num_experts, self.dimension])
        centred = projected - tf.einsum("ge,egd->gd", self.centres, self.kernels)
        return tf.einsum("mg,mgd->md", gates, centred)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dimension": self.dimension,
            "num_experts": self.num_experts,
            "dropout": self.dropout,
            "seed": self.seed,
        }

"""MIRACLE's interest extraction: sparse capsules with position-aware routing."""

from typing import Any, Literal, NamedTuple

import tensorflow as tf

from trainer.keras_api import keras, register
from trainer.layers.history.masking import MASKED_LOGIT, from_the_newest, masked_softmax, prefix_mask
from trainer.layers.history.transformer_encoder import EPSILON
from trainer.layers.interests.squash import squash

NOISE_FLOOR = 0.01
LEAK = 0.01  # PyTorch's default slope, which the authors' code has


class Capsules(NamedTuple):
    """Interests and how they came about.

    Attributes:
      interests: float [B, Q, C, D]; zero where inactive.
      active: bool [B, Q, C].
      attribution: float [B, Q, C, T], final routing weight times position weight.
      gates: float32 [B, T, C], the logits s with which each item asks for each capsule.
    """

    interests: tf.Tensor
    active: tf.Tensor
    attribution: tf.Tensor
    gates: tf.Tensor


@register
class SparseCapsule(keras.layers.Layer):
    """C capsules, of which a prefix uses those that its items activate (MIRACLE).

    With encoded items h_i, an interest base A [C, D] and N(0, 1) noise e in training::

        s_i  = A h_i + e (noise_scale stop_gradient(A h_i) + 0.01)
        used = union over the items of the prefix of argmax_j s_ij
        o    = softmax_i(w . act(W (h_i + P_i) + b))      over the items of the prefix
        q_i  = LN(tanh(W' h_i + b') + h_i)

    and, from ``b_ij = s_ij`` on, ``iterations`` times::

        c_ij = softmax_j(b_ij)           over the used capsules
        u_j  = squash(sum_i c_ij o_i q_i)
        b_ij = b_ij + <q_i, u_j>

    Every item of a prefix may be routed to any capsule that some item of it activates. Gradients flow through all
    iterations. A prefix without items uses none. Routing is in float32.

    ``encoded`` are the same vectors for all prefixes of a row (a causal encoder). What a bidirectional encoder says of
    each prefix has to come in as a row of its own.

    P counts from the oldest item; with ``newest``, as where histories are padded in front (the released code), the last
    item of a prefix has the last of the T positions. Released too, and not in the paper's equations: dropout of the
    hidden layer of o before its activation (``position_dropout``) and of ``tanh(W' h_i + b') + h_i`` before its norm
    (``vote_dropout``).

    Not in the paper: a recency bias, added to the logits of o for each capsule. w has no bias, which would cancel.

    Reference: Tang et al., "Towards Multi-Interest Pre-training with Sparse Capsule Network", SIGIR 2023. The agreement
    is with q_i and the activation of o may be LeakyReLU as in the authors' code; the paper's text has h_i and tanh.

    Args:
      num_capsules: C.
      max_history: T.
      iterations: how many times items are routed.
      noise_scale: spread of the noise, relative to s.
      activation: act, ``tanh`` or ``leaky_relu``.
      agreement: what capsules are compared with, ``projected`` (q_i) or ``encoded`` (h_i).
      regularizer: of A.
      seed: seed of noise and dropout.
      newest: see above.
      position_dropout: see above.
      vote_dropout: see above.

    Raises:
      ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        num_capsules: int,
        max_history: int,
        iterations: int = 3,
        noise_scale: float = 0.2,
        activation: Literal["tanh", "leaky_relu"] = "tanh",
        agreement: Literal["projected", "encoded"] = "projected",
        regularizer: Any = None,
        seed: int = 1,
        newest: bool = False,
        position_dropout: float = 0.0,
        vote_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if min(num_capsules, max_history, iterations) < 1:
            raise ValueError(
                "num_capsules, max_history and iterations should be positive. "
                f"Received: {num_capsules}, {max_history}, {iterations}."
            )
        if noise_scale < 0:
            raise ValueError(f"noise_scale should not be negative. Received: {noise_scale}.")
        if activation not in ("tanh", "leaky_relu"):
            raise ValueError(f"activation should be 'tanh' or 'leaky_relu'. Received: {activation!r}.")
        if agreement not in ("projected", "encoded"):
            raise ValueError(f"agreement should be 'projected' or 'encoded'. Received: {agreement!r}.")
        if not (0 <= position_dropout < 1 and 0 <= vote_dropout < 1):
            raise ValueError(
                "position_dropout and vote_dropout should be at least 0 and below 1. "
                f"Received: {position_dropout}, {vote_dropout}."
            )
        self.num_capsules, self.max_history, self.iterations = num_capsules, max_history, iterations
        self.noise_scale, self.activation, self.agreement, self.seed = noise_scale, activation, agreement, seed
        self.newest, self.position_dropout, self.vote_dropout = newest, position_dropout, vote_dropout
        self.regularizer = keras.regularizers.get(regularizer)
        self.drop_hidden = keras.layers.Dropout(position_dropout, seed=seed)
        self.drop_votes = keras.layers.Dropout(vote_dropout, seed=seed)

    def build(self, input_shape: Any) -> None:
        dimension = int(input_shape[-1])
        self.base = self.add_weight(
            "base",
            shape=(self.num_capsules, dimension),
            initializer="glorot_uniform",
            regularizer=self.regularizer,
        )
        self.positions = self.add_weight("positions", shape=(self.max_history, dimension), initializer="glorot_uniform")
        self.hidden = keras.layers.Dense(dimension, name="hidden")
        self.logits = keras.layers.Dense(1, use_bias=False, name="logits")
        self.projection = keras.layers.Dense(dimension, activation="tanh", name="projection")
        self.norm = keras.layers.LayerNormalization(epsilon=EPSILON, name="norm")
        for layer in (self.hidden, self.logits, self.projection, self.norm):
            layer.build(input_shape)
        super().build(input_shape)

    def call(
        self,
        encoded: tf.Tensor,
        history_mask: tf.Tensor,
        queries: tf.Tensor,
        bias: tf.Tensor | None = None,
        active: tf.Tensor | None = None,
        training: bool = False,
    ) -> Capsules:
        """The capsules of each queried prefix.

        Args:
          encoded: float [B, T, D].
          history_mask: [B, T]; rows of ``encoded`` behind it are ignored.
          queries: int32 [B or 1, Q].
          bias: recency bias, float [B or 1, Q, C, T], or None.
          active: bool [B, Q, C], the capsules to use; None for those that the items activate.
          training: whether gates are noisy and dropout applies.
        """
        present = prefix_mask(history_mask, queries)
        gates = self._gates(encoded, training)
        if active is None:
            active = self._activated(gates, present)
        votes = self.drop_votes(self.projection(encoded) + encoded, training=training)
        votes = tf.cast(self.norm(votes), tf.float32)
        compared = votes if self.agreement == "projected" else tf.cast(encoded, tf.float32)
        # Inside, capsules come before queries: C Q then are the rows of one matrix product.
        used = tf.transpose(active, [0, 2, 1])[..., tf.newaxis]
        share = self._position_weights(encoded, present, bias, training)
        logits = tf.where(used, tf.transpose(gates, [0, 2, 1])[:, :, tf.newaxis], MASKED_LOGIT)
        for iteration in range(self.iterations):
            weights = _softmax_over_capsules(logits) * share
            interests = squash(_rows_times(weights, votes))
            if iteration < self.iterations - 1:
                logits += _rows_times(interests, compared, transpose=True)
        on = tf.cast(used, tf.float32)
        return Capsules(
            tf.cast(tf.transpose(interests * on, [0, 2, 1, 3]), encoded.dtype),
            active,
            tf.cast(tf.transpose(weights * on, [0, 2, 1, 3]), encoded.dtype),
            gates,
        )

    def _gates(self, encoded: tf.Tensor, training: bool) -> tf.Tensor:
        gates = tf.cast(tf.matmul(encoded, self.base, transpose_b=True), tf.float32)
        if not training:
            return gates
        spread = self.noise_scale * tf.stop_gradient(gates) + NOISE_FLOOR
        return gates + spread * tf.random.normal(tf.shape(gates), seed=self.seed)

    def _activated(self, gates: tf.Tensor, present: tf.Tensor) -> tf.Tensor:
        """Bool [B, Q, C]: some item of the prefix asks for the capsule more than for any other."""
        wanted = tf.one_hot(tf.argmax(gates, axis=-1), self.num_capsules)
        return tf.matmul(tf.cast(present, tf.float32), wanted) > 0

    def _position_weights(
        self, encoded: tf.Tensor, present: tf.Tensor, bias: tf.Tensor | None, training: bool
    ) -> tf.Tensor:
        """o, float32 [B, 1, Q, T], or [B, C, Q, T] with a bias."""
        positions = tf.cast(self.positions, encoded.dtype)
        if self.newest:
            keys = encoded[:, tf.newaxis] + tf.gather(positions, from_the_newest(present, self.max_history))
        else:
            keys = (encoded + positions[: tf.shape(encoded)[1]])[:, tf.newaxis]
        hidden = self.drop_hidden(self.hidden(keys), training=training)
        hidden = tf.tanh(hidden) if self.activation == "tanh" else tf.nn.leaky_relu(hidden, LEAK)
        logits = tf.cast(self.logits(hidden), tf.float32)[..., 0][:, tf.newaxis]
        if bias is not None:
            logits += tf.cast(tf.transpose(bias, [0, 2, 1, 3]), tf.float32)
        return masked_softmax(logits, present[:, tf.newaxis])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_capsules": self.num_capsules,
            "max_history": self.max_history,
            "iterations": self.iterations,
            "noise_scale": self.noise_scale,
            "activation": self.activation,
            "agreement": self.agreement,
            "regularizer": keras.regularizers.serialize(self.regularizer),
            "seed": self.seed,
            "newest": self.newest,
            "position_dropout": self.position_dropout,
            "vote_dropout": self.vote_dropout,
        }


def _softmax_over_capsules(logits: tf.Tensor) -> tf.Tensor:
    """Softmax over axis 1; ``tf.nn.softmax`` would transpose twice for such an axis."""
    exponentials = tf.exp(logits - tf.stop_gradient(tf.reduce_max(logits, axis=1, keepdims=True)))
    return exponentials / tf.reduce_sum(exponentials, axis=1, keepdims=True)


def _rows_times(values: tf.Tensor, items: tf.Tensor, transpose: bool = False) -> tf.Tensor:
    """``values [B, C, Q, X]`` times ``items [B, T, D]``, X = T; with ``transpose`` times its transpose, X = D."""
    shape = tf.shape(values)
    product = tf.matmul(tf.reshape(values, [shape[0], shape[1] * shape[2], shape[3]]), items, transpose_b=transpose)
    width = tf.shape(items)[1] if transpose else items.shape[2]
    return tf.reshape(product, [shape[0], values.shape[1] or shape[1], shape[2], width])

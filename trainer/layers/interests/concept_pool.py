"""Prototype pool from which each user activates a few."""

from typing import Any, Literal, NamedTuple

import tensorflow as tf

from trainer.keras_api import keras, register
from trainer.layers.history.masking import masked_softmax
from trainer.layers.interests.unit import unit


class Activation(NamedTuple):
    """The prototypes that a prefix activates, the strongest first.

    Attributes:
      prototypes: float [B, Q, K, D].
      strengths: float [B, Q, K]; with ``sequence`` the logits s, with ``items`` the probability gathered.
      active: bool [B, Q, K], false where a prefix is empty or (``items``) fewer than K prototypes are activated.
    """

    prototypes: tf.Tensor
    strengths: tf.Tensor
    active: tf.Tensor


@register
class ConceptPool(keras.layers.Layer):
    """L prototypes C, and the K of them that a prefix of a history activates.

    - ``sequence`` (SINE): ``z = sum_t a_t x_t`` with ``a = softmax_t(tanh(X W1) W2)``; ``s = C z``; the K largest.
    - ``items`` (our reading of Octopus): every item votes for the prototype nearest by cosine, with the probability
      ``softmax_l(cos(x_t, c_l) / temperature)`` it gives it; the up to K prototypes with the largest sums. How many
      interests a user has follows from the items.

    Prototypes are in the space of the item vectors in either case.

    Reference: Tan et al., "Sparse-Interest Network for Sequential Recommendation", WSDM 2021 (concept activation).
    Liu et al., "Octopus: Comprehensive and Elastic User Representation for the Generation of Recommendation
    Candidates", SIGIR 2020.

    Args:
      num_prototypes: L.
      num_active: K.
      activation: see above.
      use_bias: a bias in the hidden layer of the attention a, as in SINE's released code.
      hidden_width: of that layer; 0 for D, as in the paper (4 D in the released code).
      temperature: of the votes.
      regularizer: of the prototypes.

    Raises:
      ValueError: K is not between 1 and L, the temperature not positive, the width negative, or the activation unknown.
    """

    def __init__(
        self,
        num_prototypes: int,
        num_active: int,
        activation: Literal["sequence", "items"] = "sequence",
        use_bias: bool = False,
        hidden_width: int = 0,
        temperature: float = 0.07,
        regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 1 <= num_active <= num_prototypes:
            raise ValueError(
                f"num_active should be between 1 and num_prototypes. Received: {num_active}, {num_prototypes}."
            )
        if activation not in ("sequence", "items"):
            raise ValueError(f"activation should be 'sequence' or 'items'. Received: {activation!r}.")
        if temperature <= 0:
            raise ValueError(f"temperature should be positive. Received: {temperature}.")
        self.num_prototypes, self.num_active, self.activation = num_prototypes, num_active, activation
        if hidden_width < 0:
            raise ValueError(f"hidden_width should not be negative. Received: {hidden_width}.")
        self.use_bias, self.hidden_width, self.temperature = use_bias, hidden_width, temperature
        self.regularizer = keras.regularizers.get(regularizer)

    def build(self, input_shape: Any) -> None:
        dimension = int(input_shape[-1])
        self.prototypes = self.add_weight(
            "prototypes",
            shape=(self.num_prototypes, dimension),
            initializer="glorot_uniform",
            regularizer=self.regularizer,
        )
        if self.activation == "sequence":
            width = self.hidden_width or dimension
            self.hidden = keras.layers.Dense(width, activation="tanh", use_bias=self.use_bias, name="hidden")
            # A bias of the logits would cancel in the softmax.
            self.logits = keras.layers.Dense(1, use_bias=False, name="logits")
            self.hidden.build(input_shape)
            self.logits.build((*input_shape[:-1], width))
        super().build(input_shape)

    def call(self, items: tf.Tensor, mask: tf.Tensor, keys: tf.Tensor | None = None) -> Activation:
        """Activates prototypes for each prefix.

        Args:
          items: float [B, T, D], item vectors.
          mask: bool [B, Q, T], the items of each prefix (trainer.layers.history.masking.prefix_mask).
          keys: float [B, T, D], what the attention a looks at; the items if None.
        """
        if self.activation == "sequence":
            attention = tf.squeeze(self.logits(self.hidden(items if keys is None else keys)), -1)
            attention = masked_softmax(tf.broadcast_to(attention[:, tf.newaxis], tf.shape(mask)), mask)
            summary = tf.einsum("bqt,btd->bqd", attention, items)
            scores = tf.einsum("bqd,ld->bql", summary, self.prototypes)
        else:
            scores = tf.einsum("bqt,btl->bql", tf.cast(mask, items.dtype), self._votes(items))
        strengths, chosen = tf.math.top_k(scores, self.num_active)
        active = tf.broadcast_to(tf.reduce_any(mask, axis=-1, keepdims=True), tf.shape(strengths))
        if self.activation == "items":
            active = tf.logical_and(active, strengths > 0)
        return Activation(tf.gather(self.prototypes, chosen), strengths, active)

    def _votes(self, items: tf.Tensor) -> tf.Tensor:
        """Float [B, T, L]: the probability of each item's nearest prototype, 0 for the others."""
        cosine = tf.einsum("btd,ld->btl", unit(items), unit(tf.cast(self.prototypes, items.dtype)))
        nearest = tf.one_hot(tf.argmax(cosine, axis=-1), self.num_prototypes, dtype=items.dtype)
        return tf.nn.softmax(cosine / self.temperature, axis=-1) * nearest

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_prototypes": self.num_prototypes,
            "num_active": self.num_active,
            "activation": self.activation,
            "use_bias": self.use_bias,
            "hidden_width": self.hidden_width,
            "temperature": self.temperature,
            "regularizer": keras.regularizers.serialize(self.regularizer),
        }

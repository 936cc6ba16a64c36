"""SINE's interest extraction, and Octopus's as a variant of it."""

from typing import Any, Literal, NamedTuple

import tensorflow as tf

from trainer.keras_api import keras, register
from trainer.layers.history.masking import masked_softmax, prefix_mask
from trainer.layers.interests.concept_pool import ConceptPool
from trainer.layers.interests.unit import unit
from trainer.losses.interest_regularisers import disagreement

# Layer normalisation sees sums of products of probabilities and small item vectors, whose variance is far below
# Keras's default of 1e-3: that would scale them down instead of normalising them.
EPSILON = 1e-12


class SparseInterests(NamedTuple):
    """Interests and what they were made of.

    Attributes:
      interests: phi, float [B, Q, K, D]; zero where inactive.
      active: bool [B, Q, K].
      gates: float [B, Q, K], sigmoid of how strongly each prototype is activated.
      concepts: C^u, float [B, Q, K, D], activated prototypes times their gates.
      assignment: P_{k|t}, float [B, Q, K, T]; of no meaning at items behind the query.
      attribution: float [B, Q, K, T], weight with which each item enters an interest.
      keys: float [B, T, D], items with positions.
    """

    interests: tf.Tensor
    active: tf.Tensor
    gates: tf.Tensor
    concepts: tf.Tensor
    assignment: tf.Tensor
    attribution: tf.Tensor
    keys: tf.Tensor


@register
class SparseInterest(keras.layers.Layer):
    """An interest for each of the K prototypes that a prefix activates (SINE).

    With C^u the activated prototypes times the sigmoid of their strengths (:class:`ConceptPool`) and P positions:

    - ``paper``: ``P_{k|t} = softmax_k(LN1(x_t W3) . LN2(C^u_k))``,
      ``P_{t|k} = softmax_t(tanh((X + P) W_{k,1}) W_{k,2})``, ``phi_k = LN3(sum_t P_{k|t} P_{t|k} x_t)``. The k of
      W_{k,1} and W_{k,2} counts the K places, the strongest prototype first, not the L prototypes: L matrices of
      D x D could not be gathered for every prefix.
    - ``official`` (SINE's released code): ``P_{k|t} = softmax_k(cos(x_t, C_k) / 0.07)`` of prototypes without gates;
      ``phi_k = sum_t softmax_t(f_kt P_{k|t}) x_t`` where f has one hidden layer for all k. No normalisation. The
      attention of the pool sees positions and has a bias, and what is added to the loss in training is the mean cosine
      between interests.
    - ``octopus`` (our reading): assignment as in ``official``, among the prototypes that items activate;
      ``phi_k = sum_t softmax_t(f_t + log P_{k|t}) x_t`` with one f for all k and no bias. No normalisation.

    LN2 has no offset: it would add the same number to the logits of all k.

    Reference: Tan et al., "Sparse-Interest Network for Sequential Recommendation", WSDM 2021 (intention assignment,
    attention weighting, interest generation).

    Args:
      num_interests: K.
      num_prototypes: L.
      max_history: number of position embeddings.
      variant: see above.
      temperature: of the assignment by cosine.
      regularizer: of the prototypes.
      disagreement: weight of the mean cosine between interests in the loss of training.
      hidden_width: of the hidden layers of the attentions, H in D x H for W_1 and W_{k,1}; 0 for D, as in the paper.
        The released code has 4 D.

    Raises:
      ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        num_interests: int,
        num_prototypes: int,
        max_history: int,
        variant: Literal["paper", "official", "octopus"] = "paper",
        temperature: float = 0.07,
        regularizer: Any = None,
        disagreement: float = 0.0,
        hidden_width: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if max_history < 1 or disagreement < 0 or hidden_width < 0:
            raise ValueError(
                "max_history should be positive, disagreement and hidden_width not negative. "
                f"Received: {max_history}, {disagreement}, {hidden_width}."
            )
        if variant not in ("paper", "official", "octopus"):
            raise ValueError(f"variant should be 'paper', 'official' or 'octopus'. Received: {variant!r}.")
        self.num_interests, self.num_prototypes, self.max_history = num_interests, num_prototypes, max_history
        self.variant, self.temperature, self.disagreement = variant, temperature, disagreement
        self.hidden_width = hidden_width
        self.regularizer = keras.regularizers.get(regularizer)
        self.pool = ConceptPool(
            num_prototypes,
            num_interests,
            activation="items" if variant == "octopus" else "sequence",
            use_bias=variant == "official",
            hidden_width=hidden_width,
            temperature=temperature,
            regularizer=self.regularizer,
            name="pool",
        )

    def build(self, input_shape: Any) -> None:
        dimension, official = int(input_shape[-1]), self.variant == "official"
        places = self.num_interests if self.variant == "paper" else 1
        width = self.hidden_width or dimension
        self.positions = self.add_weight("positions", shape=(self.max_history, dimension), initializer="glorot_uniform")
        self.pool.build(input_shape)
        self.hidden = keras.layers.Dense(places * width, activation="tanh", use_bias=official, name="hidden")
        self.hidden.build(input_shape)
        if official:
            self.logits = keras.layers.Dense(self.num_interests, name="logits")
            self.logits.build((*input_shape[:-1], width))
        else:
            self.readers = self.add_weight("readers", shape=(places, width), initializer="glorot_uniform")
        if self.variant == "paper":
            self.interest_norm = keras.layers.LayerNormalization(epsilon=EPSILON, name="interest_norm")
            self.interest_norm.build((None, None, places, dimension))
            self.projection = keras.layers.Dense(dimension, use_bias=False, name="projection")
            self.item_norm = keras.layers.LayerNormalization(epsilon=EPSILON, name="item_norm")
            self.concept_norm = keras.layers.LayerNormalization(epsilon=EPSILON, center=False, name="concept_norm")
            self.projection.build(input_shape)
            self.item_norm.build(input_shape)
            self.concept_norm.build((None, None, places, dimension))
        super().build(input_shape)

    def call(
        self,
        items: tf.Tensor,
        history_mask: tf.Tensor,
        queries: tf.Tensor,
        bias: tf.Tensor | None = None,
        training: bool = False,
    ) -> SparseInterests:
        """Extracts the interests of each queried prefix.

        Args:
          items: float [B, T, D]; rows behind the mask are ignored.
          history_mask: [B, T].
          queries: int32 [B or 1, Q].
          bias: float [B or 1, Q, K, T] added to the logits of P_{t|k}, or None.
          training: whether the disagreement of interests is added to the losses.
        """
        mask = prefix_mask(history_mask, queries)
        keys = items + tf.cast(self.positions, items.dtype)[tf.newaxis, : tf.shape(items)[1]]
        activation = self.pool(items, mask, keys if self.variant == "official" else None)
        gates = tf.sigmoid(activation.strengths)
        concepts = activation.prototypes * gates[..., tf.newaxis]
        logits = self._assignment_logits(items, activation.prototypes, concepts, activation.active)
        assignment = tf.nn.softmax(logits, axis=2)
        weights = self._weights(keys, logits, assignment, mask, activation.active, bias)
        interests = tf.einsum("bqkt,btd->bqkd", weights, items)
        if self.variant == "paper":
            interests = self.interest_norm(interests)
        interests *= tf.cast(activation.active, interests.dtype)[..., tf.newaxis]
        if training and self.disagreement:
            self.add_loss(self.disagreement * _mean_disagreement(interests, activation.active, history_mask, queries))
        return SparseInterests(interests, activation.active, gates, concepts, assignment, weights, keys)

    def _assignment_logits(
        self, items: tf.Tensor, prototypes: tf.Tensor, concepts: tf.Tensor, active: tf.Tensor
    ) -> tf.Tensor:
        """Logits [B, Q, K, T] of P_{k|t}."""
        if self.variant == "paper":
            left, right = self.item_norm(self.projection(items)), self.concept_norm(concepts)
            return tf.einsum("bqkd,btd->bqkt", right, left)
        left, right = unit(items), unit(prototypes)
        logits = tf.einsum("bqkd,btd->bqkt", right, left) / self.temperature
        return tf.where(active[..., tf.newaxis], logits, logits.dtype.min)

    def _weights(
        self,
        keys: tf.Tensor,
        logits: tf.Tensor,
        assignment: tf.Tensor,
        mask: tf.Tensor,
        active: tf.Tensor,
        bias: tf.Tensor | None,
    ) -> tf.Tensor:
        """Weight [B, Q, K, T] of each item in each interest."""
        bias = tf.constant(0.0, keys.dtype) if bias is None else tf.cast(bias, keys.dtype)
        among = mask[:, :, tf.newaxis]
        hidden = self.hidden(keys)
        if self.variant == "official":
            attention = tf.transpose(self.logits(hidden), [0, 2, 1])[:, tf.newaxis]
            return masked_softmax(attention * assignment + bias, among)
        places = self.readers.shape[0]
        hidden = tf.reshape(hidden, tf.concat([tf.shape(keys)[:2], [places, self.readers.shape[1]]], axis=0))
        attention = tf.einsum("btkd,kd->bkt", hidden, self.readers)[:, tf.newaxis] + bias
        if self.variant == "octopus":
            attention += tf.nn.log_softmax(logits, axis=2)
            return masked_softmax(attention, tf.logical_and(among, active[..., tf.newaxis]))
        attention = tf.broadcast_to(attention, tf.shape(assignment))
        return assignment * masked_softmax(attention, among)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_interests": self.num_interests,
            "num_prototypes": self.num_prototypes,
            "max_history": self.max_history,
            "variant": self.variant,
            "temperature": self.temperature,
            "regularizer": keras.regularizers.serialize(self.regularizer),
            "disagreement": self.disagreement,
            "hidden_width": self.hidden_width,
        }


def _mean_disagreement(
    interests: tf.Tensor, active: tf.Tensor, history_mask: tf.Tensor, queries: tf.Tensor
) -> tf.Tensor:
    """Mean over the prefixes that there are: queries behind the end of a history repeat its last prefix."""
    lengths = tf.reduce_sum(tf.cast(history_mask, tf.int32), axis=1, keepdims=True)
    real = tf.logical_and(queries >= 0, queries < lengths)
    each = disagreement(tf.boolean_mask(interests, real), tf.boolean_mask(active, real))
    return tf.math.divide_no_nan(tf.reduce_sum(each), tf.cast(tf.size(each), tf.float32))

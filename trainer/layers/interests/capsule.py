"""Interest extraction by dynamic routing (MIND, ComiRec-DR)."""

from typing import Any

import tensorflow as tf

from trainer.keras_api import keras, register
from trainer.layers.history.masking import MASKED_LOGIT, masked_softmax, prefix_mask
from trainer.layers.interests.squash import squash

_TRANSFORMS = ("shared", "per_position")
_NEAR = 0.02


@register
class CapsuleLayer(keras.layers.Layer):
    """K interests as capsules that the items of the history vote for (MIND's B2I routing, ComiRec-DR).

    With votes ``u_ij`` of item i for capsule j and logits ``b_ij``, repeated ``iterations`` times::

        w_ij = softmax_j(b_ij)      over the interests that are in use
        z_j  = sum_i r_ij w_ij u_ij over the items of the prefix
        v_j  = squash(z_j)
        b_ij = b_ij + <v_j, u_ij>, or with a routing temperature tau, + cos(z_j, u_ij) / tau

    ``transform="shared"``, MIND: ``u_ij = S e_i``, one matrix for all (with ``vote_bias``, ``S e_i + s``); the logits
    start at a random ``[K, T]`` table, without which all capsules would stay the same. It is drawn once from ``seed``,
    is not trained, and is saved with the model, so that training and serving start from the same numbers.
    ``transform="per_position"``, ComiRec-DR: ``u_ij = W_ij e_i``, a matrix for each position i, counted from the
    oldest item, and interest j; the logits start at zero.

    The votes are computed once; the routing runs for every queried prefix under its own mask. The interests see the
    routing weights detached, so that their gradient goes through the last iteration's sum alone, as in the authors'
    code. The attribution does carry a gradient, for those who put a penalty on it; unused, it costs nothing.

    Not in the papers: ``r``, the recency weights, ``r_ij = n softmax_i(bias_ij)`` over the n items of the prefix, which
    are all one for a zero bias; without a bias the layer is the papers'. They weigh the votes, because the softmax
    over interests cancels whatever is added to the logits of all interests alike.

    Not in the papers: the cosines. Item vectors start at a length of about 0.1 and, where scores are cosines, are of
    0.2 to 0.3 when training ends; squashed sums are shorter. The inner products are then a few hundredths, and the
    routing stays what the first logits made it: even without a table, random by position with one.

    Reference: Li et al., "Multi-Interest Network with Dynamic Routing for Recommendation at Tmall", CIKM 2019,
    section 4.2, eq. 5-9; Cen et al., "Controllable Multi-Interest Framework for Recommendation", KDD 2020, section
    3.2, algorithm 1. MIND's text assigns new logits where it means to accumulate them; here they accumulate, as in
    Sabour et al., NIPS 2017.

    Args:
      num_interests: K.
      max_history: T.
      transform: ``shared`` or ``per_position``.
      dynamic_interests: use ``max(1, min(K, floor(log2 n)))`` capsules for a prefix of n items (MIND, eq. 9); false:
        always K.
      logits_stddev: sigma of the initial logits of ``shared``, above 0 if K is more than 1.
      iterations: how many times votes are routed.
      squash_power: see trainer/layers/interests/squash.py.
      routing_temperature: tau of the agreement by cosine; None, as published: inner products.
      vote_bias: add a trained s to the votes of ``shared``, which the paper's equation 5 does not have and MIND in
        ComiRec's released code does (a dense layer whose bias starts as Glorot uniform).
      identity_start: matrices start as the identity, plus N(0, 0.02^2) where there are several, so that votes start
        near the item vectors; false, as published: Glorot uniform for ``shared``, N(0, 1) for ``per_position``.
      seed: seed of the initial logits.

    Raises:
      ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        num_interests: int,
        max_history: int,
        transform: str = "shared",
        dynamic_interests: bool = False,
        logits_stddev: float = 1.0,
        iterations: int = 3,
        squash_power: float = 1.0,
        routing_temperature: float | None = None,
        vote_bias: bool = False,
        identity_start: bool = False,
        seed: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if min(num_interests, max_history, iterations) < 1:
            raise ValueError(
                "num_interests, max_history and iterations should be positive. "
                f"Received: {num_interests}, {max_history}, {iterations}."
            )
        if transform not in _TRANSFORMS:
            raise ValueError(f"transform should be one of {', '.join(_TRANSFORMS)}. Received: {transform!r}.")
        if transform == "shared" and num_interests > 1 and not logits_stddev > 0:
            raise ValueError(f"logits_stddev should be positive, or all interests are one. Received: {logits_stddev}.")
        if vote_bias and transform != "shared":
            raise ValueError(f"vote_bias goes with transform 'shared'. Received: {transform!r}.")
        if not 0 <= squash_power <= 1:
            raise ValueError(f"squash_power should be between 0 and 1. Received: {squash_power}.")
        if routing_temperature is not None and not routing_temperature > 0:
            raise ValueError(f"routing_temperature should be positive. Received: {routing_temperature}.")
        self.num_interests, self.max_history, self.transform = num_interests, max_history, transform
        self.dynamic_interests, self.logits_stddev, self.iterations = dynamic_interests, logits_stddev, iterations
        self.squash_power, self.routing_temperature = squash_power, routing_temperature
        self.vote_bias, self.identity_start, self.seed = vote_bias, identity_start, seed

    def build(self, input_shape: Any) -> None:
        dimension, k = int(input_shape[-1]), self.num_interests
        if self.transform == "shared":
            self.bilinear = self.add_weight(
                "bilinear",
                shape=(dimension, dimension),
                initializer="identity" if self.identity_start else "glorot_uniform",
            )
            if self.vote_bias:
                self.bias = self.add_weight("bias", shape=(dimension,), initializer="glorot_uniform")
            self.routing_logits = self.add_weight(
                "routing_logits",
                shape=(k, self.max_history),
                initializer=keras.initializers.RandomNormal(stddev=self.logits_stddev, seed=self.seed),
                trainable=False,
            )
        else:
            self.matrices = self.add_weight(
                "matrices",
                shape=(self.max_history, k * dimension, dimension),
                initializer=_near_identity if self.identity_start else keras.initializers.RandomNormal(stddev=1.0),
            )
        super().build(input_shape)

    def call(
        self, items: tf.Tensor, history_mask: tf.Tensor, queries: tf.Tensor, bias: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Routes the items of each queried prefix.

        Args:
          items: float [B, T, D]; rows behind the mask are ignored.
          history_mask: [B, T].
          queries: int32 [B or 1, Q].
          bias: recency bias, float [B or 1, Q, K, T], or None.

        Returns:
          interests [B, Q, K, D], zero where unused; interest_mask, bool [B, Q, K], whose first interest is always in
          use; attribution [B, Q, K, T], the last routing weights times the recency weights, zero outside the prefix
          and for unused interests.
        """
        # Inside, interests come before queries: K then is the batch of the matrix products.
        present = prefix_mask(history_mask, queries)[:, tf.newaxis]
        used = self._interests_in_use(present)
        votes = tf.cast(self._votes(items), tf.float32)
        weights = tf.cast(present, tf.float32)
        if bias is not None:
            share = masked_softmax(tf.cast(tf.transpose(bias, [0, 2, 1, 3]), tf.float32), present)
            weights = share * tf.reduce_sum(weights, axis=-1, keepdims=True)
        routing = self._route(votes, weights, used)
        interests = squash(self._gather_votes(tf.stop_gradient(routing) * weights, votes), self.squash_power)
        back = [0, 2, 1, 3]
        return (
            tf.cast(tf.transpose(interests, back), items.dtype),
            tf.transpose(used[..., 0], [0, 2, 1]),
            tf.cast(tf.transpose(routing * weights, back), items.dtype),
        )

    def _interests_in_use(self, present: tf.Tensor) -> tf.Tensor:
        """Bool [B, K, Q, 1]. In integers: interest k, from 0, is used from 2^(k + 1) items on, the first always."""
        length = tf.reduce_sum(tf.cast(present, tf.int32), axis=-1, keepdims=True)
        needed = [0] + [2 ** min(k + 1, 30) if self.dynamic_interests else 0 for k in range(1, self.num_interests)]
        return length >= tf.constant(needed)[tf.newaxis, :, tf.newaxis, tf.newaxis]

    def _votes(self, items: tf.Tensor) -> tf.Tensor:
        """[B, G, T, D] with G = 1 where all interests get the same votes, else K."""
        if self.transform == "shared":
            votes = tf.matmul(items, self.bilinear, transpose_b=True)
            return (votes + self.bias if self.vote_bias else votes)[:, tf.newaxis]
        shape = tf.shape(items)
        matrices = tf.cast(self.matrices, items.dtype)[: shape[1]]
        votes = tf.matmul(tf.transpose(items, [1, 0, 2]), matrices, transpose_b=True)
        votes = tf.reshape(votes, [shape[1], shape[0], self.num_interests, items.shape[2]])
        return tf.transpose(votes, [1, 2, 0, 3])

    def _route(self, votes: tf.Tensor, weights: tf.Tensor, used: tf.Tensor) -> tf.Tensor:
        """Softmax over interests, [B, K, Q, T or 1], that the last iteration starts with."""
        logits = tf.zeros([1, 1, 1, 1])
        if self.transform == "shared":
            logits = tf.cast(self.routing_logits, tf.float32)[tf.newaxis, :, tf.newaxis, : tf.shape(votes)[2]]
        logits = tf.where(used, logits, MASKED_LOGIT)
        compared = votes if self.routing_temperature is None else tf.math.l2_normalize(votes, axis=-1)
        for _ in range(self.iterations - 1):
            sums = self._gather_votes(_softmax_over_interests(logits) * weights, votes)
            if self.routing_temperature is None:
                capsules = squash(sums, self.squash_power)
            else:
                capsules = tf.math.l2_normalize(sums, axis=-1) / self.routing_temperature
            logits += self._per_vote(capsules, compared, transpose_votes=True)
        return _softmax_over_interests(logits)

    def _gather_votes(self, weights: tf.Tensor, votes: tf.Tensor) -> tf.Tensor:
        """``sum_i weights_ij u_ij``: [B, K, Q, T] to [B, K, Q, D]."""
        return self._per_vote(weights, votes, transpose_votes=False)

    def _per_vote(self, values: tf.Tensor, votes: tf.Tensor, transpose_votes: bool) -> tf.Tensor:
        """Matrix product of [B, K, Q, X] and votes [B, G, T, D]; with G = 1 one product of K Q rows."""
        shape, groups = tf.shape(values), 1 if self.transform == "shared" else self.num_interests
        flat = tf.reshape(values, [shape[0], groups, self.num_interests // groups * shape[2], shape[3]])
        product = tf.matmul(flat, votes, transpose_b=transpose_votes)
        width = tf.shape(votes)[2] if transpose_votes else votes.shape[3]
        return tf.reshape(product, [shape[0], self.num_interests, shape[2], width])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_interests": self.num_interests,
            "max_history": self.max_history,
            "transform": self.transform,
            "dynamic_interests": self.dynamic_interests,
            "logits_stddev": self.logits_stddev,
            "iterations": self.iterations,
            "squash_power": self.squash_power,
            "routing_temperature": self.routing_temperature,
            "vote_bias": self.vote_bias,
            "identity_start": self.identity_start,
            "seed": self.seed,
        }


def _softmax_over_interests(logits: tf.Tensor) -> tf.Tensor:
    """Softmax over axis 1; several times faster than ``tf.nn.softmax``, which transposes twice for such an axis."""
    exponentials = tf.exp(logits - tf.reduce_max(logits, axis=1, keepdims=True))
    return exponentials / tf.reduce_sum(exponentials, axis=1, keepdims=True)


def _near_identity(shape: tuple[int, int, int], dtype: Any = None, **_: Any) -> tf.Tensor:
    """[T, K D, D]: K identities below each other for each position, plus noise that tells the interests apart."""
    noise = keras.initializers.RandomNormal(stddev=_NEAR)(shape, dtype)
    return noise + tf.tile(tf.eye(shape[2], dtype=noise.dtype), [shape[1] // shape[2], 1])

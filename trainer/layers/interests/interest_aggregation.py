"""SINE's aggregation of several interests to one vector."""

from typing import Any, Literal

import tensorflow as tf

from trainer.keras_api import keras, register
from trainer.layers.history.masking import masked_softmax
from trainer.layers.interests.sparse_interest import EPSILON, SparseInterests


@register
class InterestAggregation(keras.layers.Layer):
    """Which interest the next item will come from, told without knowing that item.

    The history is read as a sequence of concepts, ``x^_t = sum_k P_{k|t} C^u_k``, and summed up:

    - ``paper``: ``c = LN4(sum_t softmax_t(tanh(X^ W3') W4) x^_t)``, ``e = softmax_k(<c, phi_k> / temperature)``.
    - ``official``: ``c = sum_t softmax_t(tanh((X^ + X + P) W3' + b) W4) (x^_t + x_t)``,
      ``e = softmax_k(<phi_k, W [mean_k phi; c] + b>)``.

    The paper writes W3 here and in the assignment of :class:`SparseInterest`: with ``shared_kernel`` this layer has no
    W3' of its own and takes the assignment's, handed to the call; else W3' is another matrix.

    The user's vector is ``sum_k e_k phi_k``, in training and in serving: there is no gap between them. Of x^ only
    the tanh is ever computed for every pair of query and item: ``X^ W3' = P (C^u W3')``, and the sum over items is
    taken of P before C^u is multiplied in.

    Reference: Tan et al., "Sparse-Interest Network for Sequential Recommendation", WSDM 2021 (interest aggregation);
    the authors' released code for ``official``.

    Args:
      variant: see above.
      temperature: of ``paper``.
      hidden_width: H, of W3' [D, H] and W4 [H]; 0 for D, as in the paper. The released code has 4 D.
      shared_kernel: see above.

    Raises:
      ValueError: an argument is out of its range, or a kernel is to be shared by ``official``, which has no W3, or at
        another width than D.
    """

    def __init__(
        self,
        variant: Literal["paper", "official"] = "paper",
        temperature: float = 0.1,
        hidden_width: int = 0,
        shared_kernel: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if variant not in ("paper", "official"):
            raise ValueError(f"variant should be 'paper' or 'official'. Received: {variant!r}.")
        if temperature <= 0:
            raise ValueError(f"temperature should be positive. Received: {temperature}.")
        if hidden_width < 0:
            raise ValueError(f"hidden_width should not be negative. Received: {hidden_width}.")
        if shared_kernel and (variant == "official" or hidden_width):
            raise ValueError(
                f"shared_kernel goes with variant 'paper' and hidden_width 0. Received: {variant!r}, {hidden_width}."
            )
        self.variant, self.temperature = variant, temperature
        self.hidden_width, self.shared_kernel = hidden_width, shared_kernel

    def build(self, input_shape: Any) -> None:
        dimension = int(input_shape[-1])
        width = self.hidden_width or dimension
        if not self.shared_kernel:
            self.kernel = self.add_weight("kernel", shape=(dimension, width), initializer="glorot_uniform")
        self.reader = self.add_weight("reader", shape=(width,), initializer="glorot_uniform")
        if self.variant == "official":
            self.offset = self.add_weight("offset", shape=(width,), initializer="zeros")
            self.query = keras.layers.Dense(dimension, name="query")
            self.query.build((None, None, 2 * dimension))
        else:
            self.norm = keras.layers.LayerNormalization(epsilon=EPSILON, name="norm")
            self.norm.build((None, None, dimension))
        super().build(input_shape)

    def call(
        self, items: tf.Tensor, extracted: SparseInterests, mask: tf.Tensor, kernel: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Weights of the interests of each prefix.

        Args:
          items: float [B, T, D].
          extracted: of :class:`SparseInterest`.
          mask: bool [B, Q, T], the items of each prefix.
          kernel: W3 of the assignment, float [D, D], with ``shared_kernel``; else None.

        Returns:
          e, float [B, Q, K], which sums to 1.
        """
        if (kernel is None) == self.shared_kernel:
            raise ValueError("A kernel should be given with shared_kernel, and only then.")
        kernel = self.kernel if kernel is None else tf.cast(kernel, items.dtype)
        # einsum, not matmul: oneDNN's batch product corrupts memory when a matrix is broadcast over [B, Q] (TF 2.16).
        projected = tf.einsum("bqkd,de->bqke", extracted.concepts, kernel)
        hidden = tf.einsum("bqkt,bqke->bqte", extracted.assignment, projected)
        if self.variant == "official":
            hidden += (tf.einsum("btd,de->bte", extracted.keys, kernel) + self.offset)[:, tf.newaxis]
        logits = tf.einsum("bqte,e->bqt", tf.tanh(hidden), self.reader)
        attention = masked_softmax(logits, mask)
        of_concepts = tf.einsum("bqt,bqkt->bqk", attention, extracted.assignment)
        concept = tf.einsum("bqk,bqkd->bqd", of_concepts, extracted.concepts)
        if self.variant == "official":
            concept += tf.einsum("bqt,btd->bqd", attention, items)
            mean = tf.reduce_mean(extracted.interests, axis=2)
            query = self.query(tf.concat([mean, concept], axis=-1))
        else:
            query = self.norm(concept) / self.temperature
        return tf.nn.softmax(tf.einsum("bqd,bqkd->bqk", query, extracted.interests))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "variant": self.variant,
            "temperature": self.temperature,
            "hidden_width": self.hidden_width,
            "shared_kernel": self.shared_kernel,
        }

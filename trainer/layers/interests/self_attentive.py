"""ComiRec-SA's interest extraction by self-attention."""

from typing import Any

import tensorflow as tf

from trainer.keras_api import keras, register
from trainer.layers.history.masking import masked_softmax, prefix_mask


@register
class SelfAttentiveInterests(keras.layers.Layer):
    """K interests by K attention distributions over the history (ComiRec-SA).

    ``A = softmax_T(W2^T tanh(W1 (X + P) + b1) + b2)``, ``V = A X``: padding is masked, positions P count from the
    oldest kept item and enter the keys only, never the values.

    Reference: Cen et al., "Controllable Multi-Interest Framework for Recommendation", KDD 2020, section 3.2, eq. 6-7;
    the biases b1 and b2, absent from the paper's equation, follow the authors' released code. The softmax is
    restricted to each prefix, so that all prefixes of a history come out of one call.

    Args:
      num_interests: K.
      hidden: width of the attention's hidden layer (the paper's d_a); the authors use 4 D.
      max_history: T, number of position embeddings.

    Raises:
      ValueError: an argument is not positive.
    """

    def __init__(self, num_interests: int, hidden: int, max_history: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if min(num_interests, hidden, max_history) < 1:
            raise ValueError(
                "num_interests, hidden and max_history should be positive. "
                f"Received: {num_interests}, {hidden}, {max_history}."
            )
        self.num_interests, self.hidden, self.max_history = num_interests, hidden, max_history

    def build(self, input_shape: Any) -> None:
        dimension = int(input_shape[-1])
        self.positions = self.add_weight("positions", shape=(self.max_history, dimension), initializer="glorot_uniform")
        self.attention_hidden = keras.layers.Dense(self.hidden, activation="tanh", name="attention_hidden")
        self.attention_logits = keras.layers.Dense(self.num_interests, name="attention_logits")
        self.attention_hidden.build(input_shape)
        self.attention_logits.build((*input_shape[:-1], self.hidden))
        super().build(input_shape)

    def call(
        self, items: tf.Tensor, history_mask: tf.Tensor, queries: tf.Tensor, bias: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Extracts the interests of each queried prefix.

        Args:
          items: float [B, T, D], item vectors; rows behind the mask are ignored.
          history_mask: [B, T].
          queries: int32 [B or 1, Q].
          bias: float [B or 1, Q, K, T] added to the logits, or None.

        Returns:
          interests [B, Q, K, D] and attention [B, Q, K, T]; both zero for an empty prefix.
        """
        length = tf.shape(items)[1]
        keys = items + tf.cast(self.positions, items.dtype)[tf.newaxis, :length]
        logits = tf.transpose(self.attention_logits(self.attention_hidden(keys)), [0, 2, 1])[:, tf.newaxis]
        if bias is not None:
            logits += tf.cast(bias, logits.dtype)
        attention = masked_softmax(logits, prefix_mask(history_mask, queries)[:, :, tf.newaxis, :])
        # einsum, not a matmul broadcast over the queries, whose gradient is of [B, Q, T, D].
        return tf.einsum("bqkt,btd->bqkd", attention, items), attention

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_interests": self.num_interests,
            "hidden": self.hidden,
            "max_history": self.max_history,
        }

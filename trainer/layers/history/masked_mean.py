"""Weighted mean of a history."""

import tensorflow as tf

from trainer.keras_api import keras, register
from trainer.layers.history.masking import masked_softmax, prefix_mask


@register
class MaskedMean(keras.layers.Layer):
    """Mean of the item vectors of each prefix, optionally weighted.

    ``v_q = sum_{t <= q} w_qt x_t`` with ``w_q = softmax_t(bias_qt)``; without a bias the weights are equal and
    this is the pooling of YouTubeDNN (Covington et al., RecSys 2016, section 3.2).

    Example:
      >>> x = tf.constant([[[2.0], [4.0]]])
      >>> MaskedMean()(x, tf.constant([[1, 1]]), tf.constant([[0, 1]]))[0]
      <tf.Tensor: shape=(1, 2, 1, 1), dtype=float32, numpy=array([[[[2.]], [[3.]]]], dtype=float32)>
    """

    def call(
        self, items: tf.Tensor, history_mask: tf.Tensor, queries: tf.Tensor, bias: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Pools.

        Args:
          items: float [B, T, D].
          history_mask: [B, T].
          queries: int32 [B or 1, Q].
          bias: float [B or 1, Q, 1, T] or None (equal weights).

        Returns:
          vectors [B, Q, 1, D] and the weights [B, Q, 1, T]; both zero for an empty prefix.
        """
        mask = prefix_mask(history_mask, queries)[:, :, tf.newaxis, :]
        logits = tf.zeros_like(mask, items.dtype) if bias is None else tf.cast(bias, items.dtype)
        weights = masked_softmax(tf.broadcast_to(logits, tf.shape(mask)), mask)
        # einsum, not a matmul broadcast over the queries, whose gradient is of [B, Q, T, D].
        return tf.einsum("bqkt,btd->bqkd", weights, items), weights

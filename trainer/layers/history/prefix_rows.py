"""Expands prefixes to rows, for encoders in which later items change earlier ones."""

import tensorflow as tf

from trainer.layers.history.masking import prefix_mask


def prefixes_as_rows(
    items: tf.Tensor, history_mask: tf.Tensor, queries: tf.Tensor, bias: tf.Tensor | None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
    """One row for each queried prefix, those of a history one after the other.

    Args:
      items: float [B, T, D].
      history_mask: [B, T].
      queries: int32 [B or 1, Q].
      bias: float [B or 1, Q, K, T] or None.

    Returns:
      items [B Q, T, D]; mask, bool [B Q, T]; bias [B Q, 1, K, T] or None.
    """
    present = prefix_mask(history_mask, queries)
    batch, number, length = tf.unstack(tf.shape(present))
    if bias is not None:
        heads = bias.shape[2]
        bias = tf.reshape(tf.broadcast_to(bias, [batch, number, heads, length]), [-1, 1, heads, length])
    return tf.repeat(items, number, axis=0), tf.reshape(present, [-1, length]), bias


def rows_as_prefixes(values: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """Undoes it: what was found for Q rows of one prefix each, [B Q, 1, ...], to [B, Q, ...].

    Args:
      values: any [B Q, 1, ...].
      number: Q.
    """
    shape = tf.shape(values)
    folded = tf.reshape(values, tf.concat([[shape[0] // number, number], shape[2:]], axis=0))
    return tf.ensure_shape(folded, [None, None, *values.shape[2:]])

"""Masks of the items that a prefix of a history may attend to.

Every encoder takes ``queries`` [B or 1, Q]: the positions at which a user's interests are wanted. Training asks
for all of them (Q = T), serving for each row's last item (Q = 1); the code is the same, which is why training on
all prefixes at once equals training on them one by one.
"""

import tensorflow as tf

MASKED_LOGIT = -1e9


def all_positions(history_mask: tf.Tensor) -> tf.Tensor:
    """Queries for every prefix: int32 [1, T] from a mask [B, T]."""
    return tf.range(tf.shape(history_mask)[1])[tf.newaxis, :]


def last_positions(history_mask: tf.Tensor) -> tf.Tensor:
    """Queries for the whole history: int32 [B, 1], the last item's position; -1 in an empty row."""
    return tf.reduce_sum(tf.cast(history_mask, tf.int32), axis=1, keepdims=True) - 1


def prefix_mask(history_mask: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
    """Bool [B, Q, T]: item t is present and not younger than query q.

    Args:
      history_mask: [B, T], non-zero where an item is.
      queries: int32 [B or 1, Q], positions in 0 .. T - 1.
    """
    positions = tf.range(tf.shape(history_mask)[1])
    return tf.logical_and(
        tf.cast(history_mask, tf.bool)[:, tf.newaxis, :],
        positions[tf.newaxis, tf.newaxis, :] <= queries[:, :, tf.newaxis],
    )


def prefix_lengths(history_mask: tf.Tensor, whole_history: bool) -> tf.Tensor:
    """Number of items of every prefix: int64 [B, T]; or of the whole history, [B, 1]."""
    present = tf.cast(history_mask, tf.int64)
    return tf.reduce_sum(present, axis=1, keepdims=True) if whole_history else tf.cumsum(present, axis=1)


def from_the_newest(mask: tf.Tensor, positions: int) -> tf.Tensor:
    """The position of each item where the youngest has the last one, whatever the length of its history.

    Args:
      mask: [..., T], non-zero where an item of the history is: the first n places.
      positions: number of positions, at least T.

    Returns:
      int32 [..., T]: ``positions - n + t``; the last position behind the history.
    """
    length = tf.reduce_sum(tf.cast(mask, tf.int32), axis=-1, keepdims=True)
    return tf.minimum(positions - length + tf.range(tf.shape(mask)[-1]), positions - 1)


def masked_softmax(logits: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Softmax over the last axis among the places where ``mask`` is true; all zero where none is.

    Args:
      logits: float [..., T].
      mask: bool, broadcastable to ``logits``.
    """
    weights = tf.nn.softmax(tf.where(mask, logits, logits.dtype.min), axis=-1)
    return weights * tf.cast(mask, logits.dtype)

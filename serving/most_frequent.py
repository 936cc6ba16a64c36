"""The items that a user of whom nothing is known gets: the most frequent in training."""

import tensorflow as tf

from trainer.retrieval import Keep, TopK, exact_top_k, merge_interest_lists


def most_frequent(counts: tf.Variable, excluded: tf.Tensor, k: tf.Tensor) -> TopK:
    """The k first items, scored by their counts.

    Args:
      counts: int64 [N], descending.
      excluded: int64 [B, E], rows of items that must not be returned; -1 is padding.
      k: at least 1.
    """
    fetch = tf.minimum(k + tf.shape(excluded)[1], counts.shape[0])
    shape = [tf.shape(excluded)[0], 1, fetch]
    indices = tf.broadcast_to(tf.range(fetch), shape)
    scores = tf.broadcast_to(tf.cast(counts[:fetch], tf.float32), shape)
    return merge_interest_lists(indices, scores, tf.fill(shape[:2], True), k, excluded)


def most_frequent_kept(counts: tf.Variable, excluded: tf.Tensor, k: tf.Tensor, keep: Keep) -> TopK:
    """The same of the items that ``keep`` lets through; it looks at all N."""
    one = tf.ones([tf.shape(excluded)[0], 1, 1])
    scores = tf.cast(counts, tf.float32)[:, tf.newaxis]
    return exact_top_k(one, tf.ones_like(one[..., 0], tf.bool), scores, k, excluded=excluded, keep=keep)

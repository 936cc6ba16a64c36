"""Popularity fallback for users without a known history."""

import tensorflow as tf

from serving.index.candidates import candidates
from trainer.ranking.top_k import NO_SCORE, Keep, TopK, exact_top_k, finish


def most_frequent(counts: tf.Variable, excluded: tf.Tensor, k: tf.Tensor) -> TopK:
    """The k first items, scored by their counts.

    Args:
      counts: int64 [N], descending.
      excluded: int64 [B, E], rows of items that must not be returned; -1 is padding.
      k: at least 1.
    """
    fetch = tf.minimum(k + tf.shape(excluded)[1], counts.shape[0])
    shape = [tf.shape(excluded)[0], 1, fetch]
    frequency = tf.cast(counts[:fetch], tf.float32)
    indices, scores = tf.broadcast_to(tf.range(fetch), shape), tf.broadcast_to(frequency, shape)
    found = candidates(indices, scores, tf.fill(shape[:2], True), k, tf.constant(False), excluded)
    best, order = tf.math.top_k(tf.where(found.usable, tf.gather(frequency, found.items), NO_SCORE), k)
    items = tf.gather(found.items, order, batch_dims=1)
    return finish(items, best, tf.zeros_like(items), tf.get_static_value(k))


def most_frequent_kept(counts: tf.Variable, excluded: tf.Tensor, k: tf.Tensor, keep: Keep) -> TopK:
    """The same of the items that ``keep`` lets through; it looks at all N."""
    one = tf.ones([tf.shape(excluded)[0], 1, 1])
    scores = tf.cast(counts, tf.float32)[:, tf.newaxis]
    return exact_top_k(one, tf.ones_like(one[..., 0], tf.bool), scores, k, excluded=excluded, keep=keep)

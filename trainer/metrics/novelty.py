"""Novelty of a list: how rare its items are."""

import tensorflow as tf

from trainer.metrics.user_lists import UserLists


def self_information(counts: tf.Tensor) -> tf.Tensor:
    """``-log2 p`` of each item, float32 [N] in bits; p is its share of the interactions of the training split.

    An item that training never saw counts as seen once: p = 0 would make a mean infinite.

    Args:
      counts: [N], interactions of each item.
    """
    counts = tf.maximum(tf.cast(counts, tf.float64), 1.0)
    return tf.cast(tf.math.log(tf.reduce_sum(counts) / counts) / tf.math.log(tf.constant(2.0, tf.float64)), tf.float32)


def novelty(lists: UserLists, n: int) -> tf.Tensor:
    """Mean self-information of the first n items, float32 [B] in bits; NaN for a user without a list.

    References: Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems", PNAS 2010; Vargas
    and Castells, "Rank and Relevance in Novelty and Diversity Metrics for Recommender Systems", RecSys 2011, free
    discovery without a discount by rank, from where the p is.
    """
    listed = lists.listed[:, :n]
    there = listed >= 0
    bits = tf.where(there, tf.gather(lists.items.self_information, tf.maximum(listed, 0)), 0.0)
    number = tf.math.count_nonzero(there, axis=1, dtype=tf.float32)
    return tf.where(number > 0, tf.math.divide_no_nan(tf.reduce_sum(bits, axis=1), number), float("nan"))

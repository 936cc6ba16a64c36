"""Merges the K lists of an approximate search and removes duplicates.

By the largest score over the interests the best N are among the K lists of each interest's best N: whole lists of N
lose nothing, and lists of N / K would. By log-sum-exp an item that is in no list can be among the best N: every s_k is
at most the last score l_k of its list, and ``tau log sum_k exp(l_k / tau)`` can be as much as ``tau log K`` above the
largest of them. Longer lists make it rare.
"""

from typing import NamedTuple

import tensorflow as tf

from trainer.ranking.top_k import Keep

_ITEM_BITS = 32
_LARGEST_ITEM = tf.int32.max
_LOW_BITS = (1 << _ITEM_BITS) - 1


class Candidates(NamedTuple):
    """Different items, in ascending order among those that are usable.

    Attributes:
      items: [B, M] int32, M at least the k that was asked for; at least 0 where they are not usable, too.
      usable: [B, M] bool; the others are padding, found again, excluded, or not let through by the filter.
      complete: [B] bool, whether no item that was left out of a list can belong to the user's k best by the largest
        score: k candidates score no lower than the last item of any list that was cut off. Scores are those of the
        search.
    """

    items: tf.Tensor
    usable: tf.Tensor
    complete: tf.Tensor


def candidates(
    indices: tf.Tensor,
    scores: tf.Tensor,
    interest_mask: tf.Tensor,
    k: tf.Tensor,
    cut_off: tf.Tensor,
    excluded: tf.Tensor | None = None,
    keep: Keep | None = None,
) -> Candidates:
    """The different items of each user's lists.

    An item and its score become one int64 key, and one sort brings the copies of an item together. An excluded item
    joins the sort with a score above all others, and takes its copies away.

    Args:
      indices: [B, K, n] int32, the lists, best first.
      scores: [B, K, n] float32; NaN, with which ScaNN pads, is padding whatever the index says.
      interest_mask: [B, K] bool; lists of masked interests are ignored.
      k: int32 scalar, length of the list that is wanted.
      cut_off: bool scalar, whether the items behind a full list exist.
      excluded: [B, E] int32 or int64, indices of items that must not be returned; -1 is padding.
      keep: which items each user may get; None for all.
    """
    batch, width = tf.shape(interest_mask)[0], tf.reduce_prod(tf.shape(indices)[1:])
    found = tf.equal(scores, scores) & interest_mask[:, :, tf.newaxis]
    keys = tf.where(found, _high(indices) | _rank(scores), tf.constant(-1, tf.int64))
    last = keys[:, :, -1]
    least = tf.reduce_max(tf.where(cut_off & (last >= 0), last & _LOW_BITS, 0), axis=1, keepdims=True)
    parts = [tf.reshape(keys, [batch, width]), tf.fill([batch, tf.maximum(k - width, 0)], tf.constant(-1, tf.int64))]
    if excluded is not None:
        parts.append(tf.where(excluded >= 0, _high(excluded) | _LOW_BITS, -1))
    keys = tf.concat(parts, axis=1)
    keys = tf.math.top_k(keys, tf.shape(keys)[1]).values
    items = tf.bitwise.right_shift(keys, tf.constant(_ITEM_BITS, tf.int64))
    first = tf.concat([tf.ones_like(items[:, :1], tf.bool), tf.not_equal(items[:, 1:], items[:, :-1])], axis=1)
    rank = keys & _LOW_BITS
    usable = first & (keys >= 0)
    if excluded is not None:
        usable &= rank < _LOW_BITS
    items = tf.where(usable, _LARGEST_ITEM - tf.cast(items, tf.int32), 0)
    if keep is not None:
        usable &= keep(items)
    enough = tf.math.count_nonzero(usable & (rank >= least), axis=1, dtype=tf.int32) >= k
    return Candidates(items, usable, enough | ~tf.reduce_any(interest_mask, axis=1))


def _high(items: tf.Tensor) -> tf.Tensor:
    """Upper half of a key: a descending sort of keys is an ascending one of items."""
    return tf.bitwise.left_shift(tf.cast(_LARGEST_ITEM - items, tf.int64), tf.constant(_ITEM_BITS, tf.int64))


def _rank(scores: tf.Tensor) -> tf.Tensor:
    """float32 scores as int64 in [0, 2^32), in the order of the numbers: lower half of a key."""
    bits = tf.bitcast(scores, tf.int32)
    flipped = tf.bitwise.right_shift(bits, 31) | tf.int32.min
    return tf.cast(tf.bitcast(bits ^ flipped, tf.uint32), tf.int64)

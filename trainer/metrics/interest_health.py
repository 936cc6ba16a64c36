"""Metrics that show whether a user's interests differ or have collapsed. All float32 [B]."""

import tensorflow as tf

from trainer.metrics.user_lists import UserLists

OWN_LENGTH = 50
"""Length of the lists that interests are compared by."""

_NOTHING = float("nan")


def interest_overlap(lists: UserLists, n: int) -> tf.Tensor:
    """:func:`mean_jaccard` of the active interests' own first n items."""
    return mean_jaccard(lists.own[:, :, :n], lists.active)


def mean_jaccard(own: tf.Tensor, active: tf.Tensor) -> tf.Tensor:
    """Mean Jaccard index of the pairs of a user's lists; NaN without a pair.

    1 where all interests give one list, 0 where no item is in two lists.

    Args:
      own: int32 [B, K, L], distinct items, -1 where a list has ended.
      active: bool [B, K], which lists count.
    """
    wide = tf.shape(own)[1]
    upper = tf.where(tf.range(wide)[:, tf.newaxis] < tf.range(wide))
    first, second = (tf.gather(own, upper[:, side], axis=1) for side in (0, 1))
    common = _distinct_in_both(first, second)
    either = _length(first) + _length(second) - common
    both = tf.logical_and(*(tf.gather(active, upper[:, side], axis=1) for side in (0, 1)))
    return _mean(tf.math.divide_no_nan(common, either), both & (either > 0))


def interest_alone_share(lists: UserLists, n: int) -> tf.Tensor:
    """The part of the user's first n items that are in the own first n of one interest, the most useful; NaN if none.

    1 where a single interest would give the whole list.
    """
    listed, own = lists.listed[:, tf.newaxis, :n], lists.own[:, :, :n]
    alone = _distinct_in_both(tf.broadcast_to(listed, tf.shape(own)), own)
    length = _length(listed)[:, 0]
    return tf.where(length > 0, tf.math.divide_no_nan(tf.reduce_max(alone, axis=1), length), _NOTHING)


def effective_interests(lists: UserLists, _: int) -> tf.Tensor:
    """Distinct items in the own first 50 of all interests, divided by the longest of these lists; NaN without any.

    Interests that give one list count as one, whichever of them wins an item by a hair; K that share no item are K.
    """
    own = lists.own[:, :, :OWN_LENGTH]
    together = tf.sort(tf.reshape(own, [tf.shape(own)[0], -1]), axis=1)
    new = tf.concat([tf.ones_like(together[:, :1], tf.bool), together[:, 1:] != together[:, :-1]], axis=1)
    distinct = tf.math.count_nonzero(new & (together >= 0), axis=1, dtype=tf.float32)
    longest = tf.reduce_max(_length(own), axis=1)
    return tf.where(longest > 0, tf.math.divide_no_nan(distinct, longest), _NOTHING)


def interest_use(lists: UserLists, _: int) -> tf.Tensor:
    """:func:`effective_interests` divided by K, all the interests that the model has."""
    return effective_interests(lists, _) / tf.cast(tf.shape(lists.own)[1], tf.float32)


def active_interests(lists: UserLists, _: int) -> tf.Tensor:
    """How many interests the user has."""
    return tf.math.count_nonzero(lists.active, axis=1, dtype=tf.float32)


def interest_cosine(lists: UserLists, _: int) -> tf.Tensor:
    """Mean cosine of the pairs of active interests; NaN without a pair. 1 where all point the same way.

    An interest of length 0 has no direction and is in no pair: two of them are not at a right angle.
    """
    return mean_cosine(lists.interests, lists.active)


def mean_cosine(vectors: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Mean cosine of the pairs of vectors [B, M, D] that the mask [B, M] keeps; NaN without a pair."""
    directions = tf.math.l2_normalize(tf.cast(vectors, tf.float32), axis=-1)
    directions *= tf.cast(mask, tf.float32)[:, :, tf.newaxis]
    directed = tf.math.count_nonzero(tf.reduce_any(directions != 0.0, axis=2), axis=1, dtype=tf.float32)
    total = tf.reduce_sum(tf.square(tf.reduce_sum(directions, axis=1)), axis=1)
    alone = tf.reduce_sum(tf.square(directions), axis=[1, 2])
    pairs = directed * (directed - 1)
    return tf.where(pairs > 0, tf.math.divide_no_nan(total - alone, pairs), _NOTHING)


def _distinct_in_both(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """How many items two lists [..., L] of distinct items share, -1 being none: float32 [...]."""
    # Two lists sorted as one, because comparing each with each takes L^2.
    together = tf.sort(tf.concat([first, second], axis=-1), axis=-1)
    same = (together[..., 1:] == together[..., :-1]) & (together[..., 1:] >= 0)
    return tf.math.count_nonzero(same, axis=-1, dtype=tf.float32)


def _length(lists: tf.Tensor) -> tf.Tensor:
    return tf.math.count_nonzero(lists >= 0, axis=-1, dtype=tf.float32)


def _mean(values: tf.Tensor, kept: tf.Tensor) -> tf.Tensor:
    """Means of the kept values of each row; NaN where none is."""
    number = tf.math.count_nonzero(kept, axis=1, dtype=tf.float32)
    total = tf.reduce_sum(tf.where(kept, values, 0.0), axis=1)
    return tf.where(number > 0, tf.math.divide_no_nan(total, number), _NOTHING)

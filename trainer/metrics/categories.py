"""Category coverage of lists, and diversity of histories. All float32 [B]."""

import tensorflow as tf

from trainer.metrics.interest_health import mean_cosine
from trainer.metrics.ranking import PADDING, Places
from trainer.metrics.user_lists import UserLists

_NOTHING = float("nan")


def category_recall(places: Places, listed: tf.Tensor, item_category: tf.Tensor) -> tf.Tensor:
    """The part of the targets' categories of which the list holds an item; NaN for a user without any.

    Args:
      places: of the targets; those without a category, or outside the catalogue, do not count.
      listed: int32 [B, N], the list, -1 where it has ended.
      item_category: int32 [N items], finest category, -1 for none.
    """
    wanted = tf.where(places.targets >= 0, tf.gather(item_category, tf.maximum(places.targets, 0)), PADDING)
    wanted = tf.sort(wanted, axis=1)
    first = tf.concat([tf.ones_like(wanted[:, :1], tf.bool), wanted[:, 1:] != wanted[:, :-1]], axis=1)
    counted = first & (wanted >= 0)
    given = tf.sort(tf.where(listed >= 0, tf.gather(item_category, tf.maximum(listed, 0)), PADDING), axis=1)
    place = tf.minimum(tf.searchsorted(given, wanted), tf.shape(given)[1] - 1)
    covered = counted & (tf.gather(given, place, batch_dims=1) == wanted)
    number, found = (tf.math.count_nonzero(which, axis=1, dtype=tf.float32) for which in (counted, covered))
    return tf.where(number > 0, tf.math.divide_no_nan(found, number), _NOTHING)


def history_diversity(lists: UserLists, _: int) -> tf.Tensor:
    """How mixed a history is: the share of pairs of its items that differ in category; NaN without a pair.

    Of the items that have a category. Where no item of the catalogue has one, it is 1 minus the mean cosine of the
    pairs of item vectors, which depends on the model that the vectors are of.
    """
    present = lists.history > 0
    item = tf.maximum(tf.cast(lists.history, tf.int32) - 1, 0)

    def by_category() -> tf.Tensor:
        category = tf.where(present, tf.gather(lists.items.category, item), -1)
        known = category >= 0
        both = known[:, :, tf.newaxis] & known[:, tf.newaxis]
        different = both & (category[:, :, tf.newaxis] != category[:, tf.newaxis])
        number = tf.math.count_nonzero(known, axis=1, dtype=tf.float32)
        pairs = number * (number - 1)
        share = tf.math.divide_no_nan(tf.math.count_nonzero(different, axis=[1, 2], dtype=tf.float32), pairs)
        return tf.where(pairs > 0, share, _NOTHING)

    return tf.cond(
        tf.reduce_any(lists.items.category >= 0),
        by_category,
        lambda: 1.0 - mean_cosine(tf.gather(lists.items.vectors, item), present),
    )

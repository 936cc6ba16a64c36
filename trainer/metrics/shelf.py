"""Recall of a page with one row per interest."""

import tensorflow as tf

from trainer.metrics.ranking import found_in, share_found
from trainer.metrics.user_lists import UserLists

SHELF_ROWS = (10,)
"""Lengths of the rows that are reported."""

MOST_PLACES = 500
"""Places of a page that are looked at, at most."""


def shelf_recall(lists: UserLists, n: int) -> tf.Tensor:
    """The part of the targets on a page of ``n`` places for each of ``page_rows`` rows: float32 [B]; 0 without any.

    A row holds the first items of one interest, and the active interests of a user share the places evenly: K rows of
    n each, or the first K n of a single vector. An item is found if any row has it. Ties never help: rows draw them
    in one order, so that a target is found with the probability of the row where it stands best.

    Args:
      lists: of the users; ``own_places`` has to be exact up to the length of a row.
      n: items of a row where all interests are active.
    """
    active = tf.maximum(tf.math.count_nonzero(lists.active, axis=1, dtype=tf.int32), 1)
    length = (tf.minimum(n * lists.page_rows, MOST_PLACES) // active)[:, tf.newaxis, tf.newaxis]
    better, tied = lists.own_places
    found = tf.where(lists.active[:, :, tf.newaxis], found_in(better, tied, length), 0.0)
    found = tf.where(lists.places.targets >= 0, tf.reduce_max(found, axis=1), 0.0)
    return share_found(found, lists.places.countable)

"""Lists of users for metrics that are computed by hand."""

import numpy as np
import tensorflow as tf

from trainer.metrics.ranking import places_of
from trainer.metrics.user_lists import Items, UserLists


def lists(own, active=None, listed=None, interests=None, **more):
    """Users whose interests have these lists of their own."""
    own = tf.constant(own, tf.int32)
    active = tf.ones(own.shape[:2], tf.bool) if active is None else tf.constant(active)
    targets = tf.constant(more.pop("targets", [[0]] * own.shape[0]), tf.int64)
    better = tf.constant(more.pop("better", np.zeros(targets.shape)), tf.int32)
    tied = tf.constant(more.pop("tied", np.ones(targets.shape)), tf.int32)
    category = tf.constant(more.pop("category", [-1] * 100), tf.int32)
    return UserLists(
        places=places_of(better, tied, targets),
        listed=own[:, 0] if listed is None else tf.constant(listed, tf.int32),
        own=own,
        own_places=more.pop("own_places", (better[:, tf.newaxis], tied[:, tf.newaxis])),
        interests=tf.ones([*own.shape[:2], 2]) if interests is None else tf.constant(interests, tf.float32),
        active=active,
        page_rows=tf.constant(more.pop("page_rows", 1)),
        history=tf.constant(more.pop("history", [[1]] * own.shape[0])),
        items=Items(
            category,
            tf.constant(more.pop("tail", [False] * len(category))),
            tf.constant(more.pop("self_information", [0.0] * len(category)), tf.float32),
            tf.constant(more.pop("vectors", np.ones((100, 2)))),
        ),
    )

"""Users and their lists for every metric: at random, as good as they can be, and as bad."""

import numpy as np
import tensorflow as tf

from trainer.metrics.novelty import self_information
from trainer.metrics.ranking import places_of
from trainer.metrics.user_lists import Items, UserLists, in_the_tail
from trainer.ranking.fair_ranking import NOWHERE

N, K, LENGTH, TARGETS, HISTORY = 200, 4, 60, 5, 8
USERS = N // 50
COUNTS = np.array([N * N, *range(N - 1, 0, -1)])
"""Interactions of each item; the head is the first item alone."""


def of(listed, own, targets, history, category, active=None, interests=None):
    """Users whose places agree with their lists.

    Args:
      listed: [B, LENGTH], -1 where a list has ended.
      own: [B, K, LENGTH], of each interest alone.
      targets: [B, M], -1 for padding, -2 for an item outside the catalogue.
      history: [B, T], 1 + item, 0 behind the last.
      category: [N].
      active: [B, K]; by default all.
      interests: [B, K, D]; by default at right angles.
    """
    listed, own, targets, category = (np.array(values, np.int32) for values in (listed, own, targets, category))
    active = np.ones(own.shape[:2], bool) if active is None else np.array(active)
    own = np.where(active[:, :, np.newaxis], own, -1)
    better = _places(listed, targets)
    own_better = np.stack([_places(own[:, k], targets) for k in range(K)], axis=1)
    counts = tf.constant(COUNTS, tf.int64)
    return UserLists(
        places=places_of(tf.constant(better), tf.ones_like(better), tf.constant(targets)),
        listed=tf.constant(listed),
        own=tf.constant(own),
        own_places=(tf.constant(own_better), tf.ones_like(own_better)),
        interests=tf.constant(np.tile(np.eye(K), [len(own), 1, 1]) if interests is None else interests, tf.float32),
        active=tf.constant(active),
        page_rows=tf.constant(K),
        history=tf.constant(history, tf.int64),
        items=Items(
            tf.constant(category),
            in_the_tail(counts),
            self_information(counts),
            tf.constant(np.random.default_rng(1).normal(size=(N, 3)), tf.float32),
        ),
    )


def _places(listed, targets):
    """How many items of a list [B, L] stand in front of each target [B, M]."""
    found = (listed[:, :, np.newaxis] == targets[:, np.newaxis]) & (targets[:, np.newaxis] >= 0)
    return np.where(found.any(axis=1), found.argmax(axis=1), NOWHERE).astype(np.int32)


def at_random(seed, users=USERS, positive=True):
    """Whatever may come, among it users without a list, a target, a history or a second interest.

    Args:
      seed: of it.
      users: how many.
      positive: whether the components of all interests are.
    """
    rng = np.random.default_rng(seed)
    own = np.array([[rng.permutation(N)[:LENGTH] for _ in range(K)] for _ in range(users)])
    active = np.arange(K) < rng.integers(1, K + 1, [users, 1])
    # In turn from each active interest what is not there yet.
    listed = [list(dict.fromkeys(lists[used].T.ravel()))[:LENGTH] for lists, used in zip(own, active, strict=True)]
    empty = rng.random(users) < 0.2
    empty[0] = False
    listed = np.where(empty[:, np.newaxis], -1, np.array(listed))
    targets = rng.integers(-2, N, [users, TARGETS])
    targets[rng.random([users, TARGETS]) < 0.3] = -1
    history = rng.integers(1, N + 1, [users, HISTORY]) * (np.arange(HISTORY) < rng.integers(0, HISTORY, [users, 1]))
    interests = rng.normal(size=(users, K, K))
    category = rng.integers(-1, rng.integers(1, 12), N)
    return of(listed, own, targets, history, category, active, np.abs(interests) if positive else interests)


def good():
    """No two users are shown one item, and the last is shown the rarest; all targets are rare and come first.

    No two items have one category. Interests are at right angles, find nothing together, and each a part of the list.
    """
    items = np.arange(N)
    listed, own = [], []
    for user in range(USERS):
        mine = items // 50 == user
        listed.append([*items[mine], *([-1] * (LENGTH - 50))])
        own.append(
            [[*items[mine & (items % K == k)], *items[~mine & (items % K == k)], *([-1] * 10)] for k in range(K)]
        )
    targets = [lists[1 : TARGETS + 1] for lists in listed]
    return of(listed, own, targets, np.tile(np.arange(1, HISTORY + 1), [USERS, 1]), items)


def bad():
    """All are shown the most popular items, of one category that is no target's, by interests that are one.

    Half of the users have a single interest.
    """
    popular = np.arange(LENGTH)
    active = np.array([[True, user % 2 == 0, user % 2 == 0, user % 2 == 0] for user in range(USERS)])
    return of(
        np.tile(popular, [USERS, 1]),
        np.tile(popular, [USERS, K, 1]),
        np.tile(np.arange(N - TARGETS, N), [USERS, 1]),
        np.tile(np.arange(1, HISTORY + 1), [USERS, 1]),
        np.arange(N) >= LENGTH,
        active,
        np.ones([USERS, K, K]),
    )

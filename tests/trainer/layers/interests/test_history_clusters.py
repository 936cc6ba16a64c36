import json

import numpy as np
import pytest
import tensorflow as tf

from trainer.keras_api import keras
from trainer.layers.interests.history_clusters import HistoryClusters

X, Y, Z = np.eye(3)


def _prefixes(lengths, total):
    """Which items each prefix has, [1, Q, T], and equal weights of them."""
    among = np.arange(total) < np.array(lengths)[:, np.newaxis]
    return tf.constant(among[np.newaxis]), tf.constant(
        (among / np.maximum(among.sum(1, keepdims=True), 1))[None], tf.float32
    )


def _clusters(items, lengths, k=3, number=None, weights=None, **options):
    among, even = _prefixes(lengths, len(items))
    given = even if weights is None else tf.constant(weights, tf.float32)
    return HistoryClusters(k, **options)(tf.constant(np.array(items)[None], tf.float32), given, among, number)


def test_groups_by_hand():
    """Three x, two y, one z, of any length: the largest group first, and each item in its own."""
    items = [X, 2 * Y, 3 * X, Z, X, Y]
    found = _clusters(items, [6, 4, 1, 0], temperature=0.01)
    np.testing.assert_array_equal(found.active[0], [[1, 1, 1], [1, 1, 1], [1, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(found.mass[0, 0], [3 / 6, 2 / 6, 1 / 6], rtol=1e-5)
    np.testing.assert_allclose(
        found.attribution[0, 0],
        [[1 / 3, 0, 1 / 3, 0, 1 / 3, 0], [0, 1 / 2, 0, 0, 0, 1 / 2], [0, 0, 0, 1, 0, 0]],
        atol=1e-6,
    )
    np.testing.assert_allclose(found.mass[0, 1], [2 / 4, 1 / 4, 1 / 4], rtol=1e-5)
    np.testing.assert_array_equal(found.attribution[0, 3], np.zeros((3, 6)))


def test_equal_gains_are_the_later_items():
    found = _clusters([X, Y, Z], [3], temperature=0.01)
    np.testing.assert_allclose(found.attribution[0, 0], np.eye(3)[::-1], atol=1e-6)


def test_a_place_that_is_not_in_use_repeats_one_that_is():
    found = _clusters([X, X, Y], [3, 2], k=5, temperature=0.01)
    np.testing.assert_array_equal(found.active[0], [[1, 1, 0, 0, 0], [1, 0, 0, 0, 0]])
    np.testing.assert_allclose(found.attribution[0, 0], found.attribution[0, 0].numpy()[[0, 1, 0, 1, 0]], rtol=1e-6)
    np.testing.assert_allclose(found.attribution[0, 0, :2], [[1 / 2, 1 / 2, 0], [0, 0, 1]], atol=1e-6)
    np.testing.assert_allclose(found.attribution[0, 1], [[1 / 2, 1 / 2, 0]] * 5, atol=1e-6)


def test_fewer_groups_are_the_first_ones():
    items = np.random.default_rng(0).normal(size=(9, 4))
    all_four, two = _clusters(items, [9], 4), _clusters(items, [9], 4, number=tf.constant(2))
    of_two = _clusters(items, [9], 2)
    assert all_four.active.numpy().all()
    np.testing.assert_array_equal(two.active[0, 0], [1, 1, 0, 0])
    np.testing.assert_allclose(two.mass[0, 0, :2], of_two.mass[0, 0], rtol=1e-5)
    np.testing.assert_allclose(two.attribution[0, 0, :2], of_two.attribution[0, 0], rtol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_the_greedy_maximum_of_coverage(seed):
    """Each centre is the one that adds most to the coverage, computed whole for every choice."""
    random = np.random.default_rng(seed)
    items, tau = random.normal(size=(8, 3)), 0.3
    weights = random.dirichlet(np.ones(8))
    directions = items / np.linalg.norm(items, axis=1, keepdims=True)
    cosines = directions @ directions.T

    def coverage(chosen):
        missed = np.prod([1 - np.maximum(cosines[c], 0) ** 2 for c in chosen], axis=0)
        return float(weights @ (1 - missed))

    chosen: list[int] = []
    for _ in range(4):
        best = max(range(8), key=lambda item: coverage([*chosen, item]))
        if chosen and coverage([*chosen, best]) - coverage(chosen) <= 1e-3:
            break
        chosen.append(best)
    shares = np.exp(cosines[chosen] / tau)
    shares = shares / shares.sum(axis=0) * weights
    found = _clusters(items, [8], 4, weights=weights[None, None], temperature=tau)
    np.testing.assert_array_equal(found.active[0, 0], np.arange(4) < len(chosen))
    np.testing.assert_allclose(found.mass[0, 0, : len(chosen)], shares.sum(axis=1), rtol=1e-4)
    attribution = shares / shares.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.attribution[0, 0, : len(chosen)], attribution, rtol=1e-3, atol=1e-6)


def test_nothing_has_a_gradient():
    items = tf.constant(np.random.default_rng(1).normal(size=(1, 5, 3)), tf.float32)
    among, weights = _prefixes([5, 3], 5)
    with tf.GradientTape() as tape:
        tape.watch([items, weights])
        found = HistoryClusters(2)(items, weights, among)
        value = tf.reduce_sum(found.mass**2) + tf.reduce_sum(found.attribution**2)
    assert tape.gradient(value, [items, weights]) == [None, None]


def test_configuration():
    layer = HistoryClusters(3, temperature=0.2, name="groups")
    twin = keras.layers.deserialize(json.loads(json.dumps(keras.layers.serialize(layer))))
    assert (twin.num_clusters, twin.temperature, twin.name) == (3, 0.2, "groups")


@pytest.mark.parametrize(("arguments", "received"), [((0, 0.1), "0, 0.1"), ((2, 0.0), "2, 0.0")])
def test_bad_arguments(arguments, received):
    with pytest.raises(ValueError, match=f"Received: {received}"):
        HistoryClusters(*arguments)

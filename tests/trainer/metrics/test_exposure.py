"""Coverage, Gini index and novelty of small lists, against numbers computed by hand."""

import itertools
import math
import pickle

import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.metrics.user_lists import lists
from trainer.metrics import exposure
from trainer.metrics.exposure import Exposure, coverage, first_items, gini
from trainer.metrics.novelty import novelty, self_information
from trainer.metrics.table import together


def _counted(*shown):
    found = Exposure()
    for items in shown:
        found.add(np.array(items))
    return found


@pytest.mark.parametrize(
    ("counts", "covered", "index"),
    [
        ([1, 1, 1, 1], 1, 0),
        ([0, 0, 7, 0], 1 / 4, 1),
        # All users get the same two of four: (4 - 2) / (4 - 1).
        ([5, 0, 5, 0], 1 / 2, 2 / 3),
        # Ascending 0 1 2 5, weights -3 -1 1 3: (-1 + 2 + 15) / (3 * 8).
        ([5, 0, 1, 2], 3 / 4, 2 / 3),
        ([3], 1, 0),
    ],
)
def test_by_hand(counts, covered, index):
    assert coverage(np.array(counts)) == pytest.approx(covered)
    assert gini(np.array(counts)) == pytest.approx(index)


def test_the_index_is_the_mean_difference_of_pairs():
    """Gini's own definition: of all pairs of items, the mean difference over twice the mean."""
    counts = np.random.default_rng(0).integers(0, 20, 31)
    pairs = [abs(a - b) for a, b in itertools.permutations(counts.tolist(), 2)]
    assert gini(counts) == pytest.approx(np.mean(pairs) / (2 * counts.mean()))


def test_nobody_is_shown_anything():
    nothing = _counted([[-1, -1], [-1, -1]]).counts(3)
    assert math.isnan(together("coverage_at_50", nothing)) and math.isnan(together("popularity_gini_at_50", nothing))
    assert not Exposure().counts(3).any()


def test_counting(monkeypatch):
    found = _counted([[2, 0, -1], [2, -1, -1]], [2, 1, 0])
    np.testing.assert_array_equal(found.counts(5), [2, 1, 3, 0, 0])
    found.add(np.array([4]))
    found.merge(_counted([4, 1]))
    found = pickle.loads(pickle.dumps(found))  # As Beam sends it.
    np.testing.assert_array_equal(found.counts(5), [2, 2, 3, 0, 2])
    # However little may wait.
    monkeypatch.setattr(exposure, "_MOST_WAITING", 2)
    np.testing.assert_array_equal(_counted([2, 0], [2, 1], [0], [4, -1, 2]).counts(5), [2, 1, 3, 0, 1])


def test_what_is_beyond_the_cut_off_is_not_shown():
    np.testing.assert_array_equal(first_items(lists([[[3, 1, 2]], [[0, -1, -1]]]), 2), [[3, 1], [0, -1]])


def test_self_information():
    # Shares 1/2, 1/4, 1/8, 1/8: the last of an item that training never saw, as if it had been seen once.
    np.testing.assert_allclose(self_information(tf.constant([4, 2, 1, 0], tf.int64)), [1, 2, 3, 3])


def test_novelty():
    users = lists([[[0, 3, 1]], [[1, -1, -1]], [[-1, -1, -1]]], self_information=[1.0, 2.0, 3.0, 4.0], category=[0] * 4)
    np.testing.assert_allclose(novelty(users, 50), [(1 + 4 + 2) / 3, 2, np.nan])
    np.testing.assert_allclose(novelty(users, 2), [(1 + 4) / 2, 2, np.nan])

"""Shelf recall, recall of the tail and of categories, and how mixed a history is, against numbers computed by hand."""

import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.metrics.user_lists import lists
from trainer.metrics.categories import category_recall, history_diversity
from trainer.metrics.ranking import places_of, tail_recall
from trainer.metrics.shelf import shelf_recall
from trainer.metrics.user_lists import in_the_tail
from trainer.ranking.fair_ranking import NOWHERE


def _page(better, active, rows, targets, tied=None):
    better = tf.constant(better, tf.int32)
    tied = tf.ones_like(better) if tied is None else tf.constant(tied, tf.int32)
    found = lists(
        [[[0]] * better.shape[0]], [active], targets=[targets], own_places=(better[tf.newaxis], tied[tf.newaxis]),
        page_rows=rows,
    )  # fmt: skip
    return shelf_recall(found, 10).numpy()[0]


def test_a_target_is_on_the_page_if_any_row_of_ten_has_it():
    # In row 0 at places 10 and 31, in row 1 at 41 and 9, nowhere at 11; the last target is unknown.
    better = [[9, 30, 10, 0], [40, 8, 10, 0]]
    assert _page(better, [True, True], 2, [3, 4, 5, -2]) == pytest.approx(2 / 4)


def test_one_vector_has_all_places_of_the_page():
    """The first 40 against four rows of ten, and of a user with two of four interests two rows of twenty."""
    assert _page([[39, 40, 5]], [True], 4, [1, 2, 3]) == pytest.approx(2 / 3)
    two_of_four = [[19, 50], [60, 20], [0, 0], [0, 0]]
    assert _page(two_of_four, [True, True, False, False], 4, [1, 2]) == pytest.approx(1 / 2)


def test_a_page_of_ties_finds_no_more_than_one_row_of_them():
    """Forty items all alike: every row of ten is the same draw, whatever the number of interests."""
    better, tied = np.zeros((4, 1)), np.full((4, 1), 40)
    assert _page(better, [True] * 4, 4, [7], tied) == pytest.approx(10 / 40)
    assert _page([[0]], [True], 4, [7], [[40]]) == 1.0


def test_a_target_that_no_row_can_hold():
    assert _page([[NOWHERE, 3]], [True], 1, [1, 2]) == pytest.approx(1 / 2)


def test_the_head_makes_half_of_the_interactions():
    # 6 of 12 is half: one item is the head. 5 of 12 is not: two are.
    np.testing.assert_array_equal(in_the_tail(tf.constant([6, 3, 2, 1])), [False, True, True, True])
    np.testing.assert_array_equal(in_the_tail(tf.constant([5, 4, 2, 1])), [False, False, True, True])


def test_recall_of_the_tail():
    """Items 0 and 1 are the head. Unknown items are in the tail; a user without such targets has no value."""
    targets = [[0, 2, 3, 3], [0, 2, -2, -1], [0, 1, -1, -1]]
    better = [[0, 7, 50, 50], [60, 49, NOWHERE, NOWHERE], [0, 1, NOWHERE, NOWHERE]]
    tail = tf.constant([False, False, True, True])
    places = places_of(tf.constant(better), tf.ones_like(better), tf.constant(targets))
    np.testing.assert_allclose(tail_recall(places, 50, tail), [1 / 2, 1 / 2, np.nan])


def test_recall_of_the_targets_categories():
    category = tf.constant([0, 0, 1, 2, -1, 3])
    targets = tf.constant([[0, 1, 2, 4], [3, 5, -2, -1], [4, -2, -1, -1]])
    places = places_of(tf.zeros_like(targets), tf.ones_like(targets), targets)
    # Wanted 0 and 1, given 0 and 3; wanted 2 and 3, given both; nothing to want.
    listed = tf.constant([[0, 1, 5], [5, 3, -1], [0, 1, 2]])
    np.testing.assert_allclose(category_recall(places, listed, category), [1 / 2, 1, np.nan])
    np.testing.assert_allclose(category_recall(places, -tf.ones_like(listed), category), [0, 0, np.nan])


def test_a_history_is_as_mixed_as_its_pairs():
    """Categories 0, 0, 1: two of three pairs differ. One item, or one with a category, is no pair."""
    category = [0, 0, 1, -1] + [-1] * 96
    found = lists(np.zeros((4, 1, 1)), history=[[1, 2, 3], [1, 2, 4], [3, 0, 0], [3, 4, 0]], category=category)
    np.testing.assert_allclose(history_diversity(found, 0), [2 / 3, 0, np.nan, np.nan], rtol=1e-6)


def test_without_categories_the_vectors_say_how_mixed_it_is():
    vectors = np.zeros((100, 2))
    vectors[:3] = [[2, 0], [0, 1], [1, 1]]
    found = lists(np.zeros((2, 1, 1)), history=[[1, 2, 0], [1, 3, 0]], vectors=vectors)
    np.testing.assert_allclose(history_diversity(found, 0), [1, 1 - np.sqrt(0.5)], rtol=1e-6)

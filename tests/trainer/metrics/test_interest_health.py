"""Interest health against numbers computed by hand."""

import numpy as np
import pytest

from tests.trainer.metrics.user_lists import lists
from trainer.metrics.interest_health import (
    active_interests,
    effective_interests,
    interest_alone_share,
    interest_cosine,
    interest_overlap,
    interest_use,
)


def test_overlap_is_the_mean_jaccard_index_of_the_pairs():
    own = [
        [[0, 1, 2, 3], [2, 3, 4, 5], [9, 8, 7, 6]],  # 2 of 6, 0 of 8, 0 of 8
        [[0, 1, 2, 3], [3, 2, 1, 0], [-1, -1, -1, -1]],  # one list in another order; the third is not active
        [[0, 1, -1, -1], [1, 2, 3, -1], [1, 0, -1, -1]],  # 1 of 4, 2 of 2, 1 of 4
        [[5, 6, 7, 8], [-1] * 4, [-1] * 4],  # no pair
    ]
    active = [[True] * 3, [True, True, False], [True] * 3, [True, False, False]]
    found = interest_overlap(lists(own, active), 4).numpy()
    np.testing.assert_allclose(found, [1 / 9, 1, 0.5, np.nan], rtol=1e-6)
    np.testing.assert_allclose(interest_overlap(lists(own, active), 2).numpy(), [0, 0, 5 / 9, np.nan], rtol=1e-6)


def test_the_share_of_the_list_that_the_most_useful_interest_gives_alone():
    own = [
        [[0, 1, 2, 3], [2, 3, 4, 5]],
        [[0, 1, 2, 3], [0, 1, 2, 3]],
        [[-1] * 4, [-1] * 4],
        [[7, 8, 9, 6], [1] + [-1] * 3],
    ]
    listed = [[0, 2, 4, 3], [0, 1, 2, 3], [-1] * 4, [1, -1, -1, -1]]
    found = interest_alone_share(lists(own, listed=listed), 4).numpy()
    np.testing.assert_allclose(found, [3 / 4, 1, np.nan, 1])


@pytest.mark.parametrize(
    ("own", "effective"),
    [
        ([[0, 1, 2, 3]] * 3, 1.0),  # near ties divide such a list evenly, and it is still one
        ([[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]], 3.0),
        ([[0, 1, 2, 3], [2, 3, 4, 5], [-1] * 4], 1.5),
        ([[0, 1, -1, -1], [1, 0, 5, -1], [-1] * 4], 1.0),  # three items, and the longest list has three
    ],
)
def test_effective_interests_are_the_distinct_items_in_lists(own, effective):
    found = lists([own])
    np.testing.assert_allclose(effective_interests(found, 0).numpy(), [effective], rtol=1e-6)
    np.testing.assert_allclose(interest_use(found, 0).numpy(), [effective / 3], rtol=1e-6)


def test_without_a_list_nothing_is_effective():
    assert np.isnan(effective_interests(lists([[[-1, -1], [-1, -1]]]), 0).numpy()).all()


def test_number_and_directions():
    """Two at a right angle, a third at 45 degrees to both; the same without the third; collapsed; of length 0."""
    interests = [[[2.0, 0], [0, 3], [1, 1]]] * 2 + [[[1, 2], [2, 4], [3, 6]], [[0, 0], [0, 0], [1, 0]]]
    active = [[True] * 3, [True, True, False], [True] * 3, [True] * 3]
    found = lists(np.zeros((4, 3, 1)), active, interests=interests)
    np.testing.assert_array_equal(active_interests(found, 0), [3, 2, 3, 3])
    np.testing.assert_allclose(interest_cosine(found, 0), [2 / 3 * np.sqrt(0.5), 0, 1, np.nan], rtol=1e-6, atol=1e-6)

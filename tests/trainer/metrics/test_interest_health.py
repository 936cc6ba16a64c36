"""Interest health against numbers computed by hand."""

import numpy as np
import tensorflow as tf

from trainer.metrics.interest_health import interest_health


def _health(interests, mask, ranked, winner):
    values = interest_health(
        tf.constant(interests, tf.float32), tf.constant(mask), tf.constant(ranked), tf.constant(winner)
    )
    return {name: value.numpy() for name, value in values.items()}


def test_by_hand():
    """Two at a right angle, a third at 45 degrees to both; and the same without the third."""
    interests = [[[2.0, 0], [0, 3], [1, 1]]] * 2
    health = _health(interests, [[True] * 3, [True, True, False]], [[4, 5, 6, 7]] * 2, [[0, 0, 1, 2], [0, 1, 0, 1]])
    np.testing.assert_allclose(health["active_interests"], [3, 2])
    np.testing.assert_allclose(health["interest_cosine"], [2 / 3 * np.sqrt(0.5), 0], atol=1e-6)
    # Shares 1/2, 1/4, 1/4: H = 1.5 ln 2. Shares 1/2, 1/2: H = ln 2.
    np.testing.assert_allclose(health["effective_interests"], [2**1.5, 2], rtol=1e-6)
    np.testing.assert_allclose(health["interest_use"], [2**1.5 / 3, 2 / 3], rtol=1e-6)


def test_collapsed_interests():
    """Three of one direction, of which one wins everywhere."""
    health = _health([[[1.0, 2], [2, 4], [3, 6]]], [[True] * 3], [[0, 1, 2]], [[2, 2, 2]])
    np.testing.assert_allclose(health["interest_cosine"], [1], rtol=1e-6)
    np.testing.assert_allclose(health["effective_interests"], [1])


def test_what_cannot_be_measured_is_nan():
    """One interest has no pair; an empty list comes from nowhere; places behind the end of a list do not count."""
    mask = [[True, False], [False, False], [True, True]]
    health = _health([[[1.0, 0], [0, 1]]] * 3, mask, [[3, 4], [-1, -1], [8, -1]], [[0, 0], [0, 0], [1, 0]])
    np.testing.assert_array_equal(health["active_interests"], [1, 0, 2])
    np.testing.assert_allclose(health["interest_cosine"], [np.nan, np.nan, 0], atol=1e-6)
    np.testing.assert_allclose(health["effective_interests"], [1, np.nan, 1])


def test_an_interest_of_length_0_has_no_direction():
    health = _health([[[0.0, 0], [0, 0]], [[1, 0], [0, 0]]], [[True, True]] * 2, [[0], [0]], [[0], [0]])
    np.testing.assert_array_equal(health["active_interests"], [2, 2])
    np.testing.assert_array_equal(health["interest_cosine"], [np.nan, np.nan])

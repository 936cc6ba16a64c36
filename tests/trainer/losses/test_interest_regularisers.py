import numpy as np
import tensorflow as tf

from trainer.losses.interest_regularisers import disagreement, routing_variance


def test_disagreement_by_hand():
    """Equal directions, orthogonal ones, opposite ones, and one masked out."""
    interests = tf.constant(
        [[[1.0, 0], [5, 0]], [[1.0, 0], [0, 2]], [[1.0, 0], [-3, 0]], [[1.0, 0], [0, 1]], [[1.0, 0], [0, 1]]]
    )
    mask = tf.constant([[True, True], [True, True], [True, True], [True, False], [False, False]])
    np.testing.assert_allclose(disagreement(interests, mask), [1, 0.5, 0, 1, 0], atol=1e-6)


def test_routing_variance_against_numpy():
    random = np.random.default_rng(0)
    weights = random.uniform(size=(3, 2, 5)).astype(np.float32)
    lengths = [5, 3, 0]
    for row, length in enumerate(lengths):
        weights[row, :, length:] = 0
    expected = [
        sum(np.var(weights[row, k, :length]) ** 2 for k in range(2)) if length else 0
        for row, length in enumerate(lengths)
    ]
    np.testing.assert_allclose(routing_variance(tf.constant(weights), tf.constant(lengths)), expected, atol=1e-6)


def test_routing_variance_as_released_against_numpy():
    """All T places count, the empty ones too; products are divided by D."""
    weights = np.random.default_rng(0).uniform(size=(2, 3, 5))
    weights[1, :, 2:] = 0
    expected = []
    for row in weights:
        centred = row - row.mean(axis=1, keepdims=True)
        expected.append((np.diag(centred @ centred.T / 64) ** 2).sum())
    given = tf.constant(weights, tf.float32), tf.constant([5, 2])
    np.testing.assert_allclose(routing_variance(*given, 64), expected, rtol=1e-4)
    full = routing_variance(*given)[0]
    np.testing.assert_allclose(expected[0], full * (5 / 64) ** 2, rtol=1e-4)

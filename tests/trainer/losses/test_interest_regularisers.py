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

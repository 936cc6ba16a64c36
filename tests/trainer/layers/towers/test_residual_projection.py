import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip
from trainer.layers.towers.residual_projection import ResidualProjection

RANDOM = np.random.default_rng(1)
INTERESTS = RANDOM.normal(size=(2, 3, 4, 5)).astype(np.float32)
PROFILE = RANDOM.normal(size=(2, 6)).astype(np.float32)


def test_it_starts_as_the_identity():
    np.testing.assert_array_equal(ResidualProjection(7)(tf.constant(INTERESTS)), INTERESTS)


def test_with_a_profile_against_numpy():
    layer = ResidualProjection(7)
    layer(tf.constant(INTERESTS), tf.constant(PROFILE))
    layer.set_weights([RANDOM.normal(size=weights.shape) for weights in layer.get_weights()])
    outputs = layer(tf.constant(INTERESTS), tf.constant(PROFILE))
    w1, b1, w2, b2 = layer.get_weights()
    for row in range(2):
        for query in range(3):
            for k in range(4):
                v = INTERESTS[row, query, k]
                expected = v + np.maximum(np.concatenate([v, PROFILE[row]]) @ w1 + b1, 0) @ w2 + b2
                np.testing.assert_allclose(outputs[row, query, k], expected, rtol=1e-4, atol=1e-4)


def test_config_and_bad_arguments():
    check_config_round_trip(ResidualProjection(7))
    with pytest.raises(ValueError, match="Received: 0"):
        ResidualProjection(0)

import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip, check_save_and_load
from trainer.layers.towers.relu_layers import ReluLayers

RANDOM = np.random.default_rng(1)
INTERESTS = RANDOM.normal(size=(2, 3, 4, 5)).astype(np.float32)
PROFILE = RANDOM.normal(size=(2, 6)).astype(np.float32)


@pytest.mark.parametrize("with_profile", [True, False])
@pytest.mark.parametrize("hidden", [[7], []])
def test_against_numpy(hidden, with_profile):
    layer = ReluLayers(hidden)
    inputs = [tf.constant(INTERESTS), tf.constant(PROFILE)][: 1 + with_profile]
    layer(*inputs)
    layer.set_weights([RANDOM.normal(size=weights.shape) for weights in layer.get_weights()])
    with tf.GradientTape() as tape:
        outputs = layer(*inputs)
    weights = layer.get_weights()
    for row, query, k in np.ndindex(2, 3, 4):
        expected = np.concatenate([INTERESTS[row, query, k], PROFILE[row] if with_profile else []])
        for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
            expected = np.maximum(expected @ kernel + bias, 0)
        np.testing.assert_allclose(outputs[row, query, k], expected, rtol=1e-4, atol=1e-4)
    for gradient in tape.gradient(outputs, layer.trainable_weights):
        assert np.abs(gradient).max() > 0


def test_round_trips_and_bad_arguments(tmp_path):
    check_config_round_trip(ReluLayers([7, 8]))
    layer = ReluLayers([7])
    layer(tf.constant(INTERESTS), tf.constant(PROFILE))
    inputs = [tf.constant(INTERESTS), tf.constant(PROFILE)]
    check_save_and_load(layer, lambda interests, profile: layer(interests, profile), inputs, tmp_path)
    with pytest.raises(ValueError, match=r"Received: \[7, 0\]"):
        ReluLayers([7, 0])

import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip, check_save_and_load
from trainer.keras_api import keras
from trainer.layers.tags.parallel_mlp import ParallelMLP

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("last", [False, True])
def test_each_copy_is_dense_layers(last):
    layer = ParallelMLP(3, [5, 2], last_activation=last)
    own, same = (
        tf.constant(RANDOM.normal(size=(4, 3, 6)), tf.float32),
        tf.constant(RANDOM.normal(size=(4, 6)), tf.float32),
    )
    layer.build(own.shape)
    layer.set_weights([RANDOM.normal(size=weights.shape) for weights in layer.get_weights()])
    for copy in range(3):
        dense = [keras.layers.Dense(5, activation="relu"), keras.layers.Dense(2, activation="relu" if last else None)]
        for place, (one, width) in enumerate(zip(dense, (6, 5), strict=True)):
            one.build((None, width))
            one.set_weights([layer.kernels[place][copy], layer.biases[place][copy]])
        np.testing.assert_allclose(layer(own)[:, copy], dense[1](dense[0](own[:, copy])), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(layer(same)[:, copy], dense[1](dense[0](same)), rtol=1e-4, atol=1e-5)


def test_a_copy_starts_as_a_dense_layer_does():
    """Glorot's limit of one network, sqrt(6 / (30 + 20)), whatever the number of copies."""
    layer = ParallelMLP(50, [20])
    layer.build((None, 30))
    kernel = layer.kernels[0].numpy()
    assert np.sqrt(6 / 50) * 0.99 < np.abs(kernel).max() <= np.sqrt(6 / 50)
    assert np.abs(kernel[0] - kernel[1]).max() > 0.1


def test_round_trips_and_bad_arguments(tmp_path):
    layer = check_config_round_trip(ParallelMLP(3, [5, 2], last_activation=True))
    check_save_and_load(layer, lambda inputs: layer(inputs), [tf.ones([2, 6])], tmp_path)
    with pytest.raises(ValueError, match=r"Received: 3, \[5, 0\]"):
        ParallelMLP(3, [5, 0])
    with pytest.raises(ValueError, match=r"Received: 3, \[\]"):
        ParallelMLP(3, [])

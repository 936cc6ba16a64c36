import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip, check_save_and_load
from trainer.layers.tags.cross_features import CrossFeatures


def test_pairs_by_hand():
    layer = CrossFeatures(2)
    layer.build([None, 3])
    layer.factors_table.assign([[1, 0], [2, 1], [0, 3]])
    # <v_0, v_1> = 2, <v_0, v_2> = 0, <v_1, v_2> = 3.
    np.testing.assert_allclose(
        layer(tf.constant([[1.0, 10.0, 100.0], [1.0, 0.0, -1.0]])),
        [[1, 10, 100, 20, 0, 3000], [1, 0, -1, 0, 0, 0]],
    )


def test_the_sum_of_the_pairs_is_a_factorisation_machine():
    """((sum_i v_i x_i)^2 - sum_i (v_i x_i)^2) / 2, summed up."""
    random = np.random.default_rng(0)
    x, layer = random.normal(size=(4, 6)).astype(np.float32), CrossFeatures(3)
    pairs = layer(tf.constant(x))[:, 6:]
    assert pairs.shape == (4, 15)
    scaled = x[:, :, np.newaxis] * layer.factors_table.numpy()
    expected = (scaled.sum(axis=1) ** 2 - (scaled**2).sum(axis=1)).sum(axis=1) / 2
    np.testing.assert_allclose(tf.reduce_sum(pairs, axis=1), expected, rtol=1e-4, atol=1e-5)


def test_round_trips_and_bad_arguments(tmp_path):
    layer = check_config_round_trip(CrossFeatures(2))
    check_save_and_load(layer, lambda inputs: layer(inputs), [tf.ones([2, 6])], tmp_path)
    with pytest.raises(ValueError, match="Received: 0"):
        CrossFeatures(0)

import numpy as np
import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip
from trainer.layers.history.masked_mean import MaskedMean

ITEMS = tf.constant([[[2.0, 0.0], [4.0, 6.0], [9.0, 9.0]], [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]])
MASK = tf.constant([[1, 1, 0], [0, 0, 0]])


def test_without_a_bias_it_is_the_mean_of_each_prefix():
    vectors, weights = MaskedMean()(ITEMS, MASK, tf.constant([[0, 1, 2]]))
    np.testing.assert_allclose(vectors[0, :, 0], [[2, 0], [3, 3], [3, 3]])
    np.testing.assert_allclose(weights[0, :, 0], [[1, 0, 0], [0.5, 0.5, 0], [0.5, 0.5, 0]])
    np.testing.assert_array_equal(vectors[1], np.zeros((3, 1, 2)))


def test_a_bias_weighs():
    bias = tf.constant([[[[0.0, np.log(3.0), 7.0]]]])
    vectors, _ = MaskedMean()(ITEMS, MASK, tf.constant([[1]]), bias)
    np.testing.assert_allclose(vectors[0, 0, 0], [0.25 * 2 + 0.75 * 4, 0.75 * 6], rtol=1e-6)


def test_config_round_trip():
    check_config_round_trip(MaskedMean(name="pooling"))

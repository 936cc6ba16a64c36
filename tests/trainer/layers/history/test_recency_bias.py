import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip
from trainer.layers.history.recency_bias import AGE_BUCKETS, RecencyBias

GAPS = np.log1p(np.array([[0.0, 10.0, 100.0], [0.0, 1.0, 0.0]], np.float32))


def _layer(time_decay: bool) -> RecencyBias:
    layer = RecencyBias(heads=2, max_history=4, time_decay=time_decay)
    layer.build(None)
    layer.distance.assign(np.arange(8.0).reshape(4, 2))
    if time_decay:
        layer.age.assign(np.arange(AGE_BUCKETS)[:, np.newaxis] * [100.0, 1000.0])
    return layer


def test_it_counts_items_back_from_the_query():
    bias = _layer(False)(tf.constant([[0, 1, 2]]), tf.constant(GAPS))
    assert bias.shape == (1, 3, 2, 3)
    # Distance n has 2 n for head 0 and 2 n + 1 for head 1.
    np.testing.assert_array_equal(bias[0, 2], [[4, 2, 0], [5, 3, 1]])
    np.testing.assert_array_equal(bias[0, 1, :, :2], [[2, 0], [3, 1]])


def test_elapsed_time_in_powers_of_two():
    bias = _layer(True)(tf.constant([[2], [1]]), tf.constant(GAPS))
    # Row 0 at item 2: 110, 100 and 0 s ago: log2(111) = 6.8, log2(101) = 6.7, log2(1) = 0.
    np.testing.assert_array_equal(bias[0, 0, 0], [4 + 600, 2 + 600, 0])
    # Row 1 at item 1: 1 s and 0 s ago: log2(2) = 1.
    np.testing.assert_array_equal(bias[1, 0, 1, :2], [3 + 1000, 1])


def test_it_starts_as_nothing():
    layer = RecencyBias(heads=1, max_history=4, time_decay=True)
    np.testing.assert_array_equal(layer(tf.constant([[2]]), tf.constant(GAPS)), np.zeros((2, 1, 1, 3)))


def test_config_and_bad_arguments():
    assert check_config_round_trip(_layer(True)).time_decay
    with pytest.raises(ValueError, match="Received: 1, 0"):
        RecencyBias(1, 0)

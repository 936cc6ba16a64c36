import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip, check_save_and_load
from trainer.layers.tags.expert_gates import ExpertGates

LOG_3 = np.log(3.0)


def test_a_mixture_for_each_task_by_hand():
    layer = ExpertGates(2, 2)
    experts = tf.constant([[[4.0, 0.0], [0.0, 8.0]]])
    layer(tf.ones([1, 1]), experts)
    layer.gates.kernel.assign([[LOG_3, 0.0, 0.0, 0.0]])
    np.testing.assert_allclose(layer(tf.ones([1, 1]), experts), [[[3, 2], [2, 4]]], rtol=1e-6)


def test_round_trips_and_bad_arguments(tmp_path):
    layer = check_config_round_trip(ExpertGates(2, 3))
    inputs = [tf.ones([2, 4]), tf.random.stateless_uniform([2, 3, 5], [1, 2])]
    check_save_and_load(layer, lambda inputs, experts: layer(inputs, experts), inputs, tmp_path)
    with pytest.raises(ValueError, match="Received: 0, 3"):
        ExpertGates(0, 3)

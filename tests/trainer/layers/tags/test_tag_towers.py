import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip
from trainer.layers.tags.tag_towers import TagTowers


def test_a_network_a_task_behind_one_embedding():
    layer = TagTowers(3, 2, 2, [])
    layer(tf.constant([0]))
    layer.embeddings.assign([[1, 2], [3, 4], [5, 6]])
    layer.towers.kernels[0].assign([np.eye(2), 2 * np.eye(2)])
    layer.towers.biases[0].assign([[0, 0], [1, 1]])
    np.testing.assert_allclose(layer(tf.constant([2, 0])), [[[5, 6], [11, 13]], [[1, 2], [3, 5]]])
    assert layer(tf.zeros([4, 1, 5], tf.int64)).shape == (4, 1, 5, 2, 2)
    assert layer(tf.zeros([0], tf.int64)).shape == (0, 2, 2)


def test_config_and_bad_arguments():
    check_config_round_trip(TagTowers(3, 2, 2, [4]))
    with pytest.raises(ValueError, match="Received: 0, 2"):
        TagTowers(0, 2, 2, [4])

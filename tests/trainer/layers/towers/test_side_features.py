import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip
from trainer.layers.towers.side_features import UserProfile


def test_mean_of_the_values_and_the_numbers():
    layer = UserProfile({"user_job": 3}, ["user_age"], 2)
    layer.build(None)
    layer.tables["user_job"].assign([[9, 9], [1, 2], [3, 4], [5, 6]])
    features = {"user_job": tf.constant([[1, 3], [2, 0], [0, 0]]), "user_age": tf.constant([[0.5], [-1.0], [0.0]])}
    np.testing.assert_allclose(layer(features), [[3, 4, 0.5], [3, 4, -1], [0, 0, 0]])
    assert layer.width == 3


def test_config_and_bad_arguments():
    check_config_round_trip(UserProfile({"user_job": 3}, ["user_age"], 2))
    with pytest.raises(ValueError, match="at least one feature"):
        UserProfile({}, [], 2)

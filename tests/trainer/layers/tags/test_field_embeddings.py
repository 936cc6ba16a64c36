import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip
from trainer.layers.tags.field_embeddings import FieldEmbeddings
from trainer.layers.tags.field_means import FieldMeans

TAGS = [[1, 2], [2, 0], [0, 0]]
FEATURES = {
    "history": tf.constant([[1, 2, 3], [2, 1, 0]], tf.int64),
    "history_mask": tf.constant([[1, 1, 1], [1, 0, 0]], tf.int64),
    "user_job": tf.constant([[3, 1], [0, 0]], tf.int64),
    "user_age": tf.constant([[-2.0], [0.0]]),
}


def _layer(max_history: int) -> FieldEmbeddings:
    layer = FieldEmbeddings({"user_job": 3}, ["user_age"], 2, num_items=3, item_tags=TAGS, max_history=max_history)
    layer.build(None)
    layer.tables["user_job"].assign([[9, 9], [1, 2], [3, 4], [5, 6]])
    layer.tables["user_age"].assign([[1, 10]])
    layer.tables["history_items"].assign([[9, 9], [1, 1], [2, 2], [6, 6]])
    layer.tables["history_tags"].assign([[9, 9], [1, 0], [4, 6]])
    return layer


def test_means_by_hand():
    layer = _layer(3)
    assert layer.fields == ["history_items", "history_tags", "user_age", "user_job"]
    means, present = FieldMeans()(layer(FEATURES))
    # The first user's items have the tags 1, 2 and 2, the second's the tag 2.
    np.testing.assert_allclose(means[0], [[3, 3], [3, 4], [-2, -20], [3, 4]])
    np.testing.assert_allclose(means[1], [[2, 2], [4, 6], [0, 0], [0, 0]])
    np.testing.assert_array_equal(present, [[True] * 4, [True, True, False, False]])


def test_counted_tags_are_gathered_tags():
    """More tags than a history has places for, and fewer."""
    random = np.random.default_rng(0)
    tags = random.integers(0, 8, size=(5, 3))
    tags[0, 0] = 7
    history = tf.constant(random.integers(0, 6, size=(4, 6)))
    features = {"history": history, "history_mask": tf.cast(history > 0, tf.int64)}
    counted = FieldEmbeddings({}, [], 2, item_tags=tags, max_history=6)
    gathered = FieldEmbeddings({}, [], 2, item_tags=tags, max_history=2)
    one, two = counted(features)["history_tags"], gathered(features)["history_tags"]
    assert one.values.shape == (1, 7, 2) and two.values.shape == (4, 18, 2)
    gathered.set_weights(counted.get_weights())
    for left, right in zip(FieldMeans()(counted(features)), FieldMeans()(gathered(features)), strict=True):
        np.testing.assert_allclose(np.float32(left), np.float32(right), rtol=1e-5, atol=1e-6)


def test_config_and_bad_arguments():
    check_config_round_trip(_layer(3))
    with pytest.raises(ValueError, match="at least one field"):
        FieldEmbeddings({}, [], 2)
    with pytest.raises(ValueError, match="Received: 0, 1"):
        FieldEmbeddings({"user_job": 3}, [], 0)

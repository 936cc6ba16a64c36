import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip
from trainer.layers.towers.item_tower import ItemTower


def test_the_mean_of_an_items_categories_is_added():
    layer = ItemTower(3, 2, [[1, 2], [2, 0], [0, 0]])
    layer.build(None)
    layer.embeddings.assign([[1, 1], [2, 2], [3, 3]])
    layer.category_embeddings.assign([[50, 50], [10, 20], [30, 40]])
    np.testing.assert_allclose(layer(tf.constant([[0, 1], [2, 2]])), [[[21, 31], [32, 42]], [[3, 3], [3, 3]]])


def test_the_mean_of_embedding_and_categories():
    """Of (1, 1) and the mean of (10, 20) and (30, 40); of (2, 2) and (10, 20); of (3, 3) alone."""
    layer = ItemTower(3, 2, [[1, 2], [2, 0], [0, 0]], fields="mean")
    layer.build(None)
    assert np.abs(layer.category_embeddings).max() > 0
    layer.embeddings.assign([[1, 1], [2, 2], [3, 3]])
    layer.category_embeddings.assign([[50, 50], [30, 40], [10, 20]])
    np.testing.assert_allclose(layer(tf.constant([[0, 1], [2, 2]])), [[[10.5, 15.5], [6, 11]], [[3, 3], [3, 3]]])
    assert check_config_round_trip(layer).fields == "mean"


def test_gradients_are_rows_not_tables():
    layer = ItemTower(1000, 2)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(tf.constant([3, 5])))
    gradient = tape.gradient(loss, layer.embeddings)
    assert isinstance(gradient, tf.IndexedSlices)
    assert sorted(gradient.indices.numpy()) == [3, 5]


def test_config_and_bad_arguments():
    check_config_round_trip(ItemTower(3, 2, [[1, 2], [2, 0], [0, 0]]))
    check_config_round_trip(ItemTower(3, 2))
    with pytest.raises(ValueError, match="should have 3 rows"):
        ItemTower(3, 2, [[1]])
    with pytest.raises(ValueError, match="Received: 'max'"):
        ItemTower(3, 2, fields="max")
    with pytest.raises(ValueError, match="Received: 0, 2"):
        ItemTower(0, 2)

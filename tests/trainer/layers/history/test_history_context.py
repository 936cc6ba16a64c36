import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip, check_save_and_load
from trainer.layers.history.history_context import HistoryContext

RANDOM = np.random.default_rng(0)
T, D = 5, 6
ITEMS = RANDOM.normal(size=(3, T, D)).astype(np.float32)
MASK = np.array([[1] * n + [0] * (T - n) for n in (5, 2, 0)])


def _layer() -> HistoryContext:
    layer = HistoryContext(T, 1)
    layer.build(ITEMS.shape)
    return layer


def test_untrained_it_changes_nothing():
    np.testing.assert_array_equal(_layer()(ITEMS, MASK), ITEMS)


def test_adds_the_encoding_of_what_came_before_times_the_gain():
    layer = _layer()
    layer.gain.assign(0.5)
    encoded = layer.encoder(tf.constant(ITEMS), tf.constant(MASK)).numpy()
    np.testing.assert_allclose(layer(ITEMS, MASK), ITEMS + 0.5 * encoded * MASK[:, :, np.newaxis], rtol=1e-5)


def test_no_item_sees_a_younger_one():
    layer = _layer()
    layer.gain.assign(1.0)
    changed = ITEMS.copy()
    changed[:, 3:] += 1
    np.testing.assert_allclose(layer(ITEMS, MASK)[:, :3], layer(changed, MASK)[:, :3], rtol=1e-5)


def test_round_trips(tmp_path):
    check_config_round_trip(_layer())
    layer = _layer()
    check_save_and_load(layer, layer, [tf.constant(ITEMS), tf.constant(MASK)], tmp_path)


@pytest.mark.parametrize("sizes", [(0, 1, 2), (5, 0, 2), (5, 1, 0)])
def test_sizes_are_positive(sizes):
    with pytest.raises(ValueError, match="should be positive"):
        HistoryContext(*sizes)

import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip, check_save_and_load
from trainer.layers.towers.item_tower import ItemTower
from trainer.layers.towers.moe_adaptor import MoEAdaptor
from trainer.layers.towers.text_item_tower import TextItemTower

RANDOM = np.random.default_rng(0)
TEXTS = RANDOM.normal(size=(6, 5)).astype(np.float32)
INDICES = tf.constant([[1, 5, 1], [0, 5, 5]])


def _layer(with_ids: bool, texts=TEXTS, **options) -> TextItemTower:
    layer = TextItemTower(6, 5, MoEAdaptor(4, 2, **options), ItemTower(6, 4) if with_ids else None, texts)
    layer.build(None)
    return layer


@pytest.mark.parametrize("with_ids", [False, True])
def test_the_adapted_text_and_the_items_own_embedding(with_ids):
    layer = _layer(with_ids)
    outputs = layer(INDICES)
    assert outputs.shape == (2, 3, 4)
    for row in range(2):
        for column in range(3):
            item = int(INDICES[row, column])
            expected = layer.adaptor(TEXTS[item : item + 1])[0]
            if with_ids:
                expected += layer.embeddings.embeddings[item]
            np.testing.assert_allclose(outputs[row, column], expected, rtol=1e-5, atol=1e-6)
    if not with_ids:
        np.testing.assert_allclose(layer.from_text(TEXTS[5:]), outputs[0, 1:2], rtol=1e-5, atol=1e-6)


def test_texts_are_not_trained_and_embeddings_get_rows():
    layer = _layer(True)
    assert "texts:0" in [weights.name for weights in layer.non_trainable_weights]
    np.testing.assert_array_equal(layer.texts, TEXTS)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(INDICES))
    gradient = tape.gradient(loss, layer.embeddings.embeddings)
    assert isinstance(gradient, tf.IndexedSlices)
    assert set(gradient.indices.numpy()) == {0, 1, 5}


def test_noise_only_inside_its_context():
    layer = _layer(False, dropout=0.5)
    clean = layer(INDICES)
    with layer.noise(True):
        noisy = layer(INDICES)
        with layer.noise(False):
            np.testing.assert_array_equal(layer(INDICES), clean)
    assert np.abs(noisy - clean).max() > 0
    np.testing.assert_array_equal(noisy[0, 0], noisy[0, 2])
    np.testing.assert_array_equal(layer(INDICES), clean)


@pytest.mark.parametrize("with_ids", [False, True])
def test_round_trips(tmp_path, with_ids):
    layer = _layer(with_ids)
    copy = check_config_round_trip(layer)
    copy.build(None)
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(copy(INDICES), layer(INDICES))
    check_save_and_load(layer, lambda indices: layer(indices), [INDICES], tmp_path)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"\(6, 5\)\. Received: \(5, 5\)"):
        _layer(False, TEXTS[1:])
    with pytest.raises(ValueError, match="Received: 0, 5"):
        TextItemTower(0, 5, MoEAdaptor(4))

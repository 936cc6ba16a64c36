import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip, check_save_and_load
from trainer.layers.towers.moe_adaptor import MoEAdaptor

RANDOM = np.random.default_rng(0)
TEXTS = RANDOM.normal(size=(5, 7)).astype(np.float32)


def _layer(**options):
    layer = MoEAdaptor(4, 3, **options)
    layer.build(TEXTS.shape)
    layer.set_weights([RANDOM.normal(size=weights.shape) for weights in layer.get_weights()])
    return layer


def test_against_numpy():
    """One text and one expert at a time."""
    layer = _layer(dropout=0.5)
    outputs = layer(tf.constant(TEXTS))
    gate, centres, kernels = layer.gate.numpy(), layer.centres.numpy(), layer.kernels.numpy()
    for text, output in zip(TEXTS, outputs, strict=True):
        logits = [text @ gate[:, g] for g in range(3)]
        expected = sum(
            np.exp(logits[g]) / np.exp(logits).sum() * ((text - centres[g]) @ kernels[:, g]) for g in range(3)
        )
        np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-4)


def test_noise_in_training_has_the_spread_of_the_paper():
    """Two experts that give 1 and 0: the output is the first gate, its logit the noisy difference."""
    layer = MoEAdaptor(1, 2)
    layer.build((None, 1))
    layer.noise.assign([[1.0, 1.0]])
    layer.kernels.assign([[[1.0], [0.0]]])
    gates = layer(tf.ones([20_000, 1]), training=True).numpy()
    spread = np.log(gates / (1 - gates)).std()
    np.testing.assert_allclose(spread, np.sqrt(2) * (np.log1p(np.e) + 0.01), rtol=0.03)
    np.testing.assert_array_equal(layer(tf.ones([2, 1])), [[0.5], [0.5]])


def test_dropout_in_training():
    layer = MoEAdaptor(2, 1, dropout=0.9)
    layer.build((None, 50))
    texts = tf.ones([3, 50])
    assert np.abs(layer(texts, training=True) - layer(texts)).max() > 0.1


def test_gradients_reach_every_weight():
    layer = _layer()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(tf.constant(TEXTS), training=True) ** 2)
    for gradient in tape.gradient(loss, layer.trainable_weights):
        assert np.abs(gradient).max() > 0


def test_round_trips(tmp_path):
    check_config_round_trip(MoEAdaptor(4, 3, 0.1, 7))
    layer = _layer()
    check_save_and_load(layer, lambda texts: layer(texts), [tf.constant(TEXTS)], tmp_path)


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: 0, 8"):
        MoEAdaptor(0)
    with pytest.raises(ValueError, match=r"Received: 1\.0"):
        MoEAdaptor(2, dropout=1.0)

import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip, check_save_and_load
from trainer.layers.tags.virtual_kernel_experts import VirtualKernelExperts
from trainer.layers.tags.virtual_kernel_gates import VirtualKernelGates

RANDOM = np.random.default_rng(0)
LOG_3 = np.log(3.0)


def _experts(**options) -> VirtualKernelExperts:
    """One kernel, fields of one component, no hidden layer; queries, keys and values are what they are made of."""
    layer = VirtualKernelExperts(1, 1, [], **options)
    layer(tf.zeros([1, 2, 1]), tf.ones([1, 2], tf.bool))
    layer.kernels.assign([[1.0]])
    for dense in (layer.query, layer.key, layer.value):
        dense.kernel.assign([[1.0]])
    return layer


def test_pooled_fields_by_hand():
    layer = _experts(pool=True)
    layer.towers.kernels[0].assign([[[2.0]]])
    layer.towers.biases[0].assign([[1.0]])
    fields = tf.constant([[[LOG_3], [0.0]], [[LOG_3], [7.0]], [[5.0], [7.0]]])
    present = tf.constant([[True, True], [True, False], [False, False]])
    # Weights 3/4 and 1/4; the first alone; none.
    expected = [2 * 0.75 * LOG_3 + 1, 2 * LOG_3 + 1, 1.0]
    np.testing.assert_allclose(layer(fields, present)[:, 0, 0], expected, rtol=1e-5)


def test_pooled_fields_of_sigmoids_by_hand():
    """Queries, keys and values log 3 and 0 become 3/4 and 1/2."""
    layer = _experts(pool=True, activation="sigmoid")
    layer.kernels.assign([[LOG_3]])
    layer.towers.kernels[0].assign([[[1.0]]])
    weights = np.exp([0.75 * 0.75, 0.75 * 0.5]) / np.exp([0.75 * 0.75, 0.75 * 0.5]).sum()
    outputs = layer(tf.constant([[[LOG_3], [0.0]]]), tf.ones([1, 2], tf.bool))
    np.testing.assert_allclose(outputs[0, 0, 0], weights @ [0.75, 0.5], rtol=1e-5)


def test_an_absent_field_stands_as_zeros():
    layer = VirtualKernelExperts(2, 3, [4], tower="fm_mlp")
    fields = tf.constant(RANDOM.normal(size=(1, 3, 4)), tf.float32)
    present = tf.constant([[True, False, True]])
    expected = layer(fields, present)
    layer.norm.beta.assign(RANDOM.normal(size=4))
    moved = layer(fields, present)
    assert np.abs(moved - expected).max() > 1e-3
    other = fields + tf.constant([[[0.0], [5.0], [0.0]]])
    np.testing.assert_allclose(layer(other, present), moved, rtol=1e-5)
    none = layer(fields, tf.zeros([1, 3], tf.bool))
    np.testing.assert_allclose(none, layer(2 * fields, tf.zeros([1, 3], tf.bool)))


def test_gates_by_hand():
    gates = VirtualKernelGates([[0, 2], [1]], 3)
    kernels = tf.constant([[LOG_3], [9.0], [0.0]])
    weights = gates(tf.constant([[[1.0], [1.0]], [[0.0], [-5.0]]]), kernels)
    np.testing.assert_allclose(weights, [[[0.75, 0, 0.25], [0, 1, 0]], [[0.5, 0, 0.5], [0, 1, 0]]], rtol=1e-6)


def test_scaled_gates_by_hand():
    """An inner product of 2 log 3 over the square root of 4 numbers."""
    gates = VirtualKernelGates([[0, 1]], 2, scaled=True)
    weights = gates(tf.constant([[[1.0, 1.0, 0.0, 0.0]]]), tf.constant([[LOG_3, LOG_3, 5, 5], [0.0, 0, 7, 7]]))
    np.testing.assert_allclose(weights, [[[0.75, 0.25]]], rtol=1e-6)
    assert check_config_round_trip(gates).scaled


def test_round_trips_and_bad_arguments(tmp_path):
    layer = check_config_round_trip(VirtualKernelExperts(2, 3, [4], tower="fm_mlp", activation="sigmoid"))
    assert layer.activation == "sigmoid"
    check_config_round_trip(VirtualKernelGates([[0, 2], [1]], 3))
    inputs = [tf.constant(RANDOM.normal(size=(2, 3, 4)), tf.float32), tf.ones([2, 3], tf.bool)]
    check_save_and_load(layer, lambda fields, present: layer(fields, present), inputs, tmp_path)
    for arguments, words in (
        ({"num_kernels": 0}, "Received: 0, 3"),
        ({"tower": "fm"}, "Received: 'fm'"),
        ({"activation": "tanh"}, "Received: 'tanh'"),
        ({"pool": True, "tower": "fm_mlp"}, "none to cross"),
    ):
        with pytest.raises(ValueError, match=words):
            VirtualKernelExperts(**{"num_kernels": 2, "dimension": 3, "hidden": [4], **arguments})
    for kernels in ([], [3]):
        with pytest.raises(ValueError, match="from 0 to 2"):
            VirtualKernelGates([[0], kernels], 3)

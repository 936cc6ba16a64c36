import math

import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip, check_save_and_load
from trainer.keras_api import keras
from trainer.layers.history.transformer_encoder import TransformerEncoder

RANDOM = np.random.default_rng(0)
T, D, HEADS, HIDDEN = 5, 6, 2, 7
ITEMS = RANDOM.normal(size=(3, T, D)).astype(np.float32)
LENGTHS = [5, 2, 0]
MASK = np.array([[1] * n + [0] * (T - n) for n in LENGTHS])


def _layer(**options) -> TransformerEncoder:
    layer = TransformerEncoder(T + 2, 2, HEADS, HIDDEN, **options)
    layer.build(ITEMS.shape)
    layer.set_weights([RANDOM.normal(scale=0.7, size=weights.shape) for weights in layer.get_weights()])
    return layer


def _norm(layer, vector):
    normal = (vector - vector.mean()) / math.sqrt(vector.var())
    return normal * layer.gamma.numpy() + layer.beta.numpy() if layer.scale else normal


def _gelu(vector):
    return np.array([0.5 * value * (1 + math.erf(value / math.sqrt(2))) for value in vector])


def _restatement(layer, items, hidden=()):
    """One history [n, D] without padding; an item, a head and a number at a time."""
    positions, n, size = layer.positions.numpy(), len(items), D // HEADS
    first = layer.max_history - n if layer.newest else 0
    states = [
        _norm(layer.norm, (positions[0] if t in hidden else items[t]) + positions[1 + first + t]) for t in range(n)
    ]
    for block in layer.blocks:
        (wq, bq), (wk,), (wv, bv), (wo, bo) = (
            part.get_weights() for part in (block.query, block.key, block.value, block.joined)
        )
        (w1, b1), (w2, b2) = block.inner.get_weights(), block.outer.get_weights()
        after = []
        for t in range(n):
            seen = np.zeros(D)
            among = range(t + 1) if layer.causal else range(n)
            for head in range(HEADS):
                part = slice(head * size, (head + 1) * size)
                query = (states[t] @ wq + bq)[part]
                logits = np.array([query @ (states[i] @ wk)[part] / math.sqrt(size) for i in among])
                weights = np.exp(logits) / np.exp(logits).sum()
                seen[part] = sum(w * (states[i] @ wv + bv)[part] for w, i in zip(weights, among, strict=True))
            middle = _norm(block.attention_norm, states[t] + seen @ wo + bo)
            after.append(_norm(block.output_norm, middle + _gelu(middle @ w1 + b1) @ w2 + b2))
        states = after
    return np.array(states)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("newest", [True, False])
def test_against_numpy(causal, affine, newest):
    layer = _layer(causal=causal, affine=affine, newest=newest)
    outputs = layer(tf.constant(ITEMS), tf.constant(MASK))
    for row, n in enumerate(LENGTHS):
        expected = _restatement(layer, ITEMS[row, :n]) if n else np.zeros((0, D))
        np.testing.assert_allclose(outputs[row, :n], expected, rtol=1e-3, atol=1e-4)
    assert np.isfinite(outputs).all()


def test_masked_items_are_replaced():
    layer = _layer(causal=False)
    hidden = np.array([[t in (1, 3) for t in range(T)]])
    outputs = layer(tf.constant(ITEMS[:1]), tf.constant(MASK[:1]), tf.constant(hidden))
    np.testing.assert_allclose(outputs[0], _restatement(layer, ITEMS[0], (1, 3)), rtol=1e-3, atol=1e-4)


def test_a_causal_encoding_does_not_depend_on_what_comes_later():
    layer = _layer()
    whole = layer(tf.constant(ITEMS[:1]), tf.constant(MASK[:1]))
    part = layer(tf.constant(ITEMS[:1, :2]), tf.constant(MASK[:1, :2]))
    np.testing.assert_allclose(whole[:, :2], part, rtol=1e-4, atol=1e-5)


def test_gradients_reach_every_weight_and_dropout_works():
    layer = _layer(dropout=0.3)
    hidden = tf.constant([[True, False, False, False, False]] * 3)
    with tf.GradientTape() as tape:
        outputs = layer(tf.constant(ITEMS), tf.constant(MASK), hidden, training=True)
        loss = tf.reduce_sum(outputs[0] * RANDOM.normal(size=(T, D)))
    gradients = tape.gradient(loss, layer.trainable_weights)
    assert len(gradients) == 1 + 2 * 11
    for weights, gradient in zip(layer.trainable_weights, gradients, strict=True):
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, weights.name
    assert np.abs(outputs - layer(tf.constant(ITEMS), tf.constant(MASK), hidden)).max() > 0.01


def test_half_precision_is_finite_and_close():
    exact = _layer()
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        half = TransformerEncoder(T + 2, 2, HEADS, HIDDEN)
        half.build(ITEMS.shape)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    half.set_weights(exact.get_weights())
    outputs = half(tf.cast(ITEMS, tf.float16), tf.constant(MASK))
    assert outputs.dtype == tf.float16
    assert np.isfinite(outputs).all()
    np.testing.assert_allclose(outputs[0], exact(ITEMS, tf.constant(MASK))[0], atol=0.05)


def test_round_trips(tmp_path):
    assert check_config_round_trip(TransformerEncoder(9, 1, 2, 8, 0.1, False, True, 4, newest=True)).newest
    layer = _layer()
    check_save_and_load(
        layer, lambda items, mask: layer(items, mask), [tf.constant(ITEMS), tf.constant(MASK)], tmp_path
    )


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: 5, 2, 0, 8"):
        TransformerEncoder(5, 2, 0, 8)
    with pytest.raises(ValueError, match=r"Received: 1\.5"):
        TransformerEncoder(5, 2, 2, 8, 1.5)
    with pytest.raises(ValueError, match=r"multiple of heads. Received: 6, 4"):
        TransformerEncoder(5, 2, 4, 8).build((None, 5, 6))

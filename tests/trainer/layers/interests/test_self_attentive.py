import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip, check_save_and_load
from trainer.layers.interests.self_attentive import SelfAttentiveInterests

RANDOM = np.random.default_rng(0)
ITEMS = RANDOM.normal(size=(3, 5, 4)).astype(np.float32)
LENGTHS = [5, 2, 0]
MASK = np.array([[1] * n + [0] * (5 - n) for n in LENGTHS])


def _layer(num_interests: int = 2) -> SelfAttentiveInterests:
    layer = SelfAttentiveInterests(num_interests, hidden=6, max_history=7)
    layer.build(ITEMS.shape)
    layer.set_weights([RANDOM.normal(size=weights.shape) for weights in layer.get_weights()])
    return layer


def _restatement(layer: SelfAttentiveInterests, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Equations 6 and 7 for one history [n, D]: A = softmax(W2^T tanh(W1 (X + P) + b1) + b2), V = A X."""
    positions = layer.positions.numpy()
    w1, b1 = layer.attention_hidden.get_weights()
    w2, b2 = layer.attention_logits.get_weights()
    logits = np.tanh((items + positions[: len(items)]) @ w1 + b1) @ w2 + b2
    weights = np.exp(logits - logits.max(axis=0))
    attention = (weights / weights.sum(axis=0)).T
    return attention @ items, attention


@pytest.mark.parametrize("num_interests", [1, 2])
def test_every_prefix_against_numpy(num_interests):
    layer = _layer(num_interests)
    interests, attention = layer(tf.constant(ITEMS), tf.constant(MASK), tf.range(5)[tf.newaxis])
    for row, length in enumerate(LENGTHS):
        for query in range(length):
            expected, weights = _restatement(layer, ITEMS[row, : query + 1])
            np.testing.assert_allclose(interests[row, query], expected, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(attention[row, query, :, : query + 1], weights, rtol=1e-4, atol=1e-6)
            np.testing.assert_array_equal(attention[row, query, :, query + 1 :], 0)
    np.testing.assert_array_equal(interests[2], np.zeros((5, num_interests, 4)))


def test_a_bias_is_added_to_the_logits():
    layer = _layer()
    bias = np.zeros((1, 1, 2, 5), np.float32)
    bias[0, 0, 1, 3] = 1e4
    interests, _ = layer(tf.constant(ITEMS[:1]), tf.constant(MASK[:1]), tf.constant([[4]]), tf.constant(bias))
    np.testing.assert_allclose(interests[0, 0, 1], ITEMS[0, 3], rtol=1e-5)
    np.testing.assert_allclose(interests[0, 0, 0], _restatement(layer, ITEMS[0])[0][0], rtol=1e-4, atol=1e-5)


def test_round_trips(tmp_path):
    layer = _layer()
    check_config_round_trip(layer)
    inputs = [tf.constant(ITEMS), tf.constant(MASK), tf.constant([[4], [1], [-1]])]
    check_save_and_load(layer, lambda items, mask, queries: layer(items, mask, queries), inputs, tmp_path)


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: 0, 6, 7"):
        SelfAttentiveInterests(0, 6, 7)

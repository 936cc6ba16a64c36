import math

import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip, check_save_and_load
from trainer.keras_api import keras
from trainer.layers.interests.sparse_capsule import SparseCapsule
from trainer.losses.orthogonality import OrthogonalityRegularizer

RANDOM = np.random.default_rng(0)
T, D, C = 5, 4, 6
ENCODED = RANDOM.normal(size=(3, T, D)).astype(np.float32)
LENGTHS = [5, 2, 0]
MASK = np.array([[1] * n + [0] * (T - n) for n in LENGTHS])
BIAS = RANDOM.normal(size=(3, T, C, T)).astype(np.float32)
EVERY = tf.range(T)[tf.newaxis]


def _layer(capsules: int = C, **options) -> SparseCapsule:
    layer = SparseCapsule(capsules, T + 2, **options)
    layer.build(ENCODED.shape)
    layer.set_weights([RANDOM.normal(size=weights.shape) for weights in layer.get_weights()])
    return layer


def _softmax(values):
    exponentials = np.exp(np.array(values) - np.max(values))
    return exponentials / exponentials.sum()


def _restatement(layer, items, bias=None):
    """The capsules of one history [n, D] and what each item gives to each, an item and a capsule at a time."""
    n, c = len(items), layer.num_capsules
    base, positions = layer.base.numpy(), layer.positions.numpy()
    (w1, b1), (w2,) = layer.hidden.get_weights(), layer.logits.get_weights()
    (w5, b5), gamma, beta = layer.projection.get_weights(), layer.norm.gamma.numpy(), layer.norm.beta.numpy()
    act = np.tanh if layer.activation == "tanh" else lambda x: np.where(x > 0, x, 0.01 * x)
    gates = [[items[i] @ base[j] for j in range(c)] for i in range(n)]
    used = sorted({int(np.argmax(gates[i])) for i in range(n)})
    first = layer.max_history - n if layer.newest else 0
    raw = [float((act((items[i] + positions[first + i]) @ w1 + b1) @ w2)[0]) for i in range(n)]
    shares = np.array([_softmax([raw[i] + (0 if bias is None else bias[j, i]) for i in range(n)]) for j in range(c)])
    votes = []
    for i in range(n):
        vector = np.tanh(items[i] @ w5 + b5) + items[i]
        votes.append((vector - vector.mean()) / vector.std() * gamma + beta)
    compared = votes if layer.agreement == "projected" else items
    logits = {(i, j): gates[i][j] for i in range(n) for j in used}
    interests, weights = np.zeros((c, D)), np.zeros((c, n))
    for _ in range(layer.iterations):
        for i in range(n):
            for j, share in zip(used, _softmax([logits[i, j] for j in used]), strict=True):
                weights[j, i] = share * shares[j, i]
        for j in used:
            z = sum(weights[j, i] * votes[i] for i in range(n))
            length = math.sqrt(z @ z)
            interests[j] = length**2 / (1 + length**2) * z / length
            for i in range(n):
                logits[i, j] += compared[i] @ interests[j]
    return interests, used, weights


@pytest.mark.parametrize("with_bias", [False, True], ids=["paper", "recency"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"activation": "leaky_relu", "iterations": 2},
        {"agreement": "encoded"},
        {"capsules": 1},
        {"newest": True, "position_dropout": 0.3, "vote_dropout": 0.3},
    ],
    ids=["paper", "leaky", "encoded", "one", "newest"],
)
def test_every_prefix_against_numpy(options, with_bias):
    layer = _layer(**options)
    bias = BIAS[:, :, : layer.num_capsules] if with_bias else None
    found = layer(tf.constant(ENCODED), tf.constant(MASK), EVERY, bias)
    several = 0
    for row, length in enumerate(LENGTHS):
        for query in range(length):
            n = query + 1
            interests, used, weights = _restatement(
                layer, ENCODED[row, :n], None if bias is None else bias[row, query, :, :n]
            )
            several += len(used) > 1
            np.testing.assert_allclose(found.interests[row, query], interests, rtol=1e-3, atol=1e-4)
            np.testing.assert_array_equal(np.flatnonzero(found.active[row, query]), used)
            np.testing.assert_allclose(found.attribution[row, query, :, :n], weights, rtol=1e-3, atol=1e-5)
            np.testing.assert_array_equal(found.attribution[row, query, :, n:], 0)
    assert several or layer.num_capsules == 1
    np.testing.assert_allclose(found.gates, ENCODED @ layer.base.numpy().T, rtol=1e-4, atol=1e-5)


def test_the_active_capsules_are_the_union_over_items():
    """Three items that ask for capsules 2, 0 and 2."""
    layer = _layer(3)
    layer.base.assign(np.eye(3, D))
    encoded = np.zeros((1, 3, D), np.float32)
    encoded[0, [0, 1, 2], [2, 0, 2]] = 1
    active = layer(tf.constant(encoded), tf.ones([1, 3]), tf.range(3)[tf.newaxis]).active
    expected = [[False, False, True], [True, False, True], [True, False, True]]
    np.testing.assert_array_equal(active[0], expected)
    chosen = tf.constant([[[False, True, True]]])
    given = layer(tf.constant(encoded), tf.ones([1, 3]), tf.constant([[2]]), active=chosen)
    np.testing.assert_array_equal(given.active, chosen)
    np.testing.assert_array_equal(given.interests[0, 0, 0], np.zeros(D))
    assert np.abs(given.interests[0, 0, 1]).max() > 0


def test_an_empty_history_has_no_capsule():
    found = _layer()(tf.constant(ENCODED), tf.zeros([3, T]), tf.constant([[-1]]), tf.zeros([1, 1, C, T]))
    assert not np.any(found.active)
    np.testing.assert_array_equal(found.interests, np.zeros((3, 1, C, D)))
    np.testing.assert_array_equal(found.attribution, np.zeros((3, 1, C, T)))


def test_noise_of_the_gates():
    """Gates of 5 without noise; 0.2 * 5 + 0.01 is the spread, and the gradient is that of the gate alone."""
    layer = _layer(1)
    layer.base.assign([[5.0, 0, 0, 0]])
    encoded = tf.constant(np.tile([1.0, 0, 0, 0], (1, 20_000, 1)), tf.float32)
    layer.positions = tf.zeros([20_000, D])
    with tf.GradientTape() as tape:
        gates = layer(encoded, tf.ones([1, 20_000]), tf.constant([[19_999]]), training=True).gates
        total = tf.reduce_mean(gates)
    np.testing.assert_allclose(np.std(gates), 1.01, rtol=0.03)
    np.testing.assert_allclose(tape.gradient(total, layer.base), [[1, 0, 0, 0]], rtol=1e-4)


def test_dropout_of_the_votes_and_of_the_position_weights():
    """One item and one capsule: its weight is 1, so that only the votes' dropout shows; then the other way round."""
    one, query = tf.constant(ENCODED[:1, :1]), tf.constant([[0]])
    for options, changed in (({"vote_dropout": 0.5}, True), ({"position_dropout": 0.5}, False)):
        layer = _layer(1, noise_scale=0.0, **options)
        calm = layer(one, tf.ones([1, 1]), query)
        drawn = [layer(one, tf.ones([1, 1]), query, training=True) for _ in range(8)]
        apart = max(float(np.abs(found.interests - calm.interests).max()) for found in drawn)
        assert (apart > 1e-3) == changed
    layer = _layer(1, noise_scale=0.0, position_dropout=0.5)
    calm = layer(tf.constant(ENCODED[:1]), tf.ones([1, T]), tf.constant([[T - 1]]))
    drawn = layer(tf.constant(ENCODED[:1]), tf.ones([1, T]), tf.constant([[T - 1]]), training=True)
    assert np.abs(drawn.attribution - calm.attribution).max() > 1e-3


def test_gradients_flow_through_all_iterations():
    layer = _layer()
    with tf.GradientTape() as tape:
        found = layer(tf.constant(ENCODED), tf.constant(MASK), EVERY, tf.constant(BIAS), training=True)
        loss = tf.reduce_sum(found.interests * RANDOM.normal(size=(3, T, C, D)))
    for weights, gradient in zip(layer.trainable_weights, tape.gradient(loss, layer.trainable_weights), strict=True):
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, weights.name


def test_half_precision_is_finite_and_close():
    exact = _layer()
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        half = SparseCapsule(C, T + 2)
        half.build(ENCODED.shape)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    half.set_weights(exact.get_weights())
    found = half(tf.constant(ENCODED), tf.constant(MASK), EVERY)
    assert found.interests.dtype == tf.float16
    np.testing.assert_allclose(
        found.interests, exact(tf.constant(ENCODED), tf.constant(MASK), EVERY).interests, atol=0.05
    )


def test_round_trips(tmp_path):
    check_config_round_trip(SparseCapsule(3, 4, 2, 0.1, "leaky_relu", "encoded", OrthogonalityRegularizer(0.5), 3))
    copy = check_config_round_trip(SparseCapsule(3, 4, newest=True, position_dropout=0.1, vote_dropout=0.2))
    assert (copy.newest, copy.position_dropout, copy.vote_dropout) == (True, 0.1, 0.2)
    layer = _layer()
    inputs = [tf.constant(ENCODED), tf.constant(MASK), tf.constant([[4], [1], [-1]])]
    check_save_and_load(layer, lambda items, mask, queries: layer(items, mask, queries), inputs, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_capsules": 0}, "Received: 0, 5, 3"),
        ({"noise_scale": -1.0}, "Received: -1.0"),
        ({"activation": "relu"}, "Received: 'relu'"),
        ({"agreement": "both"}, "Received: 'both'"),
        ({"vote_dropout": 1.0}, r"Received: 0\.0, 1\.0"),
    ],
)
def test_bad_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        SparseCapsule(**{"num_capsules": 2, "max_history": 5, **arguments})

import math

import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip, check_save_and_load
from trainer.layers.interests.capsule import CapsuleLayer

RANDOM = np.random.default_rng(0)
T, D = 9, 4
LENGTHS = [9, 4, 1, 0]
ITEMS = RANDOM.normal(size=(4, T, D)).astype(np.float32)
MASK = np.array([[1] * n + [0] * (T - n) for n in LENGTHS])
BIAS = RANDOM.normal(size=(4, T, 3, T)).astype(np.float32)
ALL = tf.range(T)[tf.newaxis]


def _layer(transform="shared", num_interests=3, **options):
    layer = CapsuleLayer(num_interests, T + 2, transform, **options)
    layer.build(ITEMS.shape)
    for weights in layer.trainable_weights:
        weights.assign(RANDOM.normal(size=weights.shape))
    return layer


def _squash(z, power):
    length = math.sqrt(sum(z**2))
    return np.zeros_like(z) if length == 0 else (length**2 / (1 + length**2)) ** power * z / length


def _restatement(layer, items, bias=None):
    """Routing of one history [n, D], one vote at a time: the capsules and what each got of each item."""
    n, k = len(items), layer.num_interests
    used = max(1, min(k, math.floor(math.log2(n)))) if layer.dynamic_interests else k
    recency = np.ones((k, n))
    if bias is not None:
        recency = n * np.exp(bias) / np.exp(bias).sum(axis=1, keepdims=True)
    votes, logits = np.zeros((n, k, D)), np.zeros((n, k))
    for i in range(n):
        for j in range(k):
            if layer.transform == "shared":
                votes[i, j] = layer.bilinear.numpy() @ items[i] + (layer.bias.numpy() if layer.vote_bias else 0)
                logits[i, j] = layer.routing_logits.numpy()[j, i]
            else:
                votes[i, j] = layer.matrices.numpy()[i, j * D : (j + 1) * D] @ items[i]
    capsules, weights = np.zeros((k, D)), np.zeros((k, n))
    for _ in range(layer.iterations):
        for i in range(n):
            for j in range(used):
                weights[j, i] = recency[j, i] * math.exp(logits[i, j]) / sum(np.exp(logits[i, :used]))
        for j in range(used):
            z = sum(weights[j, i] * votes[i, j] for i in range(n))
            capsules[j] = _squash(z, layer.squash_power)
            for i in range(n):
                if layer.routing_temperature is None:
                    logits[i, j] += capsules[j] @ votes[i, j]
                else:
                    cosine = z @ votes[i, j] / np.linalg.norm(z) / np.linalg.norm(votes[i, j])
                    logits[i, j] += cosine / layer.routing_temperature
    return capsules, used, weights


@pytest.mark.parametrize("with_bias", [False, True], ids=["paper", "recency"])
@pytest.mark.parametrize(
    ("transform", "options"),
    [
        ("shared", {"dynamic_interests": True}),
        ("shared", {"squash_power": 0.5, "logits_stddev": 3.0}),
        ("shared", {"num_interests": 1, "dynamic_interests": True}),
        ("shared", {"vote_bias": True, "squash_power": 0.0}),
        ("per_position", {}),
        ("per_position", {"num_interests": 1}),
        ("per_position", {"iterations": 1, "dynamic_interests": True}),
        ("shared", {"dynamic_interests": True, "routing_temperature": 0.4}),
        ("per_position", {"routing_temperature": 0.3, "squash_power": 0.1}),
    ],
)
def test_every_prefix_against_numpy(transform, options, with_bias):
    layer = _layer(transform, **options)
    k = layer.num_interests
    bias = BIAS[:, :, :k] if with_bias else None
    interests, interest_mask, attribution = layer(
        tf.constant(ITEMS), tf.constant(MASK), ALL, None if bias is None else tf.constant(bias)
    )
    for row, length in enumerate(LENGTHS):
        for query in range(length):
            n = query + 1
            capsules, used, weights = _restatement(
                layer, ITEMS[row, :n], bias if bias is None else bias[row, query, :, :n]
            )
            np.testing.assert_allclose(interests[row, query], capsules, rtol=1e-3, atol=1e-5)
            np.testing.assert_array_equal(interest_mask[row, query], np.arange(k) < used)
            np.testing.assert_allclose(attribution[row, query, :, :n], weights, rtol=1e-3, atol=1e-6)
            np.testing.assert_array_equal(attribution[row, query, :, n:], 0)


def test_number_of_interests_by_length():
    """floor(log2) of 1 .. 16 items, at least 1 and at most 3."""
    layer = CapsuleLayer(3, 16, dynamic_interests=True)
    _, mask, _ = layer(tf.zeros([1, 16, 2]), tf.ones([1, 16]), tf.range(16)[tf.newaxis])
    expected = [1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3]
    np.testing.assert_array_equal(tf.reduce_sum(tf.cast(mask[0], tf.int32), axis=1), expected)


@pytest.mark.parametrize("transform", ["shared", "per_position"])
def test_an_empty_history(transform):
    layer = _layer(transform, dynamic_interests=True)
    interests, mask, attribution = layer(
        tf.constant(ITEMS), tf.zeros([4, T]), tf.constant([[-1]]), tf.zeros([1, 1, 3, T])
    )
    np.testing.assert_array_equal(interests, np.zeros((4, 1, 3, D)))
    np.testing.assert_array_equal(attribution, np.zeros((4, 1, 3, T)))
    np.testing.assert_array_equal(mask, np.broadcast_to([True, False, False], (4, 1, 3)))


@pytest.mark.parametrize("transform", ["shared", "per_position"])
def test_a_zero_bias_is_no_bias_and_an_even_one_too(transform):
    layer = _layer(transform)
    plain = layer(tf.constant(ITEMS), tf.constant(MASK), ALL)
    for value in (0.0, 7.0):
        biased = layer(tf.constant(ITEMS), tf.constant(MASK), ALL, tf.fill([1, T, 3, T], value))
        for one, other in zip(plain, biased, strict=True):
            np.testing.assert_allclose(np.float32(one), np.float32(other), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("transform", ["shared", "per_position"])
def test_gradients_reach_weights_items_and_bias_but_not_through_the_routing(transform):
    """With the last routing weights held fixed the gradient is the same: routing carries none."""
    layer = _layer(transform)
    items, bias = tf.constant(ITEMS), tf.constant(BIAS)
    direction = tf.constant(RANDOM.normal(size=(4, T, 3, D)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch([items, bias])
        interests, _, attribution = layer(items, tf.constant(MASK), ALL, bias)
        loss = tf.reduce_sum(interests * direction)
    gradients = tape.gradient(loss, [items, bias, *layer.trainable_weights])
    for gradient in gradients:
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0
    fixed = tf.stop_gradient(attribution)
    with tf.GradientTape() as tape:
        tape.watch(items)
        if transform == "shared":
            votes = tf.einsum("de,bte->btd", layer.bilinear, items)[:, tf.newaxis]
        else:
            matrices = tf.reshape(layer.matrices, [T + 2, 3, D, D])[:T]
            votes = tf.einsum("tkde,bte->bktd", matrices, items)
        z = tf.einsum("bqkt,bktd->bqkd", fixed, tf.broadcast_to(votes, [4, 3, T, D]))
        square = tf.reduce_sum(z * z, axis=-1, keepdims=True)
        loss = tf.reduce_sum(direction * z * square / (1 + square) * tf.math.rsqrt(square + 1e-9))
    np.testing.assert_allclose(gradients[0], tape.gradient(loss, items), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("transform", ["shared", "per_position"])
def test_a_penalty_on_the_attribution_reaches_the_weights(transform):
    layer = _layer(transform)
    with tf.GradientTape() as tape:
        attribution = layer(tf.constant(ITEMS), tf.constant(MASK), ALL)[2]
        loss = tf.reduce_sum(attribution**2)
    for gradient in tape.gradient(loss, layer.trainable_weights):
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


def test_routing_starts_from_the_seed_and_is_not_trained():
    layer, same, other = _layer(), _layer(), _layer(seed=2)
    np.testing.assert_array_equal(layer.routing_logits, same.routing_logits)
    assert np.abs(layer.routing_logits - other.routing_logits).max() > 0.1
    assert [weights.name for weights in layer.trainable_weights] == ["bilinear:0"]
    assert layer.routing_logits.shape == (3, T + 2)


def test_cosines_route_alike_whatever_the_length_of_the_items():
    """By inner products a hundredth of the length leaves the routing where it started; by cosines nothing changes."""
    attributions = {}
    for temperature in (None, 0.3):
        layer = _layer(routing_temperature=temperature)
        layer.bilinear.assign(np.eye(D))
        long, short = (layer(tf.constant(scale * ITEMS), tf.constant(MASK), ALL)[2] for scale in (1.0, 0.01))
        attributions[temperature] = np.abs(long - short).max()
    assert attributions[0.3] < 1e-4 and attributions[None] > 0.1


def test_matrices_start_near_the_identity_or_as_published():
    shared = CapsuleLayer(2, 50, identity_start=True)
    shared.build((None, None, 16))
    np.testing.assert_array_equal(shared.bilinear, np.eye(16))
    for identity_start, mean, deviation in ((True, np.eye(16), 0.02), (False, np.zeros((16, 16)), 1.0)):
        layer = CapsuleLayer(2, 50, "per_position", identity_start=identity_start)
        layer.build((None, None, 16))
        noise = layer.matrices.numpy().reshape(50, 2, 16, 16) - mean
        np.testing.assert_allclose([noise.mean(), noise.std()], [0, deviation], atol=0.03 * deviation)
        assert np.abs(noise[:, 0] - noise[:, 1]).max() > deviation


@pytest.mark.parametrize("transform", ["shared", "per_position"])
def test_half_precision_is_close(transform):
    layer = _layer(transform, num_interests=2)
    half = CapsuleLayer(2, T + 2, transform, dtype="mixed_float16")
    half.build(ITEMS.shape)
    half.set_weights(layer.get_weights())
    exact = layer(tf.constant(ITEMS), tf.constant(MASK), ALL)[0]
    outputs = half(tf.constant(ITEMS), tf.constant(MASK), ALL)[0]
    assert outputs.dtype == tf.float16
    np.testing.assert_allclose(outputs, exact, atol=0.02)


@pytest.mark.parametrize("transform", ["shared", "per_position"])
def test_round_trips(tmp_path, transform):
    layer = _layer(
        transform,
        dynamic_interests=True,
        iterations=2,
        squash_power=0.7,
        routing_temperature=0.3,
        logits_stddev=2.0,
        vote_bias=transform == "shared",
        identity_start=True,
        seed=4,
    )
    copy = check_config_round_trip(layer)
    assert (copy.transform, copy.iterations, copy.seed, copy.logits_stddev) == (transform, 2, 4, 2.0)
    assert copy.identity_start and copy.dynamic_interests and copy.vote_bias == (transform == "shared")
    assert (copy.squash_power, copy.routing_temperature) == (0.7, 0.3)
    inputs = [tf.constant(ITEMS), tf.constant(MASK), tf.constant([[8], [3], [0], [-1]])]
    check_save_and_load(layer, lambda items, mask, queries: layer(items, mask, queries), inputs, tmp_path)


def test_no_rows():
    interests, _, _ = _layer("per_position")(tf.zeros([0, T, D]), tf.zeros([0, T]), ALL)
    assert interests.shape == (0, T, 3, D)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_interests": 0}, "Received: 0, 5, 3"),
        ({"transform": "both"}, "shared, per_position. Received: 'both'"),
        ({"logits_stddev": 0.0}, "Received: 0.0"),
        ({"squash_power": 1.5}, "Received: 1.5"),
        ({"squash_power": -0.1}, "Received: -0.1"),
        ({"routing_temperature": 0.0}, "Received: 0.0"),
        ({"transform": "per_position", "vote_bias": True}, "Received: 'per_position'"),
    ],
)
def test_bad_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        CapsuleLayer(**{"num_interests": 2, "max_history": 5, **arguments})

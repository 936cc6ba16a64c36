import math

import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.layers.checks import check_config_round_trip, check_save_and_load
from trainer.layers.interests.label_aware import LabelAwareAttention, label_aware_read_out
from trainer.losses.read_out import hard_read_out

RANDOM = np.random.default_rng(0)
INTERESTS = RANDOM.normal(size=(6, 4, 5)).astype(np.float32)
TARGETS = RANDOM.normal(size=(6, 5)).astype(np.float32)
MASK = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]], bool)


def _restatement(interests, used, target, power):
    """One target at a time, in double precision."""
    vectors = [interest for interest, wanted in zip(interests.astype(float), used, strict=True) if wanted]
    if not vectors:
        return np.zeros_like(target)
    scores = [float(vector @ target.astype(float)) for vector in vectors]
    if power == math.inf:
        return vectors[int(np.argmax(scores))]
    logits = [0.0 if power == 0 else math.copysign(abs(score) ** power, score) for score in scores]
    weights = [math.exp(logit - max(logits)) for logit in logits]
    return sum(weight / sum(weights) * vector for weight, vector in zip(weights, vectors, strict=True))


@pytest.mark.parametrize("power", [0, 0.5, 1, 2, 3.7, 10, math.inf])
def test_against_numpy(power):
    outputs = label_aware_read_out(tf.constant(INTERESTS), tf.constant(MASK), tf.constant(TARGETS), power)
    for row in range(6):
        expected = _restatement(INTERESTS[row], MASK[row], TARGETS[row], power)
        np.testing.assert_allclose(outputs[row], expected, rtol=1e-3, atol=1e-4)


def test_ends_of_the_scale():
    inputs = tf.constant(INTERESTS[:5]), tf.constant(MASK[:5]), tf.constant(TARGETS[:5])
    np.testing.assert_allclose(LabelAwareAttention(math.inf)(*inputs), hard_read_out(*inputs), rtol=1e-6)
    np.testing.assert_allclose(LabelAwareAttention(0)(*inputs)[1], INTERESTS[1, :3].mean(axis=0), rtol=1e-5)


@pytest.mark.parametrize("power", [2, 100, 1000])
def test_a_strongly_negative_interest_does_not_win(power):
    """Scores 3, 2, -50: with a literal even power the last would."""
    interests = tf.constant([[[3.0], [2.0], [-50.0]]])
    outputs = label_aware_read_out(interests, tf.constant([[True] * 3]), tf.constant([[1.0]]), power)
    np.testing.assert_allclose(outputs, [[(3 + 2 * math.exp(-5)) / (1 + math.exp(-5)) if power == 2 else 3]], rtol=1e-5)


@pytest.mark.parametrize("power", [0.5, 3.0, 500.0, math.inf])
def test_finite_for_large_zero_and_equal_scores(power):
    interests = tf.constant([[[900.0], [901.0]], [[0.0], [0.0]], [[-7.0], [-7.0]], [[9e5], [-9e5]]])
    targets = tf.ones([4, 1])
    with tf.GradientTape() as tape:
        tape.watch([interests, targets])
        outputs = label_aware_read_out(interests, tf.ones([4, 2], tf.bool), targets, power)
    for gradient in tape.gradient(outputs, [interests, targets], unconnected_gradients="zero"):
        assert np.isfinite(gradient).all()
    assert np.isfinite(outputs).all()
    np.testing.assert_allclose(outputs[1:3], [[0], [-7]])


@pytest.mark.parametrize("power", [0, 0.5, 4, math.inf])
def test_an_interest_not_in_use_has_no_weight(power):
    """It has by far the best score, and neither value nor gradient sees it."""
    interests = tf.constant([[[1.0, 0.0], [2.0, 0.0], [1e4, 5.0]]])
    with tf.GradientTape() as tape:
        tape.watch(interests)
        outputs = label_aware_read_out(interests, tf.constant([[True, True, False]]), tf.constant([[1.0, 0.0]]), power)
    assert outputs[0, 0] <= 2 and outputs[0, 1] == 0
    np.testing.assert_array_equal(tape.gradient(outputs, interests)[0, 2], [0, 0])


def test_round_trips_and_bad_arguments(tmp_path):
    for power in (2.5, math.inf):
        assert check_config_round_trip(LabelAwareAttention(power)).power == power
    layer = LabelAwareAttention(2.5)
    inputs = [tf.constant(INTERESTS), tf.constant(MASK), tf.constant(TARGETS)]
    check_save_and_load(layer, lambda *tensors: layer(*tensors), inputs, tmp_path)
    for power in (-1.0, math.nan):
        with pytest.raises(ValueError, match=f"Received: {power}"):
            LabelAwareAttention(power)

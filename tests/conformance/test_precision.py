"""Every retrieval model in half precision: finite, its weights and what it says in float32, and near to float32's."""

import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.models import batch, built
from trainer.keras_api import keras
from trainer.models import registry
from trainer.training.lazy_adam import LazyAdam
from trainer.training.precision import mixed_precision
from trainer.training.step import total_loss, training_step

# Of the largest component: float16 has 11 significant bits, bfloat16 8, and a forward pass rounds tens of times.
TOLERANCE = {"float16": 0.005, "bfloat16": 0.04}


EVERY = [(name, kind) for name in registry.names("retrieval") for kind in TOLERANCE]


def _half_and_full(name, kind, option):
    """A model in half precision, and its full twin with the same weights."""
    model, twin = built(name, option, kind), built(name, option)
    assert keras.mixed_precision.global_policy().name == "float32"
    for weights, same in zip(model.weights, twin.weights, strict=True):
        assert weights.dtype == same.dtype
        weights.assign(same)
    return model, twin


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_it_computes_in_half_precision_and_is_near(name, kind):
    """Not behind the additional Transformer: there rounding may tip MIRACLE's choice of capsules."""
    model, twin = _half_and_full(name, kind, "all")
    assert model.dropout.compute_dtype == kind
    encoding, expected = model.encode_last(batch()), twin.encode_last(batch())
    assert encoding.interests.dtype == encoding.attribution.dtype == tf.float32
    assert (encoding.interests.numpy() != expected.interests.numpy()).any()
    np.testing.assert_array_equal(encoding.interest_mask, expected.interest_mask)
    near = TOLERANCE[kind] * np.abs(expected.interests).max()
    np.testing.assert_allclose(encoding.interests, expected.interests, atol=near)
    np.testing.assert_allclose(encoding.attribution, expected.attribution, atol=4 * TOLERANCE[kind])
    np.testing.assert_allclose(model.compute_loss(batch()), twin.compute_loss(batch()), rtol=TOLERANCE[kind])
    vectors = twin.item_vectors().numpy()
    assert model.item_vectors().dtype == tf.float32
    np.testing.assert_allclose(model.item_vectors(), vectors, atol=TOLERANCE[kind] * np.abs(vectors).max())


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_gradients_are_finite_and_float32(name, kind, empty):
    model, _ = _half_and_full(name, kind, "context")
    given = {name: tf.zeros_like(value) for name, value in batch().items()} if empty else batch()
    encoding = model.encode_last(given)
    assert np.isfinite(encoding.interests).all() and np.isfinite(encoding.attribution).all()
    with tf.GradientTape() as tape:
        loss = total_loss(model, given)
    assert loss.dtype == tf.float32 and np.isfinite(loss)
    for weights, gradient in zip(model.trainable_weights, tape.gradient(loss, model.trainable_weights), strict=True):
        assert weights.dtype == tf.float32
        assert empty or gradient is not None, weights.name
        if gradient is not None:
            assert gradient.dtype == tf.float32, weights.name
            assert np.isfinite(tf.convert_to_tensor(gradient)).all(), weights.name
            assert empty or np.abs(tf.convert_to_tensor(gradient)).max() > 0, weights.name


def test_nothing_is_left_behind_even_by_an_error():
    with pytest.raises(RuntimeError), mixed_precision("bfloat16"):
        assert keras.mixed_precision.global_policy().name == "mixed_bfloat16"
        raise RuntimeError
    assert keras.mixed_precision.global_policy().name == "float32"


def _compiled(scale: float):
    """A model of its own, and its optimizer."""
    keras.utils.set_random_seed(1)
    model = built.__wrapped__("two_tower", "default", "float16")
    optimizer = keras.mixed_precision.LossScaleOptimizer(LazyAdam(0.01), initial_scale=scale)
    model.compile(optimizer=optimizer)
    return model, optimizer


def test_a_scaled_step_is_the_step(monkeypatch):
    """With the loss scaled by 1024, Adam's first step is what it is without: each gradient's sign times the rate."""
    model, optimizer = _compiled(1024.0)
    before = model.projection.outer.bias.numpy()
    with tf.GradientTape() as tape:
        loss = model.compute_loss(batch())
    monkeypatch.setattr(model, "compute_loss", lambda inputs, training: type(model).compute_loss(model, inputs))
    sign = np.sign(tape.gradient(loss, model.projection.outer.bias))
    assert float(training_step(model, batch())) == pytest.approx(float(loss))
    np.testing.assert_allclose(model.projection.outer.bias - before, -0.01 * sign, rtol=1e-3)
    assert optimizer.loss_scale == 1024


def test_an_overflow_changes_the_scale_alone():
    model, optimizer = _compiled(2.0**40)
    before = [weights.numpy() for weights in model.weights]
    training_step(model, batch())
    assert optimizer.loss_scale == 2.0**39
    for weights, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weights, value)

"""How every profile model is trained."""

import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.profile_models import batch, built
from trainer.models import registry
from trainer.training.step import total_loss

TOLERANCE = {"float16": 0.005, "bfloat16": 0.04}
EVERY = [(name, kind) for name in registry.names("tag_profiles") for kind in TOLERANCE]


def _gradients(model, given):
    with tf.GradientTape() as tape:
        loss = total_loss(model, given)
    return loss, tape.gradient(loss, model.trainable_weights)


def test_gradients_reach_every_weight(profiler):
    """Of a batch in which every label counts."""
    given = batch()
    given |= {name: tf.ones_like(value) for name, value in given.items() if name.startswith("weight_")}
    _, gradients = _gradients(profiler, given)
    for weights, gradient in zip(profiler.trainable_weights, gradients, strict=True):
        assert gradient is not None, weights.name
        assert np.isfinite(tf.convert_to_tensor(gradient)).all(), weights.name
        # One addend for all values of a softmax: the bias of the keys changes nothing.
        assert weights.name == "key/bias:0" or np.abs(tf.convert_to_tensor(gradient)).max() > 0, weights.name


def test_rows_that_a_batch_does_not_hold_are_not_touched(profiler):
    """Gradients of tables are rows, but for those of tags that are fewer than the places of a history."""
    _, gradients = _gradients(profiler, batch())
    for weights, gradient in zip(profiler.trainable_weights, gradients, strict=True):
        if weights.name.split("/")[-1] in ("user_job:0", "history_items:0", "embeddings:0", "tag_embeddings:0"):
            assert isinstance(gradient, tf.IndexedSlices), weights.name
        if weights.name.split("/")[-1] == "history_tags:0":
            assert isinstance(gradient, tf.IndexedSlices) == (profiler.num_tags > 21)


def test_the_loss_against_numpy(profiler):
    given = batch()
    logits, expected = profiler.logits(given).numpy(), 0.0
    for place, task in enumerate(profiler.tasks):
        label, weight = (given[f"{kind}_{task}"].numpy() for kind in ("label", "weight"))
        chance = 1 / (1 + np.exp(-logits[..., place]))
        losses = -label * np.log(chance) - (1 - label) * np.log(1 - chance)
        expected += profiler.settings.task_weights.get(task, 1.0) * losses[weight > 0].mean()
    np.testing.assert_allclose(profiler.compute_loss(given), expected, rtol=1e-5)


def test_what_does_not_count_contributes_nothing(profiler):
    given = batch()
    turned = {
        f"label_{task}": tf.where(given[f"weight_{task}"] > 0, given[f"label_{task}"], 1 - given[f"label_{task}"])
        for task in profiler.tasks
    }
    np.testing.assert_array_equal(profiler.compute_loss(given), profiler.compute_loss({**given, **turned}))
    none = {name: tf.zeros_like(value) for name, value in given.items() if name.startswith("weight_")}
    loss, gradients = _gradients(profiler, {**given, **none})
    assert float(loss) == 0
    assert not any(np.any(tf.convert_to_tensor(gradient)) for gradient in gradients if gradient is not None)


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_half_precision_is_near_and_finite(name, kind):
    model, twin = built(name, "default", kind), built(name)
    for weights, same in zip(model.weights, twin.weights, strict=True):
        assert weights.dtype == same.dtype
        weights.assign(same)
    given = batch()
    users, expected = model.user_vectors(given), twin.user_vectors(given)
    assert users.dtype == model.logits(given).dtype == tf.float32
    assert (users.numpy() != expected.numpy()).any()
    np.testing.assert_allclose(users, expected, atol=4 * TOLERANCE[kind] * np.abs(expected).max())
    tags = twin.tag_vectors(tf.range(9)).numpy()
    np.testing.assert_allclose(model.tag_vectors(tf.range(9)), tags, atol=4 * TOLERANCE[kind] * np.abs(tags).max())
    np.testing.assert_allclose(model.compute_loss(given), twin.compute_loss(given), rtol=TOLERANCE[kind])
    for every in (given, {name: tf.zeros_like(value) for name, value in given.items()}):
        loss, gradients = _gradients(model, every)
        assert loss.dtype == tf.float32 and np.isfinite(loss)
        for weights, gradient in zip(model.trainable_weights, gradients, strict=True):
            assert gradient is None or gradient.dtype == tf.float32, weights.name
            assert gradient is None or np.isfinite(tf.convert_to_tensor(gradient)).all(), weights.name

"""What every profile model says of a user and of a tag."""

import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.profile_models import PROFILE, B, batch, built, catalogue, made
from trainer.models import registry

NAMES = registry.names("tag_profiles")
FEATURES = ("history", "history_mask", "history_gap", "user_job", "user_age")


def _near(one, two):
    np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


def test_shapes(profiler):
    users, numbers = profiler.user_vectors(batch()), tf.range(profiler.num_tags)
    tags = profiler.tag_vectors(numbers)
    tasks, width = len(profiler.tasks), users.shape[2]
    assert users.shape == (B, tasks, width) and users.dtype == tf.float32
    assert tags.shape == (profiler.num_tags, tasks, width) and tags.dtype == tf.float32
    assert profiler.logits(batch()).shape == (B, 2, tasks) and profiler.bias.shape == (tasks,)
    together = profiler.tag_vectors(tf.reshape(numbers[:6], [2, 3]))
    _near(tf.reshape(together, [6, tasks, width]), tags[:6])


def test_a_score_is_one_inner_product(profiler):
    given = batch()
    users = profiler.user_vectors(given).numpy()
    tags = profiler.tag_vectors(tf.range(profiler.num_tags)).numpy()
    option = "many" if profiler.num_tags > 9 else "default"
    expected = []
    for user, item in zip(np.repeat(users, 2, axis=0), given["item"].numpy().ravel(), strict=True):
        numbers = catalogue(option).tags[item - 1] if item else np.zeros(0, int)
        scores = [(user * tags[number - 1]).sum(axis=1) for number in numbers[numbers > 0]]
        pool = np.sum if profiler.settings.tag_pooling == "sum" else np.mean
        expected.append(profiler.bias.numpy() + (pool(scores, axis=0) if scores else 0.0))
    expected = np.reshape(expected, [B, 2, -1])
    np.testing.assert_allclose(profiler.logits(given), expected, rtol=1e-4, atol=1e-5)


def test_what_is_behind_the_mask_changes_nothing(profiler):
    given = batch()
    other = {**given, "history": given["history"] + 9 * (1 - given["history_mask"])}
    _near(profiler.user_vectors(given), profiler.user_vectors(other))


def test_more_padding_changes_nothing(profiler):
    """The rows of short histories and of single values, as narrow as they can be and twice as wide as they are."""
    given = batch()
    expected = profiler.user_vectors(given)
    narrow = {name: given[name][1:] for name in FEATURES}
    narrow |= {name: narrow[name][:, :3] for name in ("history", "history_mask", "history_gap")}
    narrow["user_job"] = narrow["user_job"][:, :1]
    _near(profiler.user_vectors(narrow), expected[1:])
    wide = {name: tf.concat([given[name], tf.zeros_like(given[name])], axis=1) for name in FEATURES[:-1]}
    _near(profiler.user_vectors({**wide, "user_age": given["user_age"]}), expected)


def test_the_order_of_values_changes_nothing(profiler):
    """Of a field, and of a history: a profile is no sequence."""
    given = batch()
    turned = {name: tf.reverse(given[name], [1]) for name in FEATURES}
    _near(profiler.user_vectors(turned), profiler.user_vectors(given))


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_fields_changes_nothing(name):
    model, twin = built(name), made(name, profile=dict(reversed(PROFILE.items())))
    twin.set_weights(model.get_weights())
    given = batch()
    np.testing.assert_array_equal(twin.user_vectors(dict(reversed(given.items()))), model.user_vectors(given))


def test_other_rows_change_nothing(profiler):
    given = batch()
    expected = profiler.logits(given)
    for row in range(B):
        alone = {name: value[row : row + 1] for name, value in given.items()}
        _near(profiler.logits(alone), expected[row : row + 1])
    turned = {name: tf.reverse(value, [0]) for name, value in given.items()}
    _near(profiler.logits(turned), tf.reverse(expected, [0]))


def test_serving_is_deterministic(profiler):
    np.testing.assert_array_equal(profiler.user_vectors(batch()), profiler.user_vectors(batch()))
    np.testing.assert_array_equal(profiler.logits(batch()), profiler.logits(batch()))


def test_an_empty_field_contributes_nothing(profiler):
    """Whatever its weights are: those of a field that nobody has a value of have no gradient."""
    given = batch()
    for name in ("user_job", "user_age"):
        without = {**given, name: tf.zeros_like(given[name])}
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(profiler.user_vectors(without))
        gradient = tape.gradient(total, profiler.embeddings.tables[name])
        assert not np.any(tf.convert_to_tensor(gradient)), name


def test_items_of_which_no_tag_is_known_have_the_bias(profiler):
    """An unknown item and one without tags; nothing becomes NaN on the way back either."""
    for item in (0, 1):
        given = {**batch(), "item": tf.fill([B, 2], tf.constant(item, tf.int64))}
        with tf.GradientTape() as tape:
            loss = profiler.compute_loss(given)
        np.testing.assert_array_equal(profiler.logits(given), np.tile(profiler.bias, (B, 2, 1)))
        for gradient in tape.gradient(loss, profiler.trainable_weights):
            assert gradient is None or np.isfinite(tf.convert_to_tensor(gradient)).all()


def test_a_user_of_whom_nothing_is_known_is_finite(profiler):
    given = {name: tf.zeros_like(value) if name in FEATURES else value for name, value in batch().items()}
    with tf.GradientTape() as tape:
        loss = profiler.compute_loss(given)
    assert np.isfinite(loss) and np.isfinite(profiler.user_vectors(given)).all()
    for gradient in tape.gradient(loss, profiler.trainable_weights):
        assert gradient is None or np.isfinite(tf.convert_to_tensor(gradient)).all()


def test_saved_and_loaded(profiler, tmp_path):
    module = tf.Module()
    module.model = profiler
    module.users = tf.function(profiler.user_vectors)
    module.tags = tf.function(profiler.tag_vectors)
    module.logits = tf.function(profiler.logits)
    numbers = tf.range(profiler.num_tags)
    expected = [module.users(batch()), module.tags(numbers), module.logits(batch())]
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    for one, two in zip(expected, [loaded.users(batch()), loaded.tags(numbers), loaded.logits(batch())], strict=True):
        _near(one, two)

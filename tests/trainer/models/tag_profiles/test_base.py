"""What the models of profiles share, by hand; tests/conformance/test_profiles.py holds for every one of them."""

import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.profile_models import FEW_TAGS, TASKS, B, N, T, batch
from trainer.data.catalogue import Catalogue
from trainer.errors import InputError
from trainer.keras_api import keras
from trainer.models import registry
from trainer.models.tag_profiles.mvke import MVKESettings
from trainer.training.lazy_adam import LazyAdam
from trainer.training.step import training_step

LOG_3 = np.log(3.0)


def _model(name="shared_bottom", tasks=TASKS, items=FEW_TAGS, profile=None, **options):
    settings = registry.settings_class(name)(**{"dimension": 4, "field_dimension": 3, **options})
    return registry.get(name)(settings, items, T, profile, tasks)


def _columns(**values):
    return {name: tf.constant(column, tf.float32)[:, tf.newaxis] for name, column in values.items()}


def test_the_loss_by_hand():
    """Unknown items have the bias: odds of 3 for a click, of 1/3 for a conversion."""
    model = _model(task_weights={"conversion": 10.0})
    given = {**batch(), "item": tf.zeros([B, 1], tf.int64)}
    given |= _columns(label_click=[1, 0, 0, 1], weight_click=[1, 1, 0, 0])
    given |= _columns(label_conversion=[1, 0, 1, 0], weight_conversion=[0, 0, 1, 0])
    model.compute_loss(given)
    model.bias.assign([LOG_3, -LOG_3])
    click = (-np.log(0.75) - np.log(0.25)) / 2
    np.testing.assert_allclose(model.compute_loss(given), click + 10 * -np.log(0.25), rtol=1e-5)


def test_an_item_is_the_sum_or_the_mean_of_its_tags():
    """Item 2 (index 1) has the tags 2 and 8."""
    given = {**batch(), "item": tf.fill([B, 1], tf.constant(2, tf.int64))}
    one, two = _model(tag_pooling="sum"), _model(tag_pooling="mean")
    one.logits(given), two.logits(given)
    two.set_weights(one.get_weights())
    users, tags = one.user_vectors(given), one.tag_vectors(tf.constant([1, 7]))
    expected = tf.einsum("byd,gyd->by", users, tags)
    np.testing.assert_allclose(one.logits(given)[:, 0], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(two.logits(given)[:, 0], expected / 2, rtol=1e-4, atol=1e-6)


def test_a_task_is_trained_without_the_labels_of_the_others():
    model = _model(train_tasks=["conversion"])
    assert model.tasks == ("conversion",) and model.bias.shape == (1,)
    given = {name: value for name, value in batch().items() if not name.endswith("click")}
    assert np.isfinite(model.compute_loss(given))


def test_tasks_keep_the_order_of_the_labels():
    assert _model(train_tasks=["conversion", "click"]).tasks == TASKS


@pytest.mark.parametrize("name", registry.names("tag_profiles"))
def test_what_a_user_likes_is_found(name):
    """Each of four jobs likes two of eight tags; items have two tags. After training the liked ones are first."""
    random = np.random.default_rng(0)
    tags = np.array([random.choice(8, size=2, replace=False) + 1 for _ in range(60)], np.int32)
    items = Catalogue(
        [b""] * 60, np.ones(60), np.zeros((60, 0)), [], tags=tags, tag_names=[b"%d" % tag for tag in range(8)]
    )
    keras.utils.set_random_seed(1)
    model = _model(name, ("click",), items, {"user_job": 4}, dimension=8, field_dimension=8, history_fields=["items"])
    model.compile(optimizer=LazyAdam(0.02))

    def impressions():
        job, item = random.integers(1, 5, size=128), random.integers(1, 61, size=128)
        liked = ((tags[item - 1] + 1) // 2 == job[:, np.newaxis]).any(axis=1)
        empty = np.zeros((128, T), np.int64)
        return {
            **{"history": tf.constant(empty), "history_mask": tf.constant(empty), "history_gap": tf.zeros([128, T])},
            **{"user_job": tf.constant(job)[:, tf.newaxis], "item": tf.constant(item)[:, tf.newaxis]},
            **_columns(label_click=liked, weight_click=np.ones(128)),
        }

    step = tf.function(lambda given: training_step(model, given))
    for _ in range(150):
        step(impressions())
    nobody = {name: tf.zeros([4, T], tf.int64) for name in ("history", "history_mask")}
    users = model.user_vectors({**nobody, "user_job": tf.constant([[1], [2], [3], [4]])})[:, 0]
    scores = tf.matmul(users, model.tag_vectors(tf.range(8))[:, 0], transpose_b=True)
    best = np.sort(np.argsort(-scores.numpy(), axis=1)[:, :2], axis=1)
    np.testing.assert_array_equal(best, [[0, 1], [2, 3], [4, 5], [6, 7]])


def test_what_cannot_be_learned_is_explained():
    untagged = Catalogue([b""] * N, np.ones(N), np.zeros((N, 0)), [])
    for items in (untagged, Catalogue([b""] * N, np.ones(N), np.zeros((N, 0)), [], tags=np.zeros((N, 2), np.int32))):
        with pytest.raises(InputError, match=r"No item of the training split has a tag.*data.item_columns.tags"):
            _model(items=items)
    with pytest.raises(InputError, match="nothing is known of a user"):
        _model(history_fields=[])
    with pytest.raises(InputError, match="learns from labels"):
        _model(tasks=())


@pytest.mark.parametrize(
    ("num_kernels", "tasks", "expected"),
    [
        (5, "ab", [[0, 1, 2], [1, 2, 3, 4]]),
        (1, "a", [[0]]),
        (5, "a", [[0, 1, 2, 3, 4]]),
        (2, "ab", [[0], [1]]),
        (3, "ab", [[0, 1], [1, 2]]),
        (7, "abc", [[0, 1, 2], [1, 2, 3, 4], [1, 2, 5, 6]]),
        (8, "abc", [[0, 1, 2, 3], [1, 2, 3, 4, 5], [1, 2, 3, 6, 7]]),
    ],
)
def test_kernels_by_default(num_kernels, tasks, expected):
    assert MVKESettings(num_kernels=num_kernels).kernels_of(tasks) == expected

"""One suite that every registered model passes."""

import inspect
import pkgutil

import numpy as np
import pytest
import tensorflow as tf

import trainer.models
from trainer.catalogue import Catalogue
from trainer.input_pipeline import one_prefix_a_row
from trainer.keras_api import keras
from trainer.models import registry

N, T, B = 40, 7, 3
CATALOGUE = Catalogue(
    [str(item).encode() for item in range(N)],
    np.arange(N, 0, -1),
    np.array([[1, 2 + item % 3] for item in range(N)], np.int32),
    [b"all", b"a", b"b", b"c"],
)
PROFILE = {"user_job": 3, "user_age": None}
LENGTHS = (7, 3, 1)


def _batch(seed: int = 0) -> dict[str, tf.Tensor]:
    random = np.random.default_rng(seed)
    mask = np.array([[1] * n + [0] * (T - n) for n in LENGTHS])
    history = random.integers(1, N + 1, size=(B, T)) * mask
    targets = random.integers(1, N + 1, size=(B, T)) * mask
    return {
        "history": tf.constant(history, tf.int64),
        "history_mask": tf.constant(mask, tf.int64),
        "history_gap": tf.constant(random.uniform(0, 9, size=(B, T)) * mask, tf.float32),
        "targets": tf.constant(targets, tf.int64),
        "user_job": tf.constant([[1, 3], [2, 0], [0, 0]], tf.int64),
        "user_age": tf.constant([[0.5], [-1.0], [0.0]]),
    }


OPTIONS = {
    "default": {},
    "bare": {"recency": False, "residual_projection": False, "dropout": 0.0},
    "all": {"time_decay": True, "use_category": True},
    "hard": {"read_out": "hard"},
    "penalties": {
        "read_out": "soft",
        "negatives": "in_batch",
        "normalize": True,
        "temperature": 0.5,
        "disagreement": 0.1,
        "routing_variance": 0.1,
        "hardness": 0.5,
    },
}


def _model(name: str, options: dict, profile: dict = PROFILE, **settings):
    keras.utils.set_random_seed(1)
    cls = registry.get(name)
    model = cls(cls.settings_class(name=name, dimension=6, **options, **settings), CATALOGUE, T, profile, 1280, seed=1)
    model.compute_loss(_batch())
    random = np.random.default_rng(5)
    for weights in model.trainable_weights:
        weights.assign(random.normal(scale=0.5, size=weights.shape))
    return model


@pytest.fixture(params=[(name, option) for name in registry.names() for option in OPTIONS], ids="-".join)
def model(request):
    name, option = request.param
    return _model(name, OPTIONS[option], PROFILE if option != "bare" else {})


def test_every_file_of_models_registers():
    files = {module.name for module in pkgutil.iter_modules(trainer.models.__path__)} - {"base", "registry"}
    registered = {inspect.getmodule(registry.get(name)).__name__.rsplit(".", 1)[-1] for name in registry.names()}
    assert files == registered


def test_shapes(model):
    k = model.served_interests
    encoding = model.encode_last(_batch())
    assert encoding.interests.shape == (B, 1, k, 6)
    assert encoding.interest_mask.shape == (B, 1, k) and encoding.interest_mask.dtype == tf.bool
    assert encoding.attribution.shape == (B, 1, k, T)
    assert model.encode_all_prefixes(_batch()).interests.shape == (B, T, k, 6)
    assert model.item_vectors().shape == (N, 6)
    np.testing.assert_allclose(model.item_vectors(chunk=7), model.item_vectors(), rtol=1e-6)


def test_what_is_behind_the_mask_changes_nothing(model):
    batch = _batch()
    hidden = 1 - batch["history_mask"]
    other = {
        **batch,
        "history": batch["history"] + 9 * hidden,
        "history_gap": batch["history_gap"] + tf.cast(hidden, tf.float32),
    }
    for one, two in zip(model.encode_last(batch), model.encode_last(other), strict=True):
        np.testing.assert_allclose(np.float32(one), np.float32(two), rtol=1e-5, atol=1e-6)


def test_more_padding_changes_nothing(model):
    """A model of the same weights sees the rows at half the width."""
    batch = _batch()
    narrow = {
        name: value[1:, :4] if name in ("history", "history_mask", "history_gap") else value[1:]
        for name, value in batch.items()
    }
    wide = model.encode_last(batch).interests[1:]
    np.testing.assert_allclose(model.encode_last(narrow).interests, wide, rtol=1e-5, atol=1e-6)


def test_other_rows_change_nothing(model):
    batch = _batch()
    alone = {name: value[1:2] for name, value in batch.items()}
    np.testing.assert_allclose(
        model.encode_last(alone).interests[0], model.encode_last(batch).interests[1], rtol=1e-5, atol=1e-6
    )


def test_serving_is_deterministic(model):
    np.testing.assert_array_equal(model.encode_last(_batch()).interests, model.encode_last(_batch()).interests)


def test_all_prefixes_are_the_prefixes_one_by_one(model):
    batch = _batch()
    rows = one_prefix_a_row(batch)
    wanted = batch["targets"] > 0
    together, single = model.encode_all_prefixes(batch), model.encode_last(rows)
    for many, one in zip(together, single, strict=True):
        np.testing.assert_allclose(
            np.float32(tf.boolean_mask(many, wanted)), np.float32(one[:, 0]), rtol=1e-4, atol=1e-5
        )
    np.testing.assert_allclose(model.compute_loss(batch), model.compute_loss(rows), rtol=1e-5)


def test_gradients_reach_every_weight(model):
    with tf.GradientTape() as tape:
        loss = model.compute_loss(_batch())
    for weights, gradient in zip(model.trainable_weights, tape.gradient(loss, model.trainable_weights), strict=True):
        assert gradient is not None, weights.name
        assert np.isfinite(tf.convert_to_tensor(gradient)).all(), weights.name
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, weights.name


def test_the_loss_against_numpy(model):
    """Full softmax (1,280 negatives of 40 items) over the best interest of each candidate."""
    if model.settings.negatives != "log_uniform":
        model = _model(model.settings.name, {"normalize": True, "temperature": 0.5})
    batch = _batch()
    encoding = model.encode_all_prefixes(batch)
    vectors = model.item_vectors().numpy()
    losses = []
    for row, position in zip(*np.nonzero(batch["targets"].numpy()), strict=True):
        target = int(batch["targets"][row, position]) - 1
        interests = encoding.interests[row, position].numpy()[encoding.interest_mask[row, position].numpy()]
        if model.settings.read_out == "hard":
            interests = interests[[np.argmax(interests @ vectors[target])]]
        scores = (interests @ vectors.T).max(axis=0)
        scores = scores / model.settings.temperature
        losses.append(np.log(np.exp(scores - scores.max()).sum()) + scores.max() - scores[target])
    np.testing.assert_allclose(model.compute_loss(batch), np.mean(losses), rtol=1e-4)


def test_an_empty_history_is_finite(model):
    batch = {name: tf.zeros_like(value) for name, value in _batch().items()}
    encoding = model.encode_last(batch)
    assert np.isfinite(encoding.interests).all()
    np.testing.assert_array_equal(encoding.attribution, np.zeros_like(encoding.attribution))
    assert float(model.compute_loss(batch)) == 0


@pytest.mark.parametrize("name", registry.names())
def test_one_interest(name):
    encoding = _model(name, {}, num_interests=1).encode_last(_batch())
    assert encoding.interests.shape == (B, 1, 1, 6)


@pytest.mark.parametrize("name", registry.names())
def test_descriptions(name):
    assert registry.describe(name) and registry.get(name).paper

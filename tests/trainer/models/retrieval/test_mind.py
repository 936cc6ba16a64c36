import numpy as np
import pytest
import tensorflow as tf

from trainer.data.catalogue import Catalogue
from trainer.models import registry

N, T = 30, 8
CATALOGUE = Catalogue([b"%d" % item for item in range(N)], np.arange(N, 0, -1), np.zeros((N, 0), np.int32), [])
RANDOM = np.random.default_rng(0)
LENGTHS = [8, 3]
MASK = np.array([[1] * n + [0] * (T - n) for n in LENGTHS])
BATCH = {
    "history": tf.constant(RANDOM.integers(1, N + 1, size=(2, T)) * MASK, tf.int64),
    "history_mask": tf.constant(MASK, tf.int64),
    "history_gap": tf.zeros([2, T]),
    "targets": tf.constant(RANDOM.integers(1, N + 1, size=(2, T)) * MASK, tf.int64),
    "user_age": tf.constant([[0.5], [-1.0]]),
}
AS_PUBLISHED = {
    **{"read_out": "soft", "recency": False, "dropout": 0.0, "relu_layers": [7], "identity_start": False},
    **{"normalize": False, "temperature": 1.0, "routing_temperature": None, "squash_power": 1.0},
}


def _model(seed=1, **options):
    settings = registry.settings_class("mind")(name="mind", dimension=6, num_interests=3, **options)
    model = registry.get("mind")(settings, CATALOGUE, T, {"user_age": None}, seed=seed)
    model.compute_loss(BATCH)
    return model


def test_as_published_the_profile_joins_every_capsule_before_relu():
    model = _model(**AS_PUBLISHED)
    assert model.recency is None
    assert np.abs(model.capsules.bilinear - np.eye(6)).max() > 0.1
    for weights in model.trainable_weights:
        weights.assign(RANDOM.normal(size=weights.shape))
    with tf.GradientTape() as tape:
        loss = model.compute_loss(BATCH)
    for gradient in tape.gradient(loss, model.trainable_weights):
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0
    encoding = model.encode_last(BATCH)
    np.testing.assert_array_equal(encoding.interest_mask[:, 0], [[True, True, True], [True, False, False]])
    items = model.item_tower(tf.maximum(BATCH["history"] - 1, 0))
    capsules = model.capsules(items, BATCH["history_mask"], tf.constant([[7], [2]]))[0].numpy()
    w1, b1, w2, b2 = model.projection.get_weights()
    for row in range(2):
        for k in range(3):
            joined = np.concatenate([capsules[row, 0, k], BATCH["user_age"][row]])
            expected = np.maximum(np.maximum(joined @ w1 + b1, 0) @ w2 + b2, 0)
            np.testing.assert_allclose(encoding.interests[row, 0, k], expected, rtol=1e-4, atol=1e-4)


def test_by_default_votes_start_as_the_item_vectors():
    np.testing.assert_array_equal(_model().capsules.bilinear, np.eye(6))


def test_the_fixed_logits_are_saved_and_not_drawn_again(tmp_path):
    """A model of another seed answers as the saved one does once it has the saved one's weights."""
    saved, other = _model(seed=1), _model(seed=2)
    path = tf.train.Checkpoint(model=saved).save(str(tmp_path / "weights"))
    before = other.encode_last(BATCH).interests
    tf.train.Checkpoint(model=other).restore(path).assert_consumed()
    expected = saved.encode_last(BATCH).interests
    assert np.abs(before - expected).max() > 1e-6
    np.testing.assert_allclose(other.encode_last(BATCH).interests, expected, rtol=1e-6)
    assert not any("routing_logits" in weights.name for weights in saved.trainable_weights)


def test_always_all_interests():
    assert np.all(_model(dynamic_interests=False).encode_last(BATCH).interest_mask)


RELEASED = {
    "normalize": False,
    "temperature": 1.0,
    "squash_power": 1.0,
    "routing_temperature": None,
    "read_out": "hard",
    "dynamic_interests": False,
    "recency": False,
    "dropout": 0.0,
    "identity_start": False,
    "vote_bias": True,
}
"""MIND as ComiRec's released code has it."""


def _released_interests(model, items, relu):
    """One history [n, D] in NumPy: votes with a bias, always K capsules, one ReLU layer behind them or none."""
    matrix, offset = model.capsules.bilinear.numpy(), model.capsules.bias.numpy()
    logits = model.capsules.routing_logits.numpy()[:, : len(items)].astype(float)
    votes = items @ matrix.T + offset
    for turn in range(3):
        share = np.exp(logits) / np.exp(logits).sum(axis=0)
        sums = share @ votes
        square = (sums**2).sum(axis=1, keepdims=True)
        capsules = square / (1 + square) / np.sqrt(square + 1e-9) * sums
        if turn < 2:
            logits = logits + capsules @ votes.T
    if not relu:
        return capsules
    kernel, bias = model.projection.get_weights()
    return np.maximum(capsules @ kernel + bias, 0)


@pytest.mark.parametrize("relu", [True, False], ids=["books", "taobao"])
def test_as_released_with_comirec(relu):
    layer = {"relu_projection": True} if relu else {"residual_projection": False}
    settings = registry.settings_class("mind")(name="mind", dimension=6, num_interests=3, **RELEASED, **layer)
    model = registry.get("mind")(settings, CATALOGUE, T, {}, seed=1)
    model.compute_loss(BATCH)
    assert (model.projection is None) is not relu
    assert np.abs(model.capsules.bias).max() > 0
    for weights in model.trainable_weights:
        weights.assign(RANDOM.normal(size=weights.shape))
    encoding = model.encode_last(BATCH)
    assert encoding.interest_mask.numpy().all()
    table = model.item_tower.embeddings.numpy()
    for row, length in enumerate(LENGTHS):
        items = table[BATCH["history"][row, :length].numpy() - 1]
        expected = _released_interests(model, items, relu)
        np.testing.assert_allclose(encoding.interests[row, 0], expected, rtol=1e-4, atol=1e-5)

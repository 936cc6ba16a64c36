import logging

import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from trainer.data.catalogue import Catalogue
from trainer.models import registry
from trainer.models.retrieval.shrinkage import ShrinkageSettings

N, T, D, K = 60, 8, 6, 4
CATALOGUE = Catalogue([b"%d" % item for item in range(N)], np.arange(N, 0, -1), np.zeros((N, 0), np.int32), [])
RANDOM = np.random.default_rng(0)
LENGTHS = [8, 3, 1]
MASK = np.array([[1] * n + [0] * (T - n) for n in LENGTHS])
BATCH = {
    "history": tf.constant(RANDOM.integers(1, N + 1, size=(3, T)) * MASK, tf.int64),
    "history_mask": tf.constant(MASK, tf.int64),
    "history_gap": tf.zeros([3, T]),
    "targets": tf.constant(RANDOM.integers(1, N + 1, size=(3, T)) * MASK, tf.int64),
}


def _model(name="shrinkage", negatives=1280, **options):
    options = {**({"prior": True} if name == "shrinkage" else {}), **options}
    settings = registry.settings_class(name)(name=name, dimension=D, normalize=True, **options)
    model = registry.get(name)(settings, CATALOGUE, T, {}, num_negatives=negatives, seed=1)
    model.compute_loss(BATCH)
    random = np.random.default_rng(7)
    for weights in model.trainable_weights:
        weights.assign_add(random.normal(scale=0.2, size=weights.shape))
    return model


def test_a_share_of_zero_is_the_single_vector_of_two_tower():
    model, tower = _model(share=0.0, temperature=0.2), _model("two_tower", temperature=0.2)
    tower.item_tower.embeddings.assign(model.item_tower.embeddings)
    tower.recency.distance.assign(model.recency.distance)
    for ours, theirs in zip(model.projection.weights, tower.projection.weights, strict=True):
        theirs.assign(ours)
    encoding, expected = model.encode_last(BATCH), tower.encode_last(BATCH)
    np.testing.assert_array_equal(encoding.interest_mask[:, 0], [[1, 0, 0, 0]] * 3)
    np.testing.assert_allclose(encoding.interests[:, 0, 0, :D], expected.interests[:, 0, 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(encoding.interests[:, 0, 0, D], [0, 0, 0])
    np.testing.assert_allclose(encoding.attribution[:, 0, 0], expected.attribution[:, 0, 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.compute_loss(BATCH), tower.compute_loss(BATCH), rtol=1e-5)


def test_scores_are_a_mixture_of_cosines_by_mass():
    """The prior's weights of a user's interests sum to one, and items answer it with a 1."""
    model = _model(temperature=0.2)
    encoding = model.encode_last(BATCH)
    interests, active = encoding.interests[:, 0].numpy(), encoding.interest_mask[:, 0].numpy()
    np.testing.assert_allclose(np.linalg.norm(interests[..., :D], axis=2)[active], 1, rtol=1e-5)
    masses = np.where(active, np.exp(interests[..., D] / 0.2), 0)
    np.testing.assert_allclose(masses.sum(axis=1), [1, 1, 1], rtol=1e-5)
    assert active.sum(axis=1).tolist() == [4, 3, 1]
    vectors = model.item_vectors().numpy()
    np.testing.assert_allclose(np.linalg.norm(vectors[:, :D], axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(vectors[:, D], np.ones(N))
    assert _model(prior=False).item_vectors().shape == (N, D)


def test_the_number_of_interests_is_no_weight():
    """A model of two serves the first two groups of one of four with the same weights."""
    four, two = _model(num_interests=4), _model(num_interests=2)
    for ours, theirs in zip(four.trainable_weights, two.trainable_weights, strict=True):
        theirs.assign(ours)
    four.number.assign(2)
    several, pair = four.encode_last(BATCH), two.encode_last(BATCH)
    np.testing.assert_array_equal(several.interest_mask[:, 0], [[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0]])
    np.testing.assert_allclose(several.interests[:, 0, :2], pair.interests[:, 0], rtol=1e-5, atol=1e-6)


def test_without_the_shared_vector_an_interest_is_its_group_alone():
    """Where all items of a group are one item, the interest is that item's own vector, projected; no share is tried."""
    model = _model(shared_vector=False, share=0.0, recency=False)
    alike = {**BATCH, "history": tf.ones_like(BATCH["history"]) * tf.cast(BATCH["history_mask"], tf.int64) * 9}
    encoding = model.encode_last(alike)
    np.testing.assert_array_equal(encoding.interest_mask[:, 0], [[1, 0, 0, 0]] * 3)
    item = model.item_tower(tf.constant([[8]]))[:, :, tf.newaxis]
    projected = model.local(item).numpy()[0, 0]
    expected = np.repeat(projected / np.linalg.norm(projected), 3, axis=0)
    np.testing.assert_allclose(encoding.interests[:, 0, 0, :D], expected, rtol=1e-4, atol=1e-5)
    assert model.encode_last(BATCH).interest_mask[:, 0].numpy().sum(axis=1).tolist() == [4, 3, 1]
    judge = _Judge(model, {(0.0, 2): 0.3})
    assert model.choose_after_training(judge, 10, "Recall@50") == {"share": 0.0, "interests": 2}
    assert judge.asked == [(0.0, 1), (0.0, 2), (0.0, 4)]


def test_training_draws_a_share_for_each_user():
    """From 0 to 1; and 0 for the users who are trained with a single vector."""
    model, fixed = _model(), _model(random_share=False, share=0.3)
    drawn = model._share(tf.constant(4000), training=True).numpy().ravel()
    assert 0 <= drawn.min() < 0.01 and 0.99 < drawn.max() < 1 and abs(drawn.mean() - 0.5) < 0.03
    assert fixed._share(tf.constant(5), training=True).numpy().ravel() == pytest.approx([0.3])
    plain = _model(plain_users=0.25)._share(tf.constant(4000), training=True).numpy().ravel()
    assert abs((plain == 0).mean() - 0.25) < 0.04
    served = model._share(tf.constant(4), training=False).numpy().ravel()
    assert served == pytest.approx([0.5])


def test_negatives_are_split_where_they_are_a_sample():
    """On average over many draws the loss of parts is that of all, but for the noise of the sums."""
    options = {"negatives": 32, "temperature": 1.0}
    split, shared = _model(**options), _model(**options, split_negatives=False)
    for ours, theirs in zip(split.trainable_weights, shared.trainable_weights, strict=True):
        theirs.assign(ours)
    of_parts, of_all = (np.mean([float(model.compute_loss(BATCH)) for _ in range(100)]) for model in (split, shared))
    assert of_parts == pytest.approx(of_all, rel=0.03)
    # Too few to be split.
    few = _model(negatives=7)
    assert np.isfinite(few.compute_loss(BATCH))


class _Judge:
    """Says of a model what a table says of its share and number."""

    def __init__(self, model, values):
        self.model, self.values, self.asked = model, values, []

    def __call__(self):
        self.asked.append((float(self.model.share), int(self.model.number)))
        return self.values.get(self.asked[-1], 0.0)


@pytest.mark.parametrize(
    ("values", "chosen", "served"),
    [
        ({(0.0, 4): 0.1, (0.5, 4): 0.3, (1.0, 4): 0.2, (0.5, 2): 0.4}, {"share": 0.5, "interests": 2}, 2),
        ({(0.0, 4): 0.1, (0.5, 4): 0.1, (1.0, 4): 0.2, (1.0, 2): 0.2}, {"share": 1.0, "interests": 2}, 2),
        ({(0.0, 4): 0.3, (0.5, 4): 0.3, (1.0, 4): 0.2}, {"share": 0.0, "interests": 1}, 1),
    ],
)
def test_choosing_after_training(values, chosen, served, caplog):
    model = _model()
    judge = _Judge(model, values)
    with caplog.at_level(logging.INFO, "polyrec.progress"):
        assert model.choose_after_training(judge, 1234, "Recall@50") == chosen
    assert judge.asked[:3] == [(0.0, 4), (0.5, 4), (1.0, 4)]
    assert model.encode_last(BATCH).interest_mask[0, 0].numpy().sum() == served
    assert f"share {chosen['share']:g} chosen on 1,234 validation users: Recall@50" in caplog.text


def test_nothing_to_choose():
    def never():
        raise AssertionError

    assert _model(choose=False).choose_after_training(never, 1, "") == {}
    assert _model(num_interests=1).choose_after_training(never, 1, "") == {}


@pytest.mark.parametrize("wrong", [{"normalize": False}, {"share": 1.5}, {"plain_users": 1.0}])
def test_settings_that_make_no_sense(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        ShrinkageSettings(**wrong)

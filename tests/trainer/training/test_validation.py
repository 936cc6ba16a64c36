"""What training watches: the same however the vectors are made, and nothing for a model without an opinion."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from tests.conformance import profile_models
from tests.conformance.models import N, batch, built
from trainer.metrics import table
from trainer.metrics.table import OVERLAP
from trainer.models import registry
from trainer.training.tag_profile_validation import ProfileValidator
from trainer.training.validation import Validator


@pytest.mark.parametrize("name", ["comirec_sa", "miracle"])
def test_item_vectors_computed_chunk_by_chunk_give_the_metrics_of_kept_ones(name):
    model = built(name, "default")
    batches = [batch(seed) for seed in range(4)]
    kept = Validator(model, (5, 20)).evaluate(batches)
    assert 0 < kept["recall_at_20"] < 1
    assert Validator(model, (5, 20), most_kept=0).evaluate(batches) == pytest.approx(kept, rel=1e-6)


@pytest.mark.parametrize("name", registry.names("retrieval"))
def test_what_is_watched_is_by_the_ranking_that_is_served(name):
    """Against NumPy, with log-sum-exp over the active interests at the loss's temperature."""
    model = built(name, "log_sum_exp")
    several = model.served_interests > 1
    assert model.ranking_temperature == (model.settings.temperature if several else None)
    batches = [batch(seed) for seed in range(4)]
    found = Validator(model, (5, 20)).evaluate(batches)
    hits, tau = {5: [], 20: []}, float(model.settings.temperature)
    for users in batches:
        encoding, targets = model.encode_last(users), users["targets"].numpy()
        for interests, active, wanted in zip(
            encoding.interests[:, 0].numpy(), encoding.interest_mask[:, 0].numpy(), targets, strict=True
        ):
            scores = interests[active].astype(np.float64) @ model.item_vectors().numpy().T
            ranked = np.argsort(-np.log(np.exp(scores / tau).sum(axis=0)))
            # As items: 0, which pads targets here, is the most frequent one.
            for n, values in hits.items():
                values.append(np.isin(np.unique(wanted), ranked[:n]).mean())
    for n, values in hits.items():
        assert found[f"recall_at_{n}"] == pytest.approx(np.mean(values), abs=1e-6)
    plain = Validator(built(name, "default"), (5, 20)).evaluate(batches)
    if not several:
        assert found == plain


def test_the_overlap_of_interests_is_watched_and_one_vector_has_none():
    found = Validator(built("comirec_sa", "default"), (5, 20)).evaluate([batch(seed) for seed in range(4)])
    assert found.keys() == {*(f"{name}_at_{n}" for name in ("recall", "hit_rate", "ndcg") for n in (5, 20)), OVERLAP}
    assert 0 < found[OVERLAP] <= 1
    assert OVERLAP not in Validator(built("two_tower", "default"), (5, 20)).evaluate([batch()])


def test_what_the_users_of_all_batches_are_shown_is_watched(monkeypatch):
    """At the cut-offs of the table, which is made to have 5 here, against NumPy."""
    monkeypatch.setattr(table, "TABLE", tuple(replace(m, cutoffs=(5,)) if m.combine else m for m in table.TABLE))
    model, batches = built("two_tower", "default"), [batch(seed) for seed in range(4)]
    found, shown = Validator(model, (5,)).evaluate(batches), []
    for users in batches:
        scores = model.encode_last(users).interests[:, 0, 0].numpy() @ model.item_vectors().numpy().T
        shown += np.argsort(-scores)[:, :5].ravel().tolist()
    counts = np.sort(np.bincount(shown, minlength=N)).tolist()
    pairs = sum(abs(a - b) for a in counts for b in counts) / (N * (N - 1))
    assert 0 < found["coverage_at_5"] == pytest.approx(len(set(shown)) / N)
    assert found["gini_at_5"] == pytest.approx(pairs / (2 * np.mean(counts)))


def test_interests_that_give_one_list_overlap_wholly(monkeypatch):
    model = built("comirec_sa", "default")
    encode = model.encode_last
    first = lambda encoding: tf.repeat(encoding.interests[:, :, :1], encoding.interests.shape[2], axis=2)  # noqa: E731
    monkeypatch.setattr(model, "encode_last", lambda users: (e := encode(users))._replace(interests=first(e)))
    assert Validator(model, (5,)).evaluate([batch()])[OVERLAP] == 1.0


@pytest.fixture
def flat(request, monkeypatch):
    """A model that gives every item one vector."""
    model = built("comirec_sa", "default", request.param)
    monkeypatch.setattr(model, "candidates", lambda items: tf.ones([tf.size(items), model.settings.dimension]))
    return model


@pytest.mark.parametrize("flat", ["none", "bfloat16", "float16"], indirect=True)
@pytest.mark.parametrize("most_kept", [0, 1 << 24])
def test_a_model_whose_scores_are_all_alike_scores_like_chance(flat, most_kept):
    """The targets are the most frequent items; of N items each list has 5 or 20."""
    users = {**batch(), "targets": tf.constant([[0, 1, 2], [1, 0, -1], [2, -1, -1]], tf.int64)}
    found = Validator(flat, (5, 20), most_kept).evaluate([users])
    assert found["recall_at_5"] == pytest.approx(5 / N) and found["recall_at_20"] == pytest.approx(20 / N)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_model_that_cannot_be_computed_finds_nothing(monkeypatch, bad):
    model = built("two_tower", "default")
    monkeypatch.setattr(model, "candidates", lambda items: tf.fill([tf.size(items), model.settings.dimension], bad))
    assert set(Validator(model, (5, 20)).evaluate([batch()]).values()) == {0.0}


def _impressions(logits):
    """A validator of a model of two tasks with these logits, and four impressions."""
    model = profile_models.built("utpm")
    ones = tf.ones([4, 1])
    labels = {"label_click": tf.constant([[1.0], [1.0], [0.0], [0.0]]), "label_conversion": 0 * ones}
    return model, {**labels, "weight_click": ones, "weight_conversion": ones, "logits": tf.constant(logits)}


def _auc(monkeypatch, logits):
    model, impressions = _impressions([[[value] * 2] for value in logits])
    monkeypatch.setattr(model, "logits", lambda batch: batch["logits"])
    return ProfileValidator(model).evaluate([impressions])


def test_equal_logits_are_half_in_order(monkeypatch):
    assert _auc(monkeypatch, [0.3] * 4) == {"auc_click": 0.5, "auc": 0.5}
    assert _auc(monkeypatch, [2.0, 1.0, 1.0, 0.0])["auc"] == 3.5 / 4


def test_logits_that_are_not_numbers_are_refused(monkeypatch):
    with pytest.raises(FloatingPointError, match="2 of the model's 4 logits for the task 'click'"):
        _auc(monkeypatch, [1.0, np.nan, np.nan, 0.0])

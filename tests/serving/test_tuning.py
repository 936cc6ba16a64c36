"""The sizes that are found for users: against NumPy, and in a bundle."""

import numpy as np
import pytest
import tensorflow as tf

from serving import manifest
from serving.bundle import build_bundle
from serving.index import ExactIndex
from serving.index import tuning as tuning_module
from serving.index.scann import ScannIndex
from serving.index.tuning import tune
from serving.raw_users import RawUser, as_tensors
from serving.settings import IndexSettings, ServingSettings
from tests.serving.toy_bundle import toy_bundle
from tests.serving.toy_model import ITEM_IDS, restated_encode
from trainer.errors import InputError

K = 20


@pytest.fixture(scope="module")
def users():
    rng = np.random.default_rng(2)
    mask = rng.random((50, 3)) < 0.7
    mask[:, 0] = True
    return rng.normal(size=(50, 3, 16)).astype(np.float32), mask


@pytest.fixture(scope="module")
def vectors():
    return np.random.default_rng(1).normal(size=(3000, 16)).astype(np.float32)


def recall(index, vectors, users):
    interests, mask = users
    found = index.search(interests, mask, K).indices.numpy()
    scores = np.where(mask[:, :, np.newaxis], interests @ vectors.T, -np.inf).max(axis=1)
    best = np.argsort(-scores, axis=1)[:, :K]
    return np.mean([np.isin(row, given).mean() for row, given in zip(best, found, strict=True)])


def test_the_cheapest_sizes_that_reach_the_recall(vectors, users):
    index = ScannIndex(vectors, IndexSettings(num_leaves=60, leaves_to_search=1))
    assert recall(index, vectors, users) < 0.9
    trials, chosen = tune(index, ExactIndex(vectors), *users, K, 0.95)
    assert chosen.reaches
    assert (index.sizes.leaves_to_search, index.sizes.reorder) == (chosen.leaves_to_search, chosen.reorder)
    assert recall(index, vectors, users) == pytest.approx(chosen.recall)
    assert chosen.recall >= 0.95
    fewer = [t for t in trials if t.reorder == chosen.reorder and t.leaves_to_search < chosen.leaves_to_search]
    assert fewer and all(trial.recall < 0.95 for trial in fewer)
    # Cheaper: fewer items are scored, hashed ones and, at 120 times the price, exactly.
    cost = {t: t.leaves_to_search * 3000 / 60 + 120 * t.reorder for t in trials if t.recall >= 0.95}
    assert cost[chosen] == min(cost.values())


def test_without_a_setting_that_reaches_it_the_best_is_taken(vectors, users, monkeypatch):
    monkeypatch.setattr(tuning_module, "_FRACTIONS", (0.02, 0.04))
    index = ScannIndex(vectors, IndexSettings(num_leaves=60))
    trials, chosen = tune(index, ExactIndex(vectors), *users, K, 1.0)
    assert not chosen.reaches and len(trials) == 2 * 4
    assert chosen.recall == max(trial.recall for trial in trials)


def test_a_bundle_that_is_tuned_for_users(tmp_path, caplog):
    rng = np.random.default_rng(3)
    users = [RawUser([ITEM_IDS[row] for row in rng.integers(0, 299, 4)], [1, 2, 3, 4]) for _ in range(60)]
    toy = toy_bundle()
    bundle = tmp_path / "bundle"
    few = {"kind": "scann", "num_leaves": 100, "leaves_to_search": 1, "max_k": 100}
    with caplog.at_level("INFO", "polyrec.progress"):
        build_bundle(
            toy.model_dir, str(bundle), IndexSettings(**few, target_recall=0.97), ServingSettings(default_k=10), users
        )
    assert "of 100 leaves searched" in caplog.text and "recall@10" in caplog.text and "on 60 users" in caplog.text
    history, times, _ = as_tensors(users, {})
    served = tf.saved_model.load(str(bundle / manifest.SCANN_MODEL)).signatures["recommend"](
        history=history, history_time=times, exclude=tf.fill([60, 0], ""), exclude_history=tf.constant(False),
        k=tf.constant(10), diversity=tf.constant(0.0), allow=tf.constant([[""]]), deny=tf.constant([[""]]),
    )["item_ids"].numpy()  # fmt: skip
    recalls = []
    for user, given in zip(users, served, strict=True):
        interests, active, _ = restated_encode(user.history, toy.vectors)
        best = np.argsort(-(interests[active] @ toy.vectors.T).max(axis=0), kind="stable")[:10]
        recalls.append(np.isin([ITEM_IDS[row].encode() for row in best], given).mean())
    assert np.mean(recalls) >= 0.97


def test_a_target_without_users_is_refused(tmp_path):
    settings = IndexSettings(num_leaves=10, target_recall=0.9)
    with pytest.raises(InputError, match="index.target_recall is 0.9, and there are no users"):
        build_bundle(toy_bundle().model_dir, str(tmp_path / "bundle"), settings, ServingSettings())
    assert not list(tmp_path.iterdir())

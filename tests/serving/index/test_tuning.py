"""The sizes that are found for users: against NumPy, and in a bundle."""

import re

import numpy as np
import pytest
import tensorflow as tf

from serving.bundle import manifest
from serving.index import ExactIndex
from serving.index import tuning as tuning_module
from serving.index.scann import ScannIndex
from serving.index.tuning import tune
from serving.publish.writer import build_bundle
from serving.settings import IndexSettings, ServingSettings
from serving.users import RawUser, as_tensors
from tests.serving import toy_profile as profile
from tests.serving.toy_bundle import recalls as bundled_recalls
from tests.serving.toy_bundle import toy_bundle
from tests.serving.toy_model import ITEM_IDS
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


def recalls(index, vectors, users):
    interests, mask = users
    found = index.search(interests, mask, K).indices.numpy()
    scores = np.where(mask[:, :, np.newaxis], interests @ vectors.T, -np.inf).max(axis=1)
    best = np.argsort(-scores, axis=1)[:, :K]
    return np.array([np.isin(row, given).mean() for row, given in zip(best, found, strict=True)])


def test_the_cheapest_sizes_that_reach_the_recall(vectors, users):
    index = ScannIndex(vectors, IndexSettings(num_leaves=60, leaves_to_search=1))
    assert recalls(index, vectors, users).mean() < 0.9
    trials, chosen = tune(index, ExactIndex(vectors), *users, K, 0.95)
    assert chosen.reaches
    assert (index.sizes.leaves_to_search, index.sizes.reorder) == (chosen.leaves_to_search, chosen.reorder)
    found = recalls(index, vectors, users)
    assert found.mean() == pytest.approx(chosen.recall)
    # With a standard error to spare.
    assert found.mean() - found.std() / len(found) ** 0.5 >= 0.95
    fewer = [t for t in trials if t.reorder == chosen.reorder and t.leaves_to_search < chosen.leaves_to_search]
    assert fewer and not any(trial.reaches for trial in fewer)
    # Cheaper: fewer items are scored, hashed ones and, at 40 times the price, more precisely.
    cost = {t: t.leaves_to_search * 3000 / 60 + 40 * t.reorder for t in trials if t.reaches}
    assert cost[chosen] == min(cost.values())
    # A list of 20 takes three leaves of 50 at least, and no number of leaves is looked at twice.
    assert min(t.leaves_to_search for t in trials) == 3
    assert len({(t.leaves_to_search, t.reorder) for t in trials}) == len(trials) < 25


def test_without_a_setting_that_reaches_it_the_best_is_taken(vectors, users, monkeypatch):
    monkeypatch.setattr(tuning_module, "_REORDERED", (1,))
    index = ScannIndex(vectors, IndexSettings(num_leaves=60))
    trials, chosen = tune(index, ExactIndex(vectors), *users, K, 1.0)
    assert not chosen.reaches and [t.leaves_to_search for t in trials] == [3, 6, 12, 24, 48, 60]
    assert chosen.recall == max(trial.recall for trial in trials) < 1.0


def test_a_bundle_that_is_tuned_for_users(tmp_path, caplog):
    rng = np.random.default_rng(3)
    users = [RawUser([ITEM_IDS[row] for row in rng.integers(0, 299, 4)], [1, 2, 3, 4]) for _ in range(60)]
    toy = toy_bundle()
    bundle = tmp_path / "bundle"
    few = {"kind": "scann", "num_leaves": 25, "leaves_to_search": 1, "max_k": 100}
    with caplog.at_level("INFO", "polyrec.progress"):
        build_bundle(
            toy.model_dir, str(bundle), IndexSettings(**few, target_recall=0.97), ServingSettings(default_k=10), users
        )
    assert "of 25 leaves searched" in caplog.text and "recall@10" in caplog.text and "on 60 users" in caplog.text
    assert np.mean(bundled_recalls(bundle / manifest.SCANN_MODEL, users, toy.vectors, 10)) >= 0.97


def test_an_index_of_each_task_is_tuned_for_profiles(tmp_path, caplog):
    rng = np.random.default_rng(4)
    users = [
        RawUser([profile.ITEMS[row] for row in rng.integers(0, 40, 3)], [1, 2, 3], {"city": ["here"], "age": [30.0]})
        for _ in range(60)
    ]
    profile.save_toy_profile(tmp_path / "trained")
    index = IndexSettings(num_leaves=25, leaves_to_search=1, reorder=10, max_k=100, target_recall=0.97)
    with caplog.at_level("INFO", "polyrec.progress"):
        build_bundle(str(tmp_path / "trained"), str(tmp_path / "bundle"), index, ServingSettings(default_k=10), users)
    history, times, features = as_tensors(users, profile.USER_FEATURES)
    asked = {f"user_{name}": values for name, values in features.items()}
    model = tf.saved_model.load(str(tmp_path / "bundle" / manifest.SCANN_MODEL))
    served = model.signatures["tag_profile"](history=history, history_time=times, k=tf.constant(10), **asked)
    tags = served["tags"].numpy()
    for task in range(2):
        parts = []
        for user, given in zip(users, tags, strict=True):
            best = np.argsort(-profile.restated_scores(user.history, ["here"], 30.0)[task])[:10]
            parts.append(np.isin([profile.TAGS[row].encode() for row in best], given[task]).mean())
        assert np.mean(parts) >= 0.97
    # Without tuning eight leaves would be searched for ten tags, which finds .91 of them.
    leaves = [int(number) for number in re.findall(r"(\d+) of 25 leaves searched.*recall@10", caplog.text)]
    assert len(leaves) == 2 and min(leaves) > 8


def test_a_target_without_users_is_refused(tmp_path):
    settings = IndexSettings(num_leaves=10, target_recall=0.9)
    with pytest.raises(InputError, match=r"index.target_recall is 0.9, and there are no users"):
        build_bundle(toy_bundle().model_dir, str(tmp_path / "bundle"), settings, ServingSettings())
    assert not list(tmp_path.iterdir())

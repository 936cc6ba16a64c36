"""A bundle that ranks by log-sum-exp over interests, against NumPy: lists, scores, filters, validation, refresh."""

import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from serving.bundle import manifest
from serving.publish.pushed_model import read_pushed, save_changed
from serving.publish.writer import build_bundle
from serving.settings import IndexSettings, ServingSettings
from serving.validation.validate import validate
from tests.serving.publish.test_writer import HISTORIES, padded, recommend, texts
from tests.serving.toy_bundle import toy_bundle
from tests.serving.toy_model import ATTRIBUTES, ITEM_CATEGORY, ITEM_COUNTS, ITEM_IDS, restated_encode
from tests.serving.validation.test_validate import make_users

TAU = 2.0
SETTINGS = ServingSettings(default_k=7)


@pytest.fixture(scope="module", params=["stock", "scann"])
def served(request):
    directory = toy_bundle(ranking_temperature=TAU).directory
    loaded = tf.saved_model.load(os.path.join(directory, *([manifest.SCANN_MODEL] * (request.param == "scann"))))
    yield loaded.signatures
    del loaded


def by_interest(history):
    vectors = toy_bundle(ranking_temperature=TAU).vectors
    interests, mask, _ = restated_encode(history, vectors)
    return np.where(mask[:, np.newaxis], interests.astype(np.float64) @ vectors.T, -np.inf)


def merged(history):
    return TAU * np.log(np.exp(by_interest(history) / TAU).sum(axis=0))


@pytest.mark.parametrize("exclude_history", [False, True])
def test_the_best_items_of_all_interests_together(served, exclude_history):
    outputs = recommend(served, exclude=[["item-1"], [], [], []], exclude_history=exclude_history)
    for user in (0, 1):
        scores = merged(HISTORIES[user])
        out = {*(["item-1"] if user == 0 else []), *(HISTORIES[user] if exclude_history else [])}
        scores[[row for row, item in enumerate(ITEM_IDS) if item in out]] = -np.inf
        rows = np.argsort(-scores, kind="stable")[:10]
        assert texts(outputs["item_ids"])[user] == [ITEM_IDS[row] for row in rows]
        np.testing.assert_allclose(outputs["scores"][user], scores[rows], rtol=1e-5)
        np.testing.assert_array_equal(outputs["interest"][user], by_interest(HISTORIES[user])[:, rows].argmax(axis=0))
    # Of one known item one interest is active, and its own list is the answer.
    if not exclude_history:
        alone = np.sort(by_interest(HISTORIES[1])[0])[::-1][:10]
        np.testing.assert_allclose(outputs["scores"][1], alone, rtol=1e-5)
    plain = np.argsort(-by_interest(HISTORIES[0]).max(axis=0), kind="stable")[:10]
    assert not exclude_history or texts(outputs["item_ids"])[0] != [ITEM_IDS[row] for row in plain]


def test_users_of_whom_no_item_is_known_get_the_popular_items(served):
    outputs = recommend(served, k=4)
    assert outputs["fallback"].tolist() == [False, False, True, True]
    assert texts(outputs["item_ids"])[2:] == [ITEM_IDS[:4]] * 2
    np.testing.assert_array_equal(outputs["scores"][2], ITEM_COUNTS[:4])


def test_a_filter_and_diversity_work_on_the_same_scores(served):
    history = padded(HISTORIES[:1])
    options = {
        "history": history, "history_time": tf.zeros(history.shape, tf.int64), "exclude": tf.fill([1, 0], ""),
        "exclude_history": tf.constant(False), "k": tf.constant(12), "deny": tf.constant([[""]]),
        "allow": tf.constant([["colour=blue"]]),
    }  # fmt: skip
    scores = merged(HISTORIES[0])
    scores[[row for row, values in enumerate(ATTRIBUTES) if "colour=blue" not in values]] = -np.inf
    answer = served["recommend"](diversity=tf.constant(0.0), **options)
    best = np.argsort(-scores, kind="stable")
    assert texts(answer["item_ids"].numpy())[0] == [ITEM_IDS[row] for row in best[:12]]
    # Greedy, by the score less 0.5 for each item of the category that was taken before; the pool is all that is left.
    left, taken = best[: np.isfinite(scores).sum()].tolist(), []
    while len(taken) < 12:
        costs = [scores[row] - 0.5 * sum(ITEM_CATEGORY[row] == ITEM_CATEGORY[other] for other in taken) for row in left]
        taken.append(left.pop(int(np.argmax(costs))))
    answer = served["recommend"](diversity=tf.constant(0.5), **options)
    assert texts(answer["item_ids"].numpy())[0] == [ITEM_IDS[row] for row in taken]


def test_the_gate_holds_the_bundle_against_the_trained_ranking(tmp_path):
    smooth, plain = toy_bundle(ranking_temperature=TAU), toy_bundle()
    report = validate(smooth.model_dir, smooth.directory, make_users(), SETTINGS)
    assert report.blessed, report.reason
    values = {check.name: check.value for check in report.checks}
    assert values["scores"] < 1e-5 and values["stock"] == 1.0
    report = validate(smooth.model_dir, plain.directory, make_users(), SETTINGS)
    assert {"scores", "recall", "stock"} <= {check.name for check in report.checks if not check.passed}


def test_the_ranking_is_stated_and_outlives_a_change_of_items(tmp_path):
    toy = toy_bundle(ranking_temperature=TAU)
    stated = manifest.verify(toy.directory)
    assert stated.ranking_temperature == TAU
    assert manifest.verify(toy_bundle().directory).ranking_temperature is None
    assert stated.fingerprint.index != manifest.read(toy_bundle().directory).fingerprint.index
    shutil.copytree(toy.directory, tmp_path / "1")
    pushed = read_pushed(str(tmp_path / "1"))
    counts = {"added": 0, "removed": 0, "updated": 0, "by_text": 0, "by_category": 0, "by_vector": 0}
    made_from = manifest.MadeFrom(version="1", fingerprint=stated.fingerprint, **counts)
    save_changed(pushed, pushed.items, made_from, str(tmp_path / "model"))
    build_bundle(str(tmp_path / "model"), str(tmp_path / "bundle"), IndexSettings(kind="exact", max_k=400), SETTINGS)
    assert manifest.verify(tmp_path / "bundle").ranking_temperature == TAU
    before, after = (
        recommend(tf.saved_model.load(str(path)).signatures) for path in (toy.directory, tmp_path / "bundle")
    )
    np.testing.assert_array_equal(after["item_ids"], before["item_ids"])
    np.testing.assert_allclose(after["scores"], before["scores"], rtol=1e-5)

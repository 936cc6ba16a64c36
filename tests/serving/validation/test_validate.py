"""The gate lets a good bundle pass and names what is wrong with a bad one."""

import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from serving.bundle import manifest
from serving.index import scann
from serving.publish.writer import build_bundle
from serving.settings import IndexSettings, ServingSettings
from serving.users import RawUser, as_tensors, read_users
from serving.validation.expected import top_k_recall, worst_difference
from serving.validation.validate import validate
from tests.serving.toy_bundle import toy_bundle
from tests.serving.toy_model import CITIES, ITEM_IDS, ITEMS, USER_FEATURES, ToyModel

SETTINGS = ServingSettings(default_k=7)


def make_users(profile=False, count=20):
    rng = np.random.default_rng(5)
    users = []
    for _ in range(count):
        history = [ITEM_IDS[row] for row in rng.integers(0, ITEMS, rng.integers(1, 20))] + ["nowhere"]
        features = {"age": [float(rng.integers(20, 60))], "city": list(rng.permutation(CITIES))[:1]} if profile else {}
        users.append(RawUser(history, list(range(len(history))), features))
    return users


def failed(report):
    assert not report.blessed
    return {check.name for check in report.checks if not check.passed}


@pytest.mark.parametrize(("kind", "profile"), [("scann", False), ("exact", True)])
def test_a_good_bundle_is_blessed(kind, profile):
    bundle = toy_bundle(kind, profile)
    report = validate(bundle.model_dir, bundle.directory, make_users(profile), SETTINGS)
    assert report.blessed, report.reason
    assert report.reason == "All checks passed."
    names = [
        "server",
        "interests",
        "scores",
        "recall",
        "exclusion",
        "filters",
        "filtered_recall",
        "fallback",
        "latency",
        "stock",
    ]
    assert [check.name for check in report.checks] == names
    values = {check.name: check.value for check in report.checks}
    assert max(values["interests"], values["scores"]) < 1e-5
    assert values["stock"] == 1.0


def rewrite_manifest(directory):
    stated = manifest.read(directory).model_dump()
    del stated["format"], stated["files"]
    manifest.write(directory, user_features=stated.pop("inputs")["user_features"], **stated)


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(toy_bundle("exact", True).directory, tmp_path / "bundle")
    return tmp_path / "bundle"


def test_a_bundle_of_another_training_is_refused(tmp_path):
    bundle = toy_bundle("exact", True)
    model_dir = str(tmp_path / "model")
    shutil.copytree(bundle.model_dir, model_dir)
    other = ToyModel(bundle.vectors[::-1].copy(), USER_FEATURES)
    tf.saved_model.save(other, model_dir)
    report = validate(model_dir, bundle.directory, make_users(profile=True), SETTINGS)
    assert failed(report) == {"interests", "scores", "recall", "filtered_recall", "stock"}
    assert "Largest relative difference of a score" in report.reason


def test_an_index_that_finds_too_little_is_refused(tmp_path, monkeypatch):
    bundle = toy_bundle()
    monkeypatch.setattr(scann, "POINTS_PER_NEIGHBOUR", 0)
    poor = IndexSettings(num_leaves=100, leaves_to_search=1)
    build_bundle(bundle.model_dir, str(tmp_path / "bundle"), poor, SETTINGS)
    report = validate(bundle.model_dir, str(tmp_path / "bundle"), make_users(), SETTINGS)
    assert "recall" in failed(report)
    assert "that the scann index finds" in report.reason


def test_a_changed_file_is_refused(copy):
    with open(copy / "assets" / "item_ids.txt", "a") as file:
        file.write("one more\n")
    report = validate(toy_bundle("exact", True).model_dir, str(copy), make_users(True), SETTINGS)
    assert failed(report) == {"server"}
    assert "assets/item_ids.txt was changed" in report.reason


def test_a_model_that_the_server_cannot_load_is_refused_with_its_reason(copy):
    os.remove(copy / "variables" / "variables.index")
    rewrite_manifest(copy)
    report = validate(toy_bundle("exact", True).model_dir, str(copy), make_users(True), SETTINGS)
    assert failed(report) == {"server"}
    assert "version 1" in report.reason


def test_a_vocabulary_in_another_order_is_refused(copy):
    path = copy / "assets" / "item_ids.txt"
    lines = path.read_bytes().split(b"\n")[:-1]
    path.write_bytes(b"\n".join(lines[::-1]) + b"\n")
    rewrite_manifest(copy)
    # Only what is excluded is looked up in this file.
    report = validate(toy_bundle("exact", True).model_dir, str(copy), make_users(True), SETTINGS)
    assert failed(report) == {"exclusion"}


def test_a_slow_bundle_is_refused_when_there_is_a_limit():
    bundle = toy_bundle("exact", True)
    settings = ServingSettings(default_k=7, max_latency_ms=1e-6)
    report = validate(bundle.model_dir, bundle.directory, make_users(True, count=2), settings)
    assert failed(report) == {"latency"}


def test_without_users_there_is_nothing_to_say():
    report = validate(toy_bundle().model_dir, toy_bundle().directory, [], SETTINGS)
    assert failed(report) == {"users"}


def test_differences_are_relative_and_nan_is_infinite():
    assert worst_difference(0.0, np.array([1.0, 4.0]), np.array([2.0, 4.0])) == 0.25
    assert worst_difference(0.5, np.array([1.0]), np.array([1.0])) == 0.5
    assert worst_difference(0.0, np.array([np.nan]), np.array([1.0])) == np.inf
    assert worst_difference(0.0, np.array([]), np.array([])) == 0.0


def test_recall_lets_equal_scores_stand_for_each_other():
    scores = np.array([5.0, 4.0, 3.0, 3.0, 1.0])
    assert top_k_recall(np.array([0, 1, 3]), scores, 3, 1e-3) == 1.0
    assert top_k_recall(np.array([0, 1, 4]), scores, 3, 1e-3) == pytest.approx(2 / 3)
    assert top_k_recall(np.array([0, 0, -1]), scores, 3, 1e-3) == pytest.approx(1 / 3)
    assert top_k_recall(np.array([0, 1, 2, 3, 4]), scores, 9, 1e-3) == 1.0


def test_users_are_read_from_raw_examples(tmp_path):
    def example(history, times, city, age):
        result = tf.train.Example()
        feature = result.features.feature
        feature["history"].bytes_list.value.extend(history)
        feature["history_time"].int64_list.value.extend(times)
        feature["user_city"].bytes_list.value.extend(city)
        feature["user_age"].float_list.value.extend(age)
        return result.SerializeToString()

    path = str(tmp_path / "part.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        writer.write(example([b"a", "é".encode()], [3, 5], [b"here"], []))
        writer.write(example([], [], [], [1.0]))
        writer.write(example([b"b"], [], [], [2.0]))
        writer.write(example([b"c"], [1], [], [2.0]))
    users = read_users([path], USER_FEATURES, 2)
    assert users == [
        RawUser(["a", "é"], [3, 5], {"age": [], "city": ["here"]}),
        RawUser(["b"], [0], {"age": [2.0], "city": []}),
    ]
    history, times, profile = as_tensors(users, USER_FEATURES)
    assert history.numpy().tolist() == [[b"a", "é".encode()], [b"b", b""]]
    assert times.numpy().tolist() == [[3, 5], [0, 0]]
    assert profile["city"].numpy().tolist() == [[b"here"], [b""]]
    np.testing.assert_array_equal(profile["age"], [[np.nan], [2.0]])

"""Training with texts, and serving items that training never saw."""

import json
import string
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from serving.bundle.manifest import verify
from serving.publish.writer import build_bundle
from serving.settings import IndexSettings, ServingSettings
from tests.components.text.items import item_file
from tests.trainer.data.text_vectors_on_disk import write_text_vectors
from tests.trainer.transformed import raw, serialized, transform
from trainer.run_fn import run_fn

ITEMS = string.ascii_lowercase
MAX_HISTORY = 5
NEW = {"new of a": "a", "new of m": "m"}
RANDOM = np.random.default_rng(0)
VECTORS = {item: RANDOM.normal(size=12).tolist() for item in ITEMS if item != "z"}  # z has no text
VECTORS |= {new: VECTORS[like] for new, like in NEW.items()}


@pytest.fixture(scope="module")
def transformed(tmp_path_factory):
    rows = []
    for user in range(60):
        walk = "".join(ITEMS[(user + step) % len(ITEMS)] for step in range(7))
        rows.append(raw(str(user), walk[:-1], walk[1:]))
    return transform(tmp_path_factory.mktemp("log"), rows, [raw("v", "abcd", "ef")], MAX_HISTORY)


def fn_args(transformed, directory, texts, base=None, **model):
    """Arguments of a short training of a small model."""
    config = {
        "model": {"name": "miracle", "dimension": 8, "num_interests": 3, "experts": 2, **model},
        "training": {"batch_size": 16, "max_steps": 10, "evaluate_every": 10, "num_negatives": 10},
        "transform": {"max_history": MAX_HISTORY},
        "user_features": {},
        "item_files": [item_file(directory / "items.gz", [{"item_id": i, "category": [i]} for i in [*ITEMS, *NEW]])],
        "text_vectors": texts,
    }
    return SimpleNamespace(
        train_files=transformed.train_files,
        eval_files=transformed.valid_files,
        transform_output=str(transformed.output.transform_savedmodel_dir).rsplit("/", 1)[0],
        serving_model_dir=str(directory / "model"),
        model_run_dir=str(directory / "run"),
        base_model=base,
        custom_config=config,
    )


@pytest.fixture(scope="module")
def trained(transformed, tmp_path_factory):
    """Inductive: an item is its text."""
    directory = tmp_path_factory.mktemp("trained")
    run_fn(fn_args(transformed, directory, write_text_vectors(directory / "texts", VECTORS), item_ids=False))
    return directory, tf.saved_model.load(str(directory / "model"))


def _encode(model, history):
    return model.encode(tf.constant([list(history)]), tf.constant([list(range(len(history)))], tf.int64), {})


def test_new_items_come_behind_those_of_training(trained):
    directory, model = trained
    ids = model.item_ids.numpy().tolist()
    assert ids[-2:] == [b"new of a", b"new of m"] and sorted(ids[:-2]) == [item.encode() for item in ITEMS]
    counts = model.item_counts.numpy()
    assert (counts[-2:] == 0).all() and (np.diff(counts) <= 0).all()
    vectors = model.item_vectors.numpy()
    for new, like in NEW.items():
        np.testing.assert_allclose(vectors[ids.index(new.encode())], vectors[ids.index(like.encode())], rtol=1e-5)
    description = json.loads((directory / "model" / "assets.extra" / "model.json").read_text())
    assert (description["items"], description["items_trained_on"]) == (28, 26)
    assert description["text_encoder"] == "f" * 64


def test_a_new_item_in_a_history_counts_as_its_text(trained):
    _, model = trained
    known, new = _encode(model, ["k", "l", "m"]), _encode(model, ["k", "l", "new of m"])
    assert new["history"][0, 2] == 28 and known["history"][0, 2] <= 26
    np.testing.assert_allclose(new["interests"], known["interests"], rtol=1e-4, atol=1e-6)
    longer = _encode(model, ["a", "b", "c", "unknown", "k", "l", "new of m"])
    ids = model.item_ids.numpy().tolist()
    kept = [ids[row - 1].decode() for row in longer["history"][0]]
    assert kept == ["b", "c", "k", "l", "new of m"]  # the last T known ones


def test_a_new_item_can_be_hit(trained):
    _, model = trained
    row = {**raw("u", "klm", ""), "targets": [b"new of a"]}
    answers = model.evaluate(tf.constant(serialized([row, {**row, "targets": [b"unknown"]}])))
    np.testing.assert_array_equal(answers["recall_at_50"], [1, 0])  # of 28 items, all are among the 50
    row["history"] = [b"new of a"]
    answers = model.evaluate(tf.constant(serialized([{**row, "history_time": [1]}])))
    assert answers["recall_at_50_unseen"] == [0]  # it is in the history, and so taken out


def test_the_bundle_serves_new_items_and_names_the_text_encoder(trained, tmp_path):
    directory, _ = trained
    build_bundle(
        str(directory / "model"), str(tmp_path / "1"), IndexSettings(kind="exact", max_k=50), ServingSettings()
    )
    stated = verify(tmp_path / "1")
    assert stated.fingerprint.text == "f" * 64 and stated.items == 28
    recommend = tf.saved_model.load(str(tmp_path / "1")).signatures["recommend"]
    answer = recommend(
        history=tf.constant([["k", "l", "new of m"], ["nothing", "", ""]]),
        history_time=tf.zeros([2, 3], tf.int64),
        exclude=tf.constant([[""], [""]]),
        exclude_history=tf.constant(True),
        k=tf.constant(28),
        diversity=tf.constant(0.0),
        allow=tf.constant([[""]]),
        deny=tf.constant([[""]]),
    )
    found = answer["item_ids"].numpy()[0].tolist()
    assert b"new of a" in found and b"new of m" not in found
    assert b"new of m" in answer["because"].numpy()[0]
    assert answer["fallback"].numpy().tolist() == [False, True]
    assert answer["item_ids"].numpy()[1][-2:].tolist() == [b"new of a", b"new of m"]  # popular ones first


def test_new_items_may_stay_out(transformed, tmp_path):
    texts = write_text_vectors(tmp_path / "texts", VECTORS)
    run_fn(fn_args(transformed, tmp_path, texts, serve_cold_items=False, recency=False))
    model = tf.saved_model.load(str(tmp_path / "model"))
    assert model.item_ids.shape == [26] and model.item_vectors.shape == [26, 8]
    assert not _encode(model, ["new of m"])["history"].numpy().any()

"""New items of a model with texts: placed by its own text encoder, from the pushed version alone."""

import string
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components.jobs.item_table import read_item_table
from components.jobs.refresh import Wishes, change_items, read_ids
from components.settings import DataSettings, TextSettings
from components.text.encode import write_text_vectors
from serving.bundle.manifest import verify
from serving.client import Client
from serving.publish.push import push_bundle
from serving.publish.pushed_model import read_pushed, save_changed
from serving.publish.writer import build_bundle
from serving.server import Server
from serving.settings import IndexSettings, ServingSettings
from serving.users import drawn_users
from serving.validation.validate import validate
from tests.components.text.items import item_file
from tests.trainer.transformed import raw, serialized, transform
from trainer.errors import InputError
from trainer.run_fn import run_fn

ITEMS = string.ascii_lowercase
MAX_HISTORY = 5
WORDS = ["red", "blue", "green"]
WIDTH = 5  # of a vector: those words, "thing" and "number"
INDEX, SERVING = IndexSettings(kind="exact", max_k=60), ServingSettings(model_name="texts", validation_users=8)


def text(item):
    return f"{WORDS[ord(item) % 3]} thing number {ord(item) % 5}"


@pytest.fixture(scope="module")
def pushed(tmp_path_factory):
    """A version folder of a model that knows items by their texts and ids."""
    folder = tmp_path_factory.mktemp("texts")
    rows = []
    for user in range(60):
        walk = "".join(ITEMS[(user + step) % len(ITEMS)] for step in range(7))
        rows.append(raw(str(user), walk[:-1], walk[1:]))
    log = transform(folder / "log", rows, [raw("v", "abcd", "ef")], MAX_HISTORY)
    items = [
        {"item_id": i, "text": [text(i)], "category": ["all"], "attributes": [f"stock={'no' if i == 'q' else 'yes'}"]}
        for i in ITEMS
    ]
    files = [item_file(folder / "items.gz", items)]
    write_text_vectors(files, TextSettings(dimension=6), str(folder / "vectors"), "", lambda: None)
    config = {
        "model": {"name": "miracle", "dimension": 8, "num_interests": 3, "experts": 2},
        "training": {"batch_size": 16, "max_steps": 10, "evaluate_every": 10, "num_negatives": 10},
        "transform": {"max_history": MAX_HISTORY},
        "user_features": {},
        "item_attributes": ["stock"],
        "evaluation_filter": {"deny": ["stock=no"]},
        "item_files": files,
        "text_vectors": str(folder / "vectors"),
    }
    run_fn(
        SimpleNamespace(
            train_files=log.train_files,
            eval_files=log.valid_files,
            transform_output=str(log.output.transform_savedmodel_dir).rsplit("/", 1)[0],
            serving_model_dir=str(folder / "model"),
            model_run_dir=str(folder / "run"),
            base_model=None,
            custom_config=config,
        )
    )
    build_bundle(str(folder / "model"), str(folder / "bundle"), INDEX, SERVING)
    return push_bundle(str(folder / "bundle"), str(folder / "served" / "texts")), folder / "model"


def table(folder, ids, texts):
    pq.write_table(pa.table({"item_id": ids, "text": texts}), folder / "items.parquet")
    columns = {"text": "text"}
    return read_item_table(
        DataSettings(directory=str(folder), interactions="none", items="items.parquet", item_columns=columns)
    )


def test_a_new_item_is_where_its_text_is(pushed, tmp_path):
    version, model_dir = pushed
    before = read_pushed(str(version))
    twin = table(tmp_path, ["twin of k", "new", "a"], [text("k"), "a red thing", "green"])
    items, made_from = change_items(before, Wishes(twin, remove=["c", "d"]))
    assert (made_from.added, made_from.by_text, made_from.removed, made_from.updated) == (2, 2, 2, 0)
    assert items.ids[-2:] == [b"twin of k", b"new"] and set(items.retired_ids) == {b"c", b"d"}
    trained = tf.saved_model.load(str(model_dir))
    encoder = tf.saved_model.load(str(version)).tower
    expected = trained.vectors_from_text(tf.eye(WIDTH)).numpy()
    np.testing.assert_allclose(encoder.vectors_from_text(tf.eye(WIDTH)), expected, rtol=1e-5, atol=1e-6)

    save_changed(before, items, made_from, str(tmp_path / "model"))
    build_bundle(str(tmp_path / "model"), str(tmp_path / "bundle"), INDEX, SERVING)
    users = drawn_users(list(ITEMS), MAX_HISTORY, 8)
    report = validate(str(tmp_path / "model"), str(tmp_path / "bundle"), users, SERVING)
    assert report.blessed, report.reason
    assert "filters" in {check.name for check in report.checks}
    assert verify(tmp_path / "bundle").made_from == made_from
    again = read_pushed(push_bundle(str(tmp_path / "bundle"), str(tmp_path / "served" / "texts")).as_posix())
    # What was made without training can be changed again, and texts mean the same.
    more, _ = change_items(again, Wishes(table(tmp_path, ["twin of l", "c"], [text("k"), text("c")])))
    vectors = dict(zip(more.ids, more.vectors, strict=True))
    np.testing.assert_allclose(vectors[b"twin of l"], vectors[b"twin of k"], rtol=1e-5, atol=1e-6)
    of_training = dict(zip(before.items.ids, before.items.vectors, strict=True))
    np.testing.assert_array_equal(vectors[b"c"], of_training[b"c"])  # it came back as it was
    with Server(tmp_path / "served", "texts", poll_seconds=60) as server:
        server.wait_until_available(600)
        with Client(f"127.0.0.1:{server.port}", "texts") as client:
            (answer,) = client.recommend([["c", "d"]], k=26)
    assert {item.item_id for item in answer.items} == ({*ITEMS, "new", "twin of k"} - {"c", "d"})
    assert {item.because for item in answer.items} <= {"c", "d"} and not answer.fallback


def test_a_text_without_a_known_word_is_no_place(pushed, tmp_path):
    before = read_pushed(str(pushed[0]))
    strange = table(tmp_path, ["strange", "mute"], ["xylophone", None])
    with pytest.raises(
        InputError, match=r"2 new items have no place: 'strange', 'mute'. A new item needs a text with wo"
    ):
        change_items(before, Wishes(strange))
    items, made_from = change_items(before, Wishes(strange, leave_out=True))
    assert made_from.added == 0 and items.ids == before.items.ids


def test_evaluation_once_more_with_the_filter(pushed):
    trained = tf.saved_model.load(str(pushed[1]))
    ids = [item.decode() for item in trained.item_ids.numpy()]
    example = {**raw("u", "klm", ""), "targets": [b"q", b"r"]}
    answers = trained.evaluate(tf.constant(serialized([example])))
    # All 26 items are among the 50; the filter takes q away, and it still counts.
    assert answers["recall_at_50"].numpy() == [1.0] and answers["recall_at_50_filtered"].numpy() == [0.5]
    assert answers["popularity_recall_at_50_filtered"].numpy() == [0.5]
    assert sorted(ids) == sorted(ITEMS)


def test_ids_from_a_file_or_a_text(tmp_path):
    (tmp_path / "ids.txt").write_text("a b\n\nc,d\n")
    assert read_ids(str(tmp_path / "ids.txt")) == ["a b", "c,d"]
    assert read_ids("a, b,,c") == ["a", "b", "c"] and read_ids("") == []

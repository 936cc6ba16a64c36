"""The users who like a tag most, by a toy model that NumPy can restate, on a real Beam runner."""

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.jobs.audience import merge_best, write_audience
from components.settings import DataSettings
from serving.publish.writer import build_bundle
from serving.settings import IndexSettings, ServingSettings
from tests.serving import toy_profile as toy
from trainer.errors import InputError

MAX_HISTORY = 3
EVENTS = [  # user, item, time, click
    ("u1", "item-1", 1, 1),
    ("u1", "item-2", 2, 0),
    ("u1", "item-3", 3, 1),
    ("u1", "item-4", 4, 1),
    ("u1", "item-5", 5, 1),
    ("u2", "item-6", 1, 1),
    ("u3", "item-7", 9, 0),
]
HISTORIES = {"u1": ["item-3", "item-4", "item-5"], "u2": ["item-6"], "u3": [], "u4": []}
PEOPLE = {"u1": (["here"], None), "u3": ([], 30.0), "u4": (["here", "there"], None)}
TAGS = ["tag 7", "é, last"]


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    toy.save_toy_profile(folder / "trained")
    build_bundle(str(folder / "trained"), str(folder / "1"), IndexSettings(kind="exact"), ServingSettings())
    return str(folder / "1")


def _settings(folder, **others):
    names = ["user_id", "item_id", "timestamp", "click"]
    pq.write_table(pa.table(dict(zip(names, zip(*EVENTS, strict=True), strict=True))), folder / "log.parquet")
    people = {"user_id": list(PEOPLE), "city": [c for c, _ in PEOPLE.values()], "age": [a for _, a in PEOPLE.values()]}
    pq.write_table(pa.table(people), folder / "people.parquet")
    values = {
        "directory": str(folder),
        "interactions": "log.parquet",
        "users": "people.parquet",
        "items": "log.parquet",
        "item_columns": {"tags": "item_id"},
        "user_columns": {"features": toy.USER_FEATURES},
        "labels": {"click": {"column": "click"}},
    }
    return DataSettings.model_validate({**values, **others})


def _write(settings, version, tags, k, output):
    return write_audience(settings, MAX_HISTORY, version, tags, k, str(output), beam.Pipeline)


def _restated(user):
    cities, age = PEOPLE.get(user, ([], None))
    return toy.restated_scores(HISTORIES[user], cities, age or 0.0)


def test_every_user_of_log_and_table_is_asked_for(tmp_path, version):
    rows = _write(_settings(tmp_path), version, TAGS, 10, tmp_path / "new" / "out.parquet")
    found = pq.read_table(tmp_path / "new" / "out.parquet").to_pylist()
    assert rows == len(found) == 2 * 2 * 4
    for y, task in enumerate(toy.TASKS):
        for tag in TAGS:
            scores = {user: _restated(user)[y, toy.TAGS.index(tag)] for user in HISTORIES}
            listed = [row for row in found if (row["task"], row["tag"]) == (task, tag)]
            assert [row["rank"] for row in listed] == [1, 2, 3, 4]
            assert [row["user_id"] for row in listed] == sorted(scores, key=lambda user: -scores[user])
            np.testing.assert_allclose([row["score"] for row in listed], sorted(scores.values())[::-1], rtol=1e-4)


def test_the_k_best(tmp_path, version):
    _write(_settings(tmp_path), version, TAGS[:1], 2, tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet", filters=[("task", "=", "click")]).to_pylist()
    best = sorted(HISTORIES, key=lambda user: -_restated(user)[0, 7])
    assert [row["user_id"] for row in found] == best[:2]


def test_of_equal_scores_the_smaller_id_comes_first():
    parts = [
        {("click", "x"): (np.array([0.5, 0.7]), np.array(["b", "c"], object))},
        {("click", "x"): (np.array([0.5, 0.1]), np.array(["a", "d"], object))},
    ]
    scores, ids = merge_best(parts, 3)["click", "x"]
    assert ids.tolist() == ["c", "a", "b"] and scores.tolist() == [0.7, 0.5, 0.5]


@pytest.mark.parametrize(
    ("tags", "changes", "words"),
    [
        (["tag 77777"], {}, "knows no tag 'tag 77777'. It knows 300, such as 'tag 77'"),
        (TAGS, {"user_columns": {"features": {"city": "categorical"}}}, "takes the profile features"),
        (TAGS, {"labels": {}}, "data.labels names no label"),
        (TAGS, {"interactions": "nowhere.parquet"}, "nowhere.parquet"),
    ],
)
def test_refusals_leave_what_was_there(tmp_path, version, tags, changes, words):
    (tmp_path / "out.parquet").write_text("before")
    with pytest.raises(InputError, match=words):
        _write(_settings(tmp_path, **changes), version, tags, 5, tmp_path / "out.parquet")
    assert (tmp_path / "out.parquet").read_text() == "before"
    assert not list(tmp_path.glob("*.partial"))


def test_a_bad_column_is_told_in_words(tmp_path, version):
    settings = _settings(tmp_path, labels={"click": {"column": "item_id"}})
    with pytest.raises(InputError, match="no number"):
        _write(settings, version, TAGS, 5, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()

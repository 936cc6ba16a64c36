"""`polyrec refresh` from a pushed toy model to a server that answers with other items."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from components.jobs.refresh import read_given_vectors
from pipeline.cli import REFUSED, WRONG_INPUT, cli, run_command
from serving.bundle import manifest
from serving.client import Client
from serving.publish.push import push_bundle
from serving.server import Server
from tests.serving import toy_model
from tests.serving.toy_bundle import toy_bundle
from tests.serving.toy_model import ATTRIBUTES, CATEGORY_NAMES, ITEM_CATEGORY, ITEM_IDS, restated_encode
from trainer.errors import InputError

TASTE = [f"item-{row}" for row in (2, 7, 12)]  # category 2
GONE = ["item-17", "item-12"]


def config_at(folder, kind="exact", **serving):
    """A configuration whose pipeline pushed to ``folder``."""
    sections = {
        "data": {
            "directory": str(folder),
            "interactions": "log.parquet",
            "item_columns": {"category": "category", "attributes": ["in_stock"]},
        },
        "model": {"name": "comirec_sa"},
        "index": {"kind": kind, "num_leaves": 10, "leaves_to_search": 8, "max_k": 400},
        "serving": {"directory": str(folder / "served"), "model_name": "toy", "default_k": 7, **serving},
        "pipeline": {"root": str(folder / "runs"), "name": "toy"},
    }
    (folder / "toy.yaml").write_text(yaml.safe_dump(sections))
    return str(folder / "toy.yaml")


def refresh(*arguments):
    return run_command(cli, ["refresh", *map(str, arguments)])


def versions(folder):
    return sorted((folder / "served" / "toy").iterdir(), key=lambda path: int(path.name))


@pytest.fixture
def pushed(tmp_path):
    push_bundle(toy_bundle("scann").directory, str(tmp_path / "served" / "toy"))
    return tmp_path


@pytest.fixture(scope="module")
def refreshed(tmp_path_factory):
    """Two refreshes: items go and come, and one that went comes back. Returns the folder and a client."""
    folder = tmp_path_factory.mktemp("shop")
    push_bundle(toy_bundle("scann").directory, str(folder / "served" / "toy"))
    config = config_at(folder, "scann")
    table = {
        "item_id": ["new 2", "new 3", "item-20", "item-21"],
        "category": [CATEGORY_NAMES[2], CATEGORY_NAMES[3], CATEGORY_NAMES[0], CATEGORY_NAMES[1]],
        "in_stock": ["yes", "no", "no", "yes"],
    }
    pq.write_table(pa.table(table), folder / "today.parquet")
    (folder / "gone.txt").write_text("\n".join([*GONE, "item-30"]) + "\n")
    assert refresh(config, "--items", folder / "today.parquet", "--remove", folder / "gone.txt") == 0
    back = {"item_id": ["item-30", "new 3"], "category": [CATEGORY_NAMES[0]] * 2, "in_stock": ["yes", "yes"]}
    pq.write_table(pa.table(back), folder / "tomorrow.parquet")
    given = {"item_id": ["given"], "vector": [toy_model.item_vectors()[7].tolist()]}
    pq.write_table(pa.table(given), folder / "given.parquet")
    tomorrow = "--items", folder / "tomorrow.parquet", "--vectors", folder / "given.parquet"
    assert refresh(config, *tomorrow, "--remove", "new 2") == 0
    with Server(folder / "served", "toy", poll_seconds=60) as server:
        server.wait_until_available(600)
        with Client(f"127.0.0.1:{server.port}", "toy") as client:
            yield folder, client


def test_versions_say_what_they_were_made_from(refreshed):
    folder, _ = refreshed
    first, second, third = versions(folder)
    made = manifest.verify(second).made_from
    assert (made.version, made.added, made.removed, made.by_category) == (first.name, 2, 3, 2)
    assert made.updated == sum(
        "in_stock=no" not in ATTRIBUTES[20] or "category=" + CATEGORY_NAMES[0] not in ATTRIBUTES[20] for _ in "1"
    ) + ("in_stock=yes" not in ATTRIBUTES[21])
    made = manifest.verify(third).made_from
    assert (made.version, made.added, made.removed) == (second.name, 2, 1)
    assert (made.by_category, made.by_text, made.by_vector) == (0, 0, 1)  # and item-30 came back as it was
    assert manifest.verify(first).made_from is None
    assert made.fingerprint == manifest.verify(second).fingerprint


def table_of(refreshed):
    """Ids and vectors of what the last version can recommend."""
    vectors = toy_model.item_vectors()
    by_id = {item: vectors[row] for row, item in enumerate(ITEM_IDS) if item not in GONE}
    third = np.array([v for row, v in enumerate(vectors) if ITEM_CATEGORY[row] == 3])
    mean = third.astype(np.float64).mean(axis=0)
    by_id["new 3"] = mean / np.linalg.norm(mean) * np.linalg.norm(third, axis=1).mean()
    by_id["given"] = vectors[7]
    return by_id


def test_the_new_version_recommends_what_numpy_says(refreshed):
    """Histories hold removed items, and the tower understands them as before."""
    _, client = refreshed
    by_id = table_of(refreshed)
    ids, vectors = list(by_id), np.array(list(by_id.values()), np.float32)
    for history in (TASTE, ["item-17"], ["item-3", "item-8", "item-30"], ["item-12", "item-250"]):
        interests, mask, _ = restated_encode(history, toy_model.item_vectors())
        scores = np.where(mask[:, None], interests @ vectors.T, -np.inf).max(axis=0)
        (answer,) = client.recommend([history], k=400)
        assert {item.item_id for item in answer.items} == set(ids)
        of = dict(zip(ids, scores, strict=True))
        np.testing.assert_allclose([item.score for item in answer.items], np.sort(scores)[::-1], rtol=1e-4)
        np.testing.assert_allclose([of[item.item_id] for item in answer.items], np.sort(scores)[::-1], rtol=1e-4)
        assert {item.because for item in answer.items} <= set(history)


def test_a_new_item_is_recommended_to_whom_its_category_suits(refreshed):
    _, client = refreshed
    history = [item for item, category in zip(ITEM_IDS, ITEM_CATEGORY, strict=True) if category == 3][:6]
    other = [item for item, category in zip(ITEM_IDS, ITEM_CATEGORY, strict=True) if category == 0][:6]
    suits, does_not = client.recommend([history, other], k=60)
    assert "new 3" in [item.item_id for item in suits.items]
    assert "new 3" not in [item.item_id for item in does_not.items]
    (twin,) = client.recommend([["item-7"]], k=2)
    assert {item.item_id for item in twin.items} <= {"given", "item-7"} | set(ITEM_IDS)
    assert "given" in [item.item_id for item in client.recommend([["item-7"]], k=20)[0].items]


def test_removed_items_are_reasons_but_never_recommended(refreshed):
    _, client = refreshed
    answers = client.recommend([["item-17"], []], k=400)
    for answer in answers:
        assert not {*GONE, "new 2"} & {item.item_id for item in answer.items}
    assert {item.because for item in answers[0].items} == {"item-17"} and not answers[0].fallback
    assert answers[1].fallback and len(answers[1].items) == 300
    ((gone, still),) = client.explain([["item-17"]], [["item-17", "item-18"]])
    assert not gone.known and still.known and still.weights == (("item-17", pytest.approx(1.0)),)


def test_attributes_are_those_of_the_table(refreshed):
    _, client = refreshed
    (answer,) = client.recommend([TASTE], k=400, allow=["in_stock=no"])
    found = {item.item_id for item in answer.items}
    were = {item for row, item in enumerate(ITEM_IDS) if "in_stock=no" in ATTRIBUTES[row]}
    assert found == (were | {"item-20"}) - {"item-21", "item-30", *GONE}
    (green,) = client.recommend([TASTE], k=400, allow=["colour=green"])  # no column of the table
    assert {item.item_id for item in green.items} == {
        item for row, item in enumerate(ITEM_IDS) if "colour=green" in ATTRIBUTES[row] and item not in GONE
    }


@pytest.mark.parametrize(
    ("rows", "arguments", "words"),
    [
        (
            {"category": ["no such"]},
            [],
            "1 new items have no place: 'x'. A new item needs a category that served items",
        ),
        ({"category": [None]}, [], "have no place"),
        (None, ["--remove", "nobody,nothing"], "None of the 2 items to remove is served: 'nobody', 'nothing'"),
        (None, ["--remove", "ALL"], "All 300 items would be removed"),
        (None, [], "Nothing to do"),
        (None, ["--remove", "item-1", "--remove-missing"], "give one with --items"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_pushed(pushed, capfd, rows, arguments, words):
    config = config_at(pushed)
    if rows is not None:
        pq.write_table(pa.table({"item_id": ["x"], "in_stock": ["yes"], **rows}), pushed / "items.parquet")
        arguments = ["--items", pushed / "items.parquet", *arguments]
    if arguments[-1:] == ["ALL"]:
        (pushed / "all.txt").write_text("\n".join(ITEM_IDS) + "\n")
        arguments = ["--remove", pushed / "all.txt"]
    assert refresh(config, *arguments) == WRONG_INPUT
    assert words in " ".join(capfd.readouterr().err.split())
    assert len(versions(pushed)) == 1


def test_items_without_a_place_can_be_left_out_and_nothing_to_change_pushes_nothing(pushed, capfd):
    pq.write_table(pa.table({"item_id": ["x"], "category": ["no such"], "in_stock": ["yes"]}), pushed / "items.parquet")
    assert refresh(config_at(pushed), "--items", pushed / "items.parquet", "--leave-out") == 0
    said = capfd.readouterr().out
    assert "they are left out" in said and "Nothing to change" in said
    assert len(versions(pushed)) == 1


def test_a_version_that_does_not_serve_as_it_should_is_not_pushed(pushed, capfd):
    config = config_at(pushed, max_latency_ms=1e-6)
    assert refresh(config, "--remove", "item-1") == REFUSED
    assert "Median milliseconds" in capfd.readouterr().err
    assert len(versions(pushed)) == 1 and not list(Path(pushed, "served", "toy").glob(".push-*"))


def test_given_vectors_are_checked(pushed, capfd):
    for vector, words in (([1.0, 2.0], "has 2 numbers, and the model's have 8"), ([float("nan")] * 8, "not finite")):
        pq.write_table(pa.table({"item_id": ["x"], "vector": [vector]}), pushed / "given.parquet")
        assert refresh(config_at(pushed), "--vectors", pushed / "given.parquet") == WRONG_INPUT
        assert words in capfd.readouterr().err
    assert refresh(config_at(pushed), "--vectors", pushed / "given.parquet", "--vector-column", "v") == WRONG_INPUT
    assert "a column 'v' of lists" in capfd.readouterr().err


def test_given_vectors_of_a_model_with_a_constant_component(tmp_path):
    """With the 1 behind or without, but not with anything else there."""
    path = str(tmp_path / "given.parquet")

    def read(*vectors):
        pq.write_table(pa.table({"item": [f"i{n}" for n in range(len(vectors))], "vector": list(vectors)}), path)
        return read_given_vectors(path, "item", "vector", 3, constant_components=1)

    for given in ([0.5, 2.0], [0.5, 2.0, 1.0]):
        assert {item: vector.tolist() for item, vector in read(given).items()} == {b"i0": [0.5, 2.0, 1.0]}
    with pytest.raises(InputError, match=r"item 'i1' does not end with 1 times 1.*2 numbers for each item"):
        read([0.5, 2.0, 1.0], [0.5, 2.0, 0.9])
    with pytest.raises(InputError, match="item 'i0' has 2 numbers, and the model's have 3"):
        read([0.5, 2.0], [0.5, 2.0, 1.0])


def test_the_cost_is_printed_beside_that_of_the_run(pushed, capfd):
    results = {"examples": str(pushed / "gone"), "cost": {"seconds": 123.0, "cpu_seconds": 45.0}}
    (pushed / "runs" / "toy").mkdir(parents=True)
    (pushed / "runs" / "toy" / "results.json").write_text(json.dumps(results))
    assert refresh(config_at(pushed), "--remove", "item-1") == 0
    said = " ".join(capfd.readouterr().out.split())
    assert "CPU-s; the last full run took 123.0 s, 45.0 CPU-s" in said
    assert "299 items: 0 added (0 by text, 0 by category, 0 by vector), 1 removed, 0 with other attributes" in said
    assert "histories are drawn from the items" in said

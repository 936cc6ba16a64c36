"""MovieLens-100K as a stand-in for an impression log, against pandas."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from components.ingestion.cut.hashing import SPLITS, hash_strings, split_of
from components.ingestion.write.catalogue import ingest_items
from pipeline.config import run as config
from pipeline.data_sources import movielens_100k
from tests.components.ingestion.helpers import examples, ingest
from tests.components.ingestion.impression_helpers import impressions


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("movielens")
    movielens_100k.fetch(folder)
    settings = config.load("mvke", [f"data.directory={folder}", "data.sampled_by=frequency"]).data
    return folder, settings, ingest(settings, folder / "out")


def expected(folder, settings):
    """The log without rare items, sorted as ingestion does, and for each row its user's split and place."""
    log = pq.read_table(folder / "interactions.parquet").to_pandas()
    log = log[log["item_id"].map(log["item_id"].value_counts()) >= settings.min_item_count]
    log = log[log["user_id"].map(log["user_id"].value_counts()) >= settings.min_user_count]
    log = log.sort_values(["user_id", "timestamp"], kind="stable")
    users = pq.read_table(folder / "users.parquet")["user_id"].combine_chunks()
    split = dict(zip(users.to_pylist(), split_of(hash_strings(users), settings.split), strict=True))
    by_user = log.groupby("user_id")
    # What is rated at the same second is in nobody's history.
    log["before"] = by_user["timestamp"].rank(method="min").astype(int) - 1
    log["place"] = by_user.cumcount()
    given = np.floor(by_user["item_id"].transform("size") * 0.8 + 1e-9)
    log["split"] = [SPLITS[split[user]] for user in log["user_id"]]
    held_out = log[(log["split"] != "train") & (log["place"] >= given)].copy()
    held_out["before"] = held_out.groupby("user_id")["before"].transform("min")
    return pd.concat([log[log["split"] == "train"], held_out])


def test_counts_are_those_of_pandas(data):
    folder, settings, report = data
    rows = expected(folder, settings)
    kept = rows[rows["before"] >= settings.min_history]
    assert report.counts["impressions_too_early"] == len(rows) - len(kept)
    assert report.counts["sampled_impressions"] == 4 * len(kept)
    for split, part in kept.groupby("split"):
        # In training an example holds all impressions of one state of a user's history, up to 64.
        written = impressions(folder / "out", split)
        assert len(written) == 5 * len(part) and report.examples[split] <= len(written)
        assert report.examples[split] == len(written) or split == "train"
        assert report.label(split, "click") == (len(part), 5 * len(part))
        assert report.label(split, "conversion") == (int((part["rating"] >= 4).sum()), len(part))
        assert report.targets[split] == (0 if split == "train" else len(part))


def test_examples_of_the_test_are_those_of_pandas(data):
    folder, settings, _ = data
    rows = expected(folder, settings)
    rows = rows[(rows["split"] == "test") & (rows["before"] >= settings.min_history)]
    log = pq.read_table(folder / "interactions.parquet").to_pandas()
    own, counts = log.groupby("user_id")["item_id"].agg(set), log["item_id"].value_counts()
    found = impressions(folder / "out", "test")
    shown = [e for e in found if e["label_click"] == [1]]
    columns = {"user": "user_id", "item": "item", "liked": "label_conversion", "before": "history"}
    table = pd.DataFrame({name: [e[feature] for e in shown] for name, feature in columns.items()})
    assert sorted(zip(table["user"].str[0], table["item"].str[0], table["liked"].str[0], strict=True)) == sorted(
        zip(rows["user_id"], rows["item_id"], (rows["rating"] >= 4).astype(float), strict=True)
    )
    length = dict(zip(rows["user_id"], np.minimum(rows["before"], 50), strict=True))
    assert all(len(history) == length[user[0]] for user, history in zip(table["user"], table["before"], strict=True))
    sampled = [(e["user_id"][0], e["item"][0]) for e in found if e["label_click"] == [0]]
    assert all(item not in own[user] for user, item in sampled)
    # Drawn by frequency: far more frequent than items are on the average.
    assert np.mean([counts[item] for _, item in sampled]) > 1.5 * counts[counts >= settings.min_item_count].mean()


def test_genres_are_the_tags(data, tmp_path):
    _, settings, _ = data
    report = ingest_items(settings, str(tmp_path))
    assert report.examples["items"] == 1682 and not report.counts["items_without_tags"]
    first = next(e for e in examples(tmp_path, "items") if e["item_id"] == ["1"])
    assert first["tags"] == ["Animation", "Children's", "Comedy"]

import hashlib
import itertools
import os
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.data_sources import movielens_100k, shared_accounts, synthetic
from trainer.errors import InputError

UNREACHABLE = "http://127.0.0.1:9/ml-100k.zip"  # the discard port: refused at once


@pytest.fixture(scope="module")
def movielens(tmp_path_factory):
    """MovieLens-100K as the package registry gives it."""
    folder = tmp_path_factory.mktemp("movielens")
    licence = movielens_100k.fetch(folder / "data", cache=folder / "cache", url=UNREACHABLE)
    assert "Harper" in licence and "not to be redistributed" in licence
    return folder


def table(path):
    return pq.read_table(path).to_pylist()


def test_movielens_has_its_published_size(movielens):
    log = pq.read_table(movielens / "data" / "interactions.parquet")
    assert log.schema.field("user_id").type == pa.string() and log.schema.field("timestamp").type == pa.int64()
    assert log.num_rows == 100_000
    assert log.slice(0, 1).to_pylist() == [{"user_id": "196", "item_id": "242", "timestamp": 881250949, "rating": 3.0}]
    assert len(log["user_id"].unique()) == 943 and len(log["item_id"].unique()) == 1682
    users = table(movielens / "data" / "users.parquet")
    assert users[0] == {"user_id": "1", "age": 24, "gender": "M", "occupation": "technician"} and len(users) == 943


def test_movielens_titles_are_freed_of_their_year(movielens):
    items = {row["item_id"]: row for row in table(movielens / "data" / "items.parquet")}
    assert len(items) == 1682
    toys = {"item_id": "1", "title": "Toy Story", "category": ["Animation", "Children's", "Comedy"], "year": 1995}
    assert items["1"] == toys
    assert items["543"]["title"] == "Misérables, Les"
    assert (items["267"]["title"], items["267"]["year"]) == ("unknown", None)
    assert (items["1412"]["title"][:15], items["1412"]["year"]) == ("Land Before Tim", 1995)


def test_movielens_comes_from_the_cache_when_nothing_is_reached(movielens, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    movielens_100k.fetch(tmp_path / "data", cache=movielens / "cache", url=UNREACHABLE)
    assert table(tmp_path / "data" / "users.parquet") == table(movielens / "data" / "users.parquet")
    with pytest.raises(InputError, match=r"could not be fetched.*127\.0\.0\.1.*recbole") as caught:
        movielens_100k.fetch(tmp_path / "none", cache=tmp_path / "cache", url=UNREACHABLE)
    assert "Connect to the internet or to a package registry" in str(caught.value)
    assert not (tmp_path / "none").exists()


def test_a_damaged_cache_is_not_used(movielens, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    for name in movielens_100k.WHEEL_FILES:
        content = (movielens / "cache" / name).read_bytes()
        (tmp_path / name).write_bytes(content.replace(b"196", b"916") if name.endswith("inter") else content)
    with pytest.raises(InputError, match="could not be fetched"):
        movielens_100k.fetch(tmp_path / "data", cache=tmp_path, url=UNREACHABLE)


FILES = {
    "u.data": b"1\t2\t5\t881250949\n",
    "u.item": (
        "1|Toy Story (1995)|01-Jan-1995||http://x|0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0\n"
        "2|Misérables, Les (1995)|01-Jan-1995||http://x|0|0|0|0|0|0|0|0|1|0|0|0|1|0|0|0|0|0|0\n"
        "3|Land Before Time III (1995) (V)|01-Jan-1995||http://x|0|0|0|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0|0\n"
        "4|unknown||||1|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0\n"
    ).encode("latin-1"),
    "u.user": b"1|24|M|technician|85711\n",
}


def archive(path):
    with zipfile.ZipFile(path, "w") as file:
        for name, content in FILES.items():
            file.writestr(f"ml-100k/{name}", content)
    return path.as_uri()


def test_the_archive_of_grouplens_gives_the_same_tables(tmp_path, monkeypatch):
    known = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    monkeypatch.setattr(movielens_100k, "ARCHIVE_FILES", known)
    movielens_100k.fetch(tmp_path / "data", cache=tmp_path / "cache", url=archive(tmp_path / "ml-100k.zip"))
    assert table(tmp_path / "data" / "interactions.parquet") == [
        {"user_id": "1", "item_id": "2", "timestamp": 881250949, "rating": 5.0}
    ]
    assert [tuple(row.values()) for row in table(tmp_path / "data" / "items.parquet")] == [
        ("1", "Toy Story", ["Animation", "Children's", "Comedy"], 1995),
        ("2", "Misérables, Les", ["Drama", "Musical"], 1995),
        ("3", "Land Before Time III", ["Animation", "Children's"], 1995),
        ("4", "unknown", ["unknown"], None),
    ]
    assert sorted(os.listdir(tmp_path / "cache")) == ["u.data", "u.item", "u.user"]


def test_an_archive_with_other_content_is_not_believed(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "none"))
    with pytest.raises(InputError, match=r"u\.data from file:.*SHA-256 differs"):
        movielens_100k.fetch(tmp_path / "data", cache=tmp_path / "cache", url=archive(tmp_path / "ml-100k.zip"))
    assert not (tmp_path / "cache").exists()


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic")
    synthetic.write(folder, users=500, items=300, interests=10, interactions=20_000, seed=3)
    return folder


def test_synthetic_log_has_what_was_asked_for(made_up):
    assert sorted(os.listdir(made_up)) == ["interactions.parquet", "items.parquet", "users.parquet"]
    log = pq.read_table(made_up / "interactions.parquet")
    assert log.num_rows == 20_000 and len(log["user_id"].unique()) == 500
    items = table(made_up / "items.parquet")
    assert len(items) == 300 and len({row["category"] for row in items}) == 10
    assert items[13] == {"item_id": "i13", "title": "Item 13", "category": "interest3"}


def test_synthetic_users_stay_within_their_planted_interests(made_up):
    category = {row["item_id"]: row["category"] for row in table(made_up / "items.parquet")}
    planted = {row["user_id"]: row["planted_interests"] for row in table(made_up / "users.parquet")}
    assert all(len(set(some)) == len(some) for some in planted.values())
    assert {len(some) for some in planted.values()} == {1, 2, 3, 4}
    log = pq.read_table(made_up / "interactions.parquet").to_pandas()
    seen = log.assign(interest=log["item_id"].map(category)).groupby("user_id")["interest"].agg(set)
    assert all(seen[user] <= set(planted[user]) for user in seen.index)
    assert sum(len(some) > 1 for some in seen) > 300


def test_synthetic_times_ascend_and_sessions_stay_in_one_interest(made_up):
    category = {row["item_id"]: row["category"] for row in table(made_up / "items.parquet")}
    log = pq.read_table(made_up / "interactions.parquet").to_pandas()
    gaps = log.groupby("user_id")["timestamp"].diff().dropna()
    assert (gaps > 0).all()
    kinds = log["item_id"].map(category)
    same_user = log["user_id"] == log["user_id"].shift()
    stays = (kinds == kinds.shift())[same_user]
    assert 0.75 < stays.mean() < 0.95  # three of four events continue a session


def test_synthetic_popularity_is_zipf_within_an_interest(made_up):
    log = pq.read_table(made_up / "interactions.parquet")["item_id"].to_pandas().value_counts()
    first = np.mean([log[f"i{interest}"] for interest in range(10)])
    second = np.mean([log[f"i{10 + interest}"] for interest in range(10)])
    assert 1.7 < first / second < 2.3


def test_synthetic_is_repeatable_by_its_seed(made_up, tmp_path):
    arguments = {"users": 500, "items": 300, "interests": 10, "interactions": 20_000}
    synthetic.write(tmp_path / "same", **arguments, seed=3)
    synthetic.write(tmp_path / "other", **arguments, seed=4)
    log = pq.read_table(made_up / "interactions.parquet")
    assert pq.read_table(tmp_path / "same" / "interactions.parquet").equals(log)
    assert not pq.read_table(tmp_path / "other" / "interactions.parquet").equals(log)


@pytest.mark.parametrize("wrong", [{"interests": 3}, {"items": 5}, {"interactions": 10}])
def test_synthetic_numbers_that_do_not_go_together(tmp_path, wrong):
    numbers = {"users": 50, "items": 100, "interests": 10, "interactions": 500, **wrong}
    with pytest.raises(InputError, match="Received"):
        synthetic.write(tmp_path, **numbers)


def test_shared_accounts_hold_every_event_of_two_people_in_their_order():
    people = {f"p{n}": [f"p{n}i{place}" for place in range(5 + 9 * n)] for n in range(7)}
    rows = [(user, item, 1000 - place) for user, items in people.items() for place, item in enumerate(reversed(items))]
    log = pa.table(dict(zip(("user_id", "item_id", "timestamp"), map(list, zip(*rows, strict=True)), strict=True)))
    accounts = shared_accounts.shared(log, seed=3)
    assert accounts.equals(shared_accounts.shared(log, seed=3)) and not accounts.equals(shared_accounts.shared(log, 4))
    found = accounts.to_pylist()
    names = {row["user_id"] for row in found}
    assert len(names) == 3 and len({person for name in names for person in name.split("+")}) == 6
    for name in names:
        events = [row for row in found if row["user_id"] == name]
        times = [row["timestamp"] for row in events]
        assert times == sorted(times) and len(set(times)) == len(times)
        turns = sum(before["person"] != after["person"] for before, after in itertools.pairwise(events))
        for person in name.split("+"):
            assert [row["item_id"] for row in events if row["person"] == person] == people[person]
        assert turns >= 2 or min(len(people[person]) for person in name.split("+")) < 10

"""Whole ingestions of tiny logs by Beam, their examples worked out by hand."""

import random

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from components.ingestion.cut.hashing import hash_strings, shard_of, split_of
from components.ingestion.files.report import describe_report, read_report
from components.settings import SplitSettings
from tests.components.ingestion.helpers import examples, ingest, log_of, of_user, settings_for, write_log

LEAVE_ONE = {"split": {"method": "leave_last_out"}}


def by_user_and_time(example):
    return example["user_id"], example["history_time"]


def test_leave_last_out_by_hand(tmp_path):
    write_log(tmp_path / "log.parquet", log_of({"u": "abcdefg", "v": "abc", "w": "ab"}))
    report = ingest(settings_for(tmp_path, min_history=2, **LEAVE_ONE), tmp_path / "out", 3)
    # train of u is a b c d e: T 3 holds a b c, then d (targets c d); the next window ends at e.
    first, second = of_user(examples(tmp_path / "out", "train"), "u")
    assert first == {
        "user_id": ["u"],
        "history": ["a", "b", "c"],
        "history_time": [100, 101, 102],
        "history_overlap": [0],
        "history_bucket": ["001-004"],
        "targets": ["c", "d"],
    }
    assert (second["history"], second["targets"], second["history_overlap"]) == (["b", "c", "d"], ["e"], [3])
    valid, test = examples(tmp_path / "out", "valid"), examples(tmp_path / "out", "test")
    assert [(e["history"], e["targets"]) for e in of_user(valid, "u")] == [(list("abcde"), ["f"])]
    assert [(e["history"], e["targets"]) for e in of_user(test, "u")] == [(list("abcdef"), ["g"])]
    assert [(e["history"], e["targets"]) for e in of_user(valid, "v")] == [(["a"], ["b"])]
    assert [(e["history"], e["targets"]) for e in of_user(test, "v")] == [(["a", "b"], ["c"])]
    assert not of_user(valid, "w")
    assert report.counts["users_too_short"] == 1
    assert dict(report.examples) == {"train": 2, "valid": 2, "test": 2}
    assert report.targets["train"] == 3
    assert read_report(str(tmp_path / "out")) == report
    assert "train: 2 examples, 3 targets" in describe_report(report)


def test_user_hash_divides_users_and_keeps_whole_histories(tmp_path):
    users = {f"user{i}": "abcdefghij"[: 5 + i % 6] for i in range(400)}
    write_log(tmp_path / "log.parquet", log_of(users))
    ingest(settings_for(tmp_path, min_history=2), tmp_path / "out", 3)
    found = {split: examples(tmp_path / "out", split) for split in ("train", "valid", "test")}
    owners = {split: {e["user_id"][0] for e in some} for split, some in found.items()}
    assert sum(map(len, owners.values())) == len(set.union(*owners.values())) == 400
    # Binomial: 40 expected, standard deviation 6.
    assert 20 <= len(owners["valid"]) <= 60 and 20 <= len(owners["test"]) <= 60
    for example in found["valid"] + found["test"]:
        items = users[example["user_id"][0]]
        given = len(items) * 4 // 5
        assert example["history"] == list(items[:given])
        assert example["targets"] == list(items[given:])
        assert example["history_bucket"] == ["001-004" if given < 5 else "005-009"]
    for user in owners["train"]:
        windows = sorted((e for e in found["train"] if e["user_id"] == [user]), key=lambda e: e["history_time"][-1])
        again = [i for e in windows for i in (*e["history"][e["history_overlap"][0] :], e["targets"][-1])]
        assert again == list(users[user])


def test_a_split_depends_on_the_user_and_the_seed_only():
    users = pa.array([f"user{i}" for i in range(10_000)])
    hashes = hash_strings(users)
    assert int(hash_strings(pa.array(["user0"]))[0]) == int(hashes[0])
    first, second = split_of(hashes, SplitSettings(seed=0)), split_of(hashes, SplitSettings(seed=1))
    assert [round((first == split).mean(), 1) for split in range(3)] == [0.8, 0.1, 0.1]
    assert 0.6 < (first == second).mean() < 0.72  # independent: .64 + .01 + .01
    shards = shard_of(hashes, 10)
    assert 0.05 < (first[shards == 3] == 2).mean() < 0.15


def test_rare_items_go_first_then_users_with_little_left(tmp_path):
    # x occurs once; without it v has 2 events; w has 2 from the start. One pass: no item is dropped after its users.
    log = log_of({"u": "abcab", "v": "abx", "w": "cc", "y": "abcabc"})
    write_log(tmp_path / "log.parquet", log)
    settings = settings_for(tmp_path, min_item_count=2, min_user_count=3, **LEAVE_ONE)
    report = ingest(settings, tmp_path / "out")
    assert {e["user_id"][0] for e in examples(tmp_path / "out", "test")} == {"u", "y"}
    counts = report.counts
    assert (counts["items"], counts["items_kept"]) == (4, 3)
    assert (counts["users"], counts["users_kept"], counts["interactions_kept"]) == (4, 2, 11)


def test_order_is_by_time_then_by_place_in_the_log_and_equal_events_stay(tmp_path):
    rows = [("u", "late", 9), ("u", "b", 5), ("u", "a", 5), ("u", "b", 5), ("u", "early", 1)]
    write_log(tmp_path / "log.parquet", rows)
    ingest(settings_for(tmp_path, **LEAVE_ONE), tmp_path / "out")
    (example,) = examples(tmp_path / "out", "test")
    assert example["history"] + example["targets"] == ["early", "b", "a", "b", "late"]


def test_ties_keep_their_order_across_files_and_batches(tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    items = [f"i{n}" for n in range(60)]
    for number in range(3):
        table = pa.table(
            {"user_id": ["u"] * 20, "item_id": items[number * 20 : number * 20 + 20], "timestamp": [7] * 20}
        )
        pq.write_table(table, folder / f"part-{number}.parquet", row_group_size=6)
    ingest(settings_for(tmp_path, interactions="log", **LEAVE_ONE), tmp_path / "out")
    (example,) = examples(tmp_path / "out", "test")
    assert example["history"] + example["targets"] == items


def test_csv_gives_the_same_examples_as_parquet(tmp_path):
    users = {f"{i}": "".join(random.Random(i).choices("0123456789", k=8)) for i in range(50)}
    log = write_log(tmp_path / "log.parquet", log_of(users))
    table = pq.read_table(log)
    pa_csv.write_csv(table, tmp_path / "log.csv")
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "_SUCCESS").touch()
    pa_csv.write_csv(table.slice(0, 123), folder / "a.csv")
    with pa.output_stream(str(folder / "b.csv.gz"), compression="gzip") as file:
        pa_csv.write_csv(table.slice(123), file)
    integers = pa.table(
        {name: column.cast(pa.int64()) for name, column in zip(table.column_names, table.columns, strict=True)}
    )
    pq.write_table(integers, tmp_path / "integers.parquet")
    found = []
    for number, source in enumerate(("log.parquet", "log.csv", "parts", "integers.parquet")):
        ingest(settings_for(tmp_path, interactions=source), tmp_path / str(number))
        found.append([examples(tmp_path / str(number), split) for split in ("train", "valid", "test")])
    assert found[0] == found[1] == found[2] == found[3]


def test_renamed_columns_and_other_columns_beside_them(tmp_path):
    table = pa.table({"rating": [5] * 4, "movieId": [1, 2, 3, 4], "ts": [1.0, 2.0, 3.0, 4.0], "userId": [9] * 4})
    pq.write_table(table, tmp_path / "log.parquet")
    columns = {"user": "userId", "item": "movieId", "timestamp": "ts"}
    ingest(settings_for(tmp_path, columns=columns, **LEAVE_ONE), tmp_path / "out")
    (example,) = examples(tmp_path / "out", "test")
    assert (example["user_id"], example["history"], example["targets"]) == (["9"], ["1", "2", "3"], ["4"])


def test_profile_features_are_joined(tmp_path):
    write_log(tmp_path / "log.parquet", log_of({"u": "abcd", "v": "abcd", "w": "abcd"}))
    table = pa.table(
        {
            "id": ["v", "u", "u", "stranger"],
            "age": [None, 0, 99, 1],
            "tags": [["x", "y"], [], ["z"], None],
            "city": pa.array([None, None, None, None], pa.string()),
        }
    )
    pq.write_table(table, tmp_path / "users.parquet")
    features = {"age": "numeric", "tags": "categorical", "city": "categorical"}
    report = ingest(
        settings_for(tmp_path, users="users.parquet", user_columns={"user": "id", "features": features}, **LEAVE_ONE),
        tmp_path / "out",
    )
    found = {
        e["user_id"][0]: (e["user_age"], e["user_tags"], e["user_city"]) for e in examples(tmp_path / "out", "test")
    }
    assert found == {"u": ([0.0], [], []), "v": ([], ["x", "y"], []), "w": ([], [], [])}
    assert (report.counts["users_with_profile"], report.counts["duplicate_user_rows"]) == (2, 1)
    assert "user rows that repeat an id, of which the first was kept: 1" in describe_report(report)


def test_a_users_table_without_features_is_not_joined(tmp_path):
    write_log(tmp_path / "log.parquet", log_of({"u": "abcd"}))
    (tmp_path / "users.csv").write_text("user_id,age\nstranger,1\n")
    ingest(settings_for(tmp_path, users="users.csv", **LEAVE_ONE), tmp_path / "out")
    (example,) = examples(tmp_path / "out", "test")
    assert not [name for name in example if name.startswith("user_") and name != "user_id"]


def test_many_shards_give_the_same_examples_as_one(tmp_path, monkeypatch):
    users = {f"user{i}": "abcdefgh" for i in range(60)}
    write_log(tmp_path / "log.parquet", log_of(users))
    ingest(settings_for(tmp_path), tmp_path / "one")
    monkeypatch.setattr("components.ingestion.files.inputs._ROWS_OF_A_SHARD", 100)
    report = ingest(settings_for(tmp_path), tmp_path / "many")
    assert len(list((tmp_path / "many" / "Split-train").iterdir())) == 5
    for split in ("train", "valid", "test"):
        one, many = (sorted(examples(tmp_path / folder, split), key=by_user_and_time) for folder in ("one", "many"))
        assert one == many and len(one) == report.examples[split]


def test_the_same_examples_come_from_other_processes(tmp_path):
    write_log(tmp_path / "log.parquet", log_of({f"user{i}": "abcdef" for i in range(30)}))
    ingest(settings_for(tmp_path, **LEAVE_ONE), tmp_path / "here")
    arguments = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
    ingest(settings_for(tmp_path, **LEAVE_ONE), tmp_path / "there", 50, *arguments)
    for split in ("train", "valid", "test"):
        assert examples(tmp_path / "here", split) == examples(tmp_path / "there", split)

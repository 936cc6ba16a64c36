"""Every row is used or dropped for a reason with a name; one user and double logging do not spoil a model."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ingestion.cut.sequences import without_repeats
from components.ingestion.files.report import Report, describe_report, rows_used
from components.ingestion.read.warnings import warnings_of
from components.ingestion.write.catalogue import ingest_items
from tests.components.ingestion.helpers import examples, ingest, log_of, of_user, settings_for, write_log

LEAVE_ONE = {"split": {"method": "leave_last_out"}}


def sequence(out, user):
    (example,) = [e for e in examples(out, "test") if e["user_id"] == [user]]
    return example["history"] + example["targets"]


def test_rows_read_are_rows_used_and_rows_dropped(tmp_path):
    # 3 x 6 rows stay; d has 2 rows of frequent items, too few; x and y are rare; two rows are bad.
    log = log_of({"a": "stustu", "b": "stustu", "c": "stustu", "d": "st", "e": "xxyy"})
    log += [("f", None, 1), ("f", "s", None)]
    write_log(tmp_path / "log.parquet", log)
    settings = settings_for(tmp_path, min_item_count=4, min_user_count=4, max_bad_rows=0.1, **LEAVE_ONE)
    report = ingest(settings, tmp_path / "out")
    assert report.table("interactions").rows == len(log) == 26
    counts = report.counts
    assert report.table("interactions").bad_rows == 2
    assert (counts["rows_of_rare_items"], counts["rows_of_rare_users"], counts["interactions_kept"]) == (4, 2, 18)
    assert rows_used(report, "interactions") == 18
    said = describe_report(report)
    assert "interactions: 26 rows read, 18 used, 8 dropped" in said
    assert "  rows of items with fewer than data.min_item_count: 4" in said
    assert "  rows of users with fewer than data.min_user_count: 2" in said
    assert "kept: 18 interactions of 3 users (of 5) with 3 items (of 5); the largest user has 23.1% of the rows" in said


def test_a_robot_is_cut_to_its_latest_events_and_told(tmp_path):
    people = log_of({f"u{n}": "abcdefghij" for n in range(30)})
    robot = [("robot", "abcdefghij"[n % 10], 50 + n) for n in range(2000)]
    write_log(tmp_path / "log.parquet", people + robot)
    report = ingest(settings_for(tmp_path, max_user_events=7, **LEAVE_ONE), tmp_path / "out")
    assert sequence(tmp_path / "out", "robot") == list("defghij")
    assert sequence(tmp_path / "out", "u3") == list("defghij")
    assert report.counts["rows_beyond_the_latest"] == 1993 + 30 * 3
    assert rows_used(report, "interactions") == 31 * 7
    assert any("one has 2,000 of 2,300 rows (87%). Is it a robot?" in warning for warning in warnings_of(report))
    everything = ingest(settings_for(tmp_path, max_user_events=None, **LEAVE_ONE), tmp_path / "all")
    assert everything.counts["interactions_kept"] == 2300 and len(sequence(tmp_path / "all", "robot")) == 2000
    assert settings_for(tmp_path).max_user_events == 1000


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_double_logging_is_told_and_can_be_dropped(tmp_path, copies):
    log = log_of({f"u{n}": "abcdabef" for n in range(9)})
    write_log(tmp_path / "log.parquet", [row for row in log for _ in range(copies)])
    report = ingest(settings_for(tmp_path, **LEAVE_ONE), tmp_path / "out")
    assert report.counts["repeated"] == 72 * (copies - 1)
    told = [warning for warning in warnings_of(report) if "repeat the user, item and time" in warning]
    assert len(told) == (copies > 1)
    assert sequence(tmp_path / "out", "u1") == [item for item in "abcdabef" for _ in range(copies)]
    # Three copies of an item that occurs twice make it frequent only while they are counted.
    dropped = ingest(settings_for(tmp_path, drop_repeats_within=0, min_item_count=10, **LEAVE_ONE), tmp_path / "once")
    assert dropped.counts["rows_that_repeat"] == 72 * (copies - 1) and dropped.counts["repeated"] == 0
    assert sequence(tmp_path / "once", "u1") == list("abab")


def test_the_same_item_a_moment_later_is_told(tmp_path):
    log = [(f"u{n}", item, 1000 + 60 * place) for n in range(9) for place, item in enumerate("abcdabefa")]
    write_log(tmp_path / "log.parquet", log)
    assert not ingest(settings_for(tmp_path, **LEAVE_ONE), tmp_path / "out").counts["echoed"]
    write_log(tmp_path / "log.parquet", [*log, *((user, item, time + 1) for user, item, time in log)])
    report = ingest(settings_for(tmp_path, **LEAVE_ONE), tmp_path / "out")
    assert report.counts["echoed"] == len(log)
    assert any("are the item of the one before again, within 5 s" in warning for warning in warnings_of(report))


def of_items(report):
    return [warning for warning in warnings_of(report) if warning.startswith("items: ")]


def test_a_log_of_one_item_is_told(tmp_path):
    write_log(tmp_path / "log.parquet", log_of({f"u{n}": "aaaa" for n in range(9)}))
    (told,) = of_items(ingest(settings_for(tmp_path, **LEAVE_ONE), tmp_path / "out"))
    assert told.startswith("items: all 36 interactions that are kept are with one single item")
    assert told.endswith("Is data.columns.item the column of the items?")


def test_one_item_that_is_left_of_several_is_told(tmp_path):
    # b is frequent enough, but only among users who are not: 3 users x 4 rows of a are left.
    log = log_of({"u": "aaaa", "v": "aaaa", "w": "aaaa", "x": "bb", "y": "bb", "z": "c"})
    write_log(tmp_path / "log.parquet", log)
    report = ingest(settings_for(tmp_path, min_item_count=4, min_user_count=4, **LEAVE_ONE), tmp_path / "out")
    assert report.counts["items_kept"] == 2
    (told,) = of_items(report)
    assert told.startswith("items: all 12 interactions that are kept are with one single item")
    assert "The log has 3: lower data.min_item_count or data.min_user_count" in told


def test_an_item_with_more_than_half_of_the_rows_is_told(tmp_path):
    log = log_of({f"u{n}": "aaab" for n in range(8)}) + log_of({"v": "cdef"})
    write_log(tmp_path / "log.parquet", [*log, ("v", None, 300)])  # 24 of the 36 good rows
    report = ingest(settings_for(tmp_path, max_bad_rows=0.1, **LEAVE_ONE), tmp_path / "out")
    assert of_items(report) == [
        "items: one has 24 of 36 interactions (67%). Is it an item, or a word for an unknown one?"
    ]
    # Of each user's three in a row one is left: 8 of 8 + 8 + 4.
    once = ingest(settings_for(tmp_path, max_bad_rows=0.1, drop_repeats_within=1, **LEAVE_ONE), tmp_path / "once")
    assert once.most["largest_item"] == 8 and not of_items(once)
    write_log(tmp_path / "log.parquet", log_of({f"u{n}": "abab" for n in range(8)}))
    assert not of_items(ingest(settings_for(tmp_path, **LEAVE_ONE), tmp_path / "half"))


def test_ids_like_nulls_are_dropped_from_every_table(tmp_path):
    write_log(tmp_path / "log.parquet", log_of({"a": "xyxy", "b": "xyxy", "NULL": "xyxy"}))
    pq.write_table(pa.table({"item_id": ["x", "y", "nan"]}), tmp_path / "items.parquet")
    pq.write_table(pa.table({"user_id": ["a", "b", "None"], "age": [1, 2, 3]}), tmp_path / "users.parquet")
    columns = {"features": {"age": "numeric"}}
    settings = settings_for(
        tmp_path, items="items.parquet", users="users.parquet", user_columns=columns, drop_null_like_ids=True,
        max_bad_rows=0.5, **LEAVE_ONE,
    )  # fmt: skip
    report = ingest(settings, tmp_path / "out")
    assert dict(report.table("interactions").bad) == {"user_id: id that reads like a null": 4}
    assert dict(report.table("users").bad) == {"user_id: id that reads like a null": 1}
    items = ingest_items(settings, str(tmp_path / "items"))
    assert dict(items.table("items").bad) == {"item_id: id that reads like a null": 1}


def test_repeats_within_some_seconds():
    times = [0, 1, 2, 9, 0, 1, 3, 10**6]
    events = pa.RecordBatch.from_arrays(
        [
            pa.array(["u"] * 4 + ["v", "v", "u", "u"]),
            pa.array(["a", "a", "a", "a", "a", "b", "b", "b"]),
            pa.array(times),
            pa.array([0, 0, 500_000_000, 0, 0, 0, 0, 0], pa.int32()),
        ],
        names=["user", "item", "time", "nanoseconds"],
    )

    def left(within):
        kept = without_repeats(events, within)
        return list(zip(*(kept.column(n).to_pylist() for n in range(3)), strict=True))

    every = list(zip(*(events.column(n).to_pylist() for n in range(3)), strict=True))
    assert left(None) == left(0) == every
    assert left(1) == [row for row in every if row != ("u", "a", 1)]
    assert left(1.5) == [row for row in every if row not in (("u", "a", 1), ("u", "a", 2))]
    assert left(6.5) == [row for row in every if row[:2] != ("u", "a") or row[2] == 0]


def test_ids_that_differ_in_case_or_blanks_are_told(tmp_path):
    rows = [(user, item, 100 + n) for user in ("u", "U", " u", "v") for n, item in enumerate(("a", "A ", "b", "c"))]
    write_log(tmp_path / "log.parquet", rows)
    report = ingest(settings_for(tmp_path, **LEAVE_ONE), tmp_path / "out")
    assert (report.counts["users_that_look_alike"], report.counts["items_that_look_alike"]) == (2, 1)
    assert "2 user ids differ from another in case or blanks only" in describe_report(report)


def items_of(tmp_path, table, **columns):
    write_log(tmp_path / "log.parquet", log_of({"u": "abcd", "v": "abab"}))
    pq.write_table(pa.table(table), tmp_path / "items.parquet")
    return ingest_items(settings_for(tmp_path, items="items.parquet", item_columns=columns), str(tmp_path / "out"))


def test_the_whole_log_is_compared_with_the_items_table(tmp_path):
    report = items_of(tmp_path, {"item_id": ["a", "z"]})
    assert "interactions whose item the table has: 37.5%; items of the log that the catalogue lacks: 3 of 4" in (
        describe_report(report)
    )
    assert any("5 of 8 interactions (62%)" in warning for warning in warnings_of(report))


@pytest.mark.parametrize(
    ("values", "settings", "words"),
    [
        (["['x', 'all']", "['y', 'all']"], {}, "looks like a list and is read as one value"),
        (["Comedy|Drama", "War|Drama"], {}, "has '|' in 2 of 2 values"),
        (["Comedy|Drama", "War|Drama"], {"category_separator": "|"}, None),
        ([None, ""], {}, "is empty in all 2 rows"),
        (["x", "x"], {}, "holds 'x' in all 2 rows"),
        (["x", "y"], {}, None),
        (["x", None], {}, None),
    ],
)
def test_categories_that_say_nothing_are_told(tmp_path, values, settings, words):
    report = items_of(tmp_path, {"item_id": ["a", "b"], "kind": values}, category="kind", **settings)
    told = [warning for warning in warnings_of(report) if "column 'kind' (category)" in warning]
    assert (len(told) == 1 and words in told[0]) if words else not told


def test_few_users_with_a_profile_are_told(tmp_path):
    write_log(tmp_path / "log.parquet", log_of({f"u{n}": "abcd" for n in range(10)}))
    pq.write_table(pa.table({"user_id": ["u1"], "age": [3]}), tmp_path / "users.parquet")
    columns = {"features": {"age": "numeric"}}
    report = ingest(settings_for(tmp_path, users="users.parquet", user_columns=columns, **LEAVE_ONE), tmp_path / "out")
    assert "users with a row in the users' table: 1 of 10, 10.0%" in describe_report(report)
    assert any("only 1 of 10 users (10%)" in warning for warning in warnings_of(report))


def test_users_too_short_for_a_window_are_told_with_their_rows(tmp_path):
    write_log(tmp_path / "log.parquet", log_of({"a": "abcd", "b": "ab", "c": "abcd"}))
    report = ingest(settings_for(tmp_path, **LEAVE_ONE), tmp_path / "out")
    assert "users too short for the split: 1, with 2 interactions" in describe_report(report)
    assert not of_user(examples(tmp_path / "out", "train"), "b")


def test_a_report_merges_and_survives_its_file():
    one, two = Report(), Report()
    one.table("items").notes["n"] = 2
    one.least["t"], one.most["t"] = 3, 3
    two.least["t"], two.most["t"] = -1, 7
    two.table("items").notes["n"] = 1
    two.warnings = ["w"]
    one.add(two)
    again = Report.from_json(one.to_json())
    assert (again.least, again.most, again.warnings) == ({"t": -1}, {"t": 7}, ["w"])
    assert again.table("items").notes == {"n": 3} and again == one
    assert np.sum(list(again.counts.values())) == 0

"""Every bad input is answered in words: what, where, what to do. Nothing half-written is left."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components.ingestion.cut.hashing import hash_strings, split_of
from components.ingestion.files.inputs import check_inputs
from components.ingestion.files.report import describe_report
from components.ingestion.files.storage import full_disk_in_words, write_records
from components.settings import SplitSettings
from tests.components.ingestion.helpers import examples, ingest, log_of, settings_for, write_log
from trainer.errors import InputError

GOOD = "user_id,item_id,timestamp\n" + "".join(f"u{n},i{k},{k}\n" for n in range(30) for k in range(6))
LEAVE_ONE = {"split": {"method": "leave_last_out"}}


def refused(directory: Path, **values) -> str:
    """The words of the refusal; they name the file, and leave nothing under a final name."""
    with pytest.raises(InputError) as caught:
        ingest(settings_for(directory, **values), directory / "out")
    left = [path.name for path in (directory / "out").glob("*")] if (directory / "out").exists() else []
    assert not [name for name in left if name.startswith("Split-") or name.endswith(".json")]
    return str(caught.value)


def text(directory: Path, content: str | bytes, name: str = "log.csv") -> dict:
    (directory / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return {"interactions": name}


def test_missing_file(tmp_path):
    assert f"{tmp_path}/log.parquet (data.interactions) does not exist" in refused(tmp_path)


def test_empty_folder(tmp_path):
    (tmp_path / "log").mkdir()
    assert "is a folder without tables" in refused(tmp_path, interactions="log")


def test_folder_of_mixed_formats(tmp_path):
    (tmp_path / "log").mkdir()
    write_log(tmp_path / "log" / "b.parquet", log_of({"u": "abc"}))
    text(tmp_path / "log", GOOD, "a.csv")
    assert "mixes formats: a.csv is csv, b.parquet is parquet" in refused(tmp_path, interactions="log")


def test_folder_without_tables_and_unknown_suffix(tmp_path):
    (tmp_path / "log" / "year=2020").mkdir(parents=True)
    assert "is a folder without tables" in refused(tmp_path, interactions="log")
    assert "unpack it or save it as CSV" in refused(tmp_path, **text(tmp_path, GOOD, "log.csv.zip"))
    assert "neither CSV nor Parquet by its name" in refused(tmp_path, **text(tmp_path, GOOD, "log.txt"))


def test_empty_file_and_file_without_rows(tmp_path):
    assert "log.csv is empty" in refused(tmp_path, **text(tmp_path, ""))
    assert "log.csv (data.interactions) has no rows" in refused(
        tmp_path, **text(tmp_path, "user_id,item_id,timestamp\n")
    )
    pq.write_table(
        pa.table({"user_id": pa.array([], pa.string()), "item_id": [], "timestamp": []}), tmp_path / "e.parquet"
    )
    assert "e.parquet has no rows" in refused(tmp_path, interactions="e.parquet")


def test_missing_column_names_the_nearest(tmp_path):
    said = refused(tmp_path, **text(tmp_path, GOOD.replace("user_id", "UserId")))
    assert "has no column 'user_id' (data.columns.user)" in said
    assert "The nearest is 'UserId': set data.columns.user to it." in said
    write_log(tmp_path / "log.parquet", log_of({"u": "abc"}), ("user_id", "item_id", "time"))
    said = refused(tmp_path)
    assert "It has: user_id, item_id, time. The nearest is 'time': set data.columns.timestamp to it." in said


def test_another_separator(tmp_path):
    assert "separated by tabs" in refused(tmp_path, **text(tmp_path, GOOD, "log.tsv"))


def test_column_named_twice(tmp_path):
    said = refused(tmp_path, **text(tmp_path, "user_id,user_id,item_id,timestamp\na,b,c,1\n"))
    assert "has 2 columns named 'user_id'" in said


def test_broken_parquet(tmp_path):
    (tmp_path / "log.parquet").write_bytes(b"PAR1 and no more")
    assert "log.parquet is not a readable Parquet file" in refused(tmp_path)
    path = write_log(tmp_path / "log.parquet", [(f"u{i}", "a", i) for i in range(5000)])
    whole = path.read_bytes()
    path.write_bytes(whole[:40] + bytes(400) + whole[440:])
    assert "log.parquet cannot be read to its end" in refused(tmp_path)


def test_parquet_named_csv_and_utf16(tmp_path):
    path = write_log(tmp_path / "log.parquet", log_of({"u": "abc"}))
    path.rename(tmp_path / "log.csv")
    assert "is a Parquet file by its content" in refused(tmp_path, interactions="log.csv")
    assert "not UTF-8" in refused(tmp_path, **text(tmp_path, GOOD.encode("utf-16")))


def test_list_as_id_and_boolean_as_time(tmp_path):
    write_log(tmp_path / "log.parquet", [(["u"], "a", 1)])
    assert "'user_id' of" in (said := refused(tmp_path)) and "an id is one value" in said
    write_log(tmp_path / "log.parquet", [("u", "a", True)])
    assert "is not a time" in refused(tmp_path)


def test_few_bad_rows_are_dropped_and_counted(tmp_path):
    bad = ",i1,5\nu1,,5\nu1,i1,yesterday\nu1,i1\nu1,i1,\n"
    lines = GOOD.splitlines(keepends=True)
    content = "".join(lines[:4]) + bad + "".join(lines[4:])
    binary = content.encode().replace(b"u5,i3", b"u5,i\xff")
    settings = settings_for(tmp_path, max_bad_rows=0.1, **text(tmp_path, binary), **LEAVE_ONE)
    report = ingest(settings, tmp_path / "out")
    table = report.table("interactions")
    assert table.rows == 30 * 6 + 5
    assert dict(table.bad) == {
        "wrong number of fields": 1,
        "user_id: null or empty id": 1,
        "item_id: null or empty id": 1,
        "item_id: not UTF-8": 1,
        "timestamp: null or empty time": 1,
        "timestamp: unparsable time": 1,
    }
    assert [(row.file, row.row) for row in table.first_bad] == [("log.csv", n) for n in (4, 5, 6, 7, 8)]
    assert "e.g. log.csv, data row 6: timestamp: unparsable time (b'yesterday')" in describe_report(report)
    histories = {e["user_id"][0]: e["history"] for e in examples(tmp_path / "out", "test")}
    assert histories["u5"] == ["i0", "i1", "i2", "i4"] and len(histories) == 30


def test_many_bad_rows_are_refused_with_the_first(tmp_path):
    said = refused(tmp_path, **text(tmp_path, GOOD + "u1,i1,yesterday\n" * 5))
    assert "5 of 185 rows of" in said and "data.max_bad_rows = 0.01" in said
    assert "log.csv, data row 181: timestamp: unparsable time (b'yesterday')" in said


def test_rows_of_parquet_are_named_across_row_groups(tmp_path):
    rows = [(f"u{n % 9}", "a", n) for n in range(40)]
    rows[33] = (None, "a", 1)
    columns = dict(zip(("user_id", "item_id", "timestamp"), map(list, zip(*rows, strict=True)), strict=True))
    pq.write_table(pa.table(columns), tmp_path / "log.parquet", row_group_size=7)
    assert "log.parquet, data row 34: user_id: null or empty id" in refused(tmp_path)


@pytest.mark.parametrize("line", ['"u1,i1,5\n', 'u1,"i1,5\n', 'u1,i1,"5\n', 'u1,"i1,5\nu2,i2,6\nu3,i3",7\n'])
def test_quotation_mark_never_closed_is_refused_for_it_hides_rows(tmp_path, line):
    said = refused(tmp_path, **text(tmp_path, GOOD + line + GOOD))
    assert "Data row 181 of" in said and "runs over several lines" in said


def test_quotation_mark_never_closed_in_a_file_of_many_blocks(tmp_path):
    assert "quotation mark" in refused(tmp_path, **text(tmp_path, GOOD + 'u1,"i1,5\n' + GOOD * 15_000))


def test_nothing_left_after_the_filters(tmp_path):
    write_log(tmp_path / "log.parquet", log_of({"u": "abc", "v": "abc"}))
    assert "none of its 3 items has data.min_item_count = 3" in refused(tmp_path, min_item_count=3)
    assert "none of its 2 users has data.min_user_count = 9" in refused(tmp_path, min_user_count=9)


def test_all_users_too_short(tmp_path):
    write_log(tmp_path / "log.parquet", log_of({f"u{i}": "abc" for i in range(40)}))
    said = refused(tmp_path, min_history=4)
    assert "nothing to train on" in said and "data.min_history = 4" in said
    assert "before the two that are held out" in refused(tmp_path, min_history=4, **LEAVE_ONE)


def test_one_user_only(tmp_path):
    users = pa.array([f"u{i}" for i in range(30)])
    trained = users[int((split_of(hash_strings(users), SplitSettings()) == 0).argmax())].as_py()
    write_log(tmp_path / "log.parquet", log_of({trained: "abcdefgh"}))
    said = refused(tmp_path)
    assert "The split 'valid' is empty: only 1 users" in said and "leave_last_out" in said
    report = ingest(settings_for(tmp_path, **LEAVE_ONE), tmp_path / "out")
    assert dict(report.examples) == {"train": 1, "valid": 1, "test": 1}


def test_history_shorter_than_its_minimum(tmp_path):
    write_log(tmp_path / "log.parquet", log_of({"u": "abcdefgh"}))
    with pytest.raises(InputError, match=r"do not fit into transform.max_history = 3"):
        ingest(settings_for(tmp_path, min_history=4), tmp_path / "out", 3)


def test_text_where_a_number_belongs_in_the_users_table(tmp_path):
    write_log(tmp_path / "log.parquet", log_of({"u": "abcd", "v": "abcd"}))
    (tmp_path / "users.csv").write_text("user_id,age\nu,old\nv,7\n")
    features = {"users": "users.csv", "user_columns": {"features": {"age": "numeric"}}, **LEAVE_ONE}
    said = refused(tmp_path, **features)
    assert "users.csv, data row 1: age: not a number (b'old')" in said
    ingest(settings_for(tmp_path, max_bad_rows=0.5, **features), tmp_path / "out")
    assert {e["user_id"][0]: e["user_age"] for e in examples(tmp_path / "out", "test")} == {"u": [], "v": [7.0]}


def test_users_table_of_other_ids(tmp_path):
    write_log(tmp_path / "log.parquet", log_of({"u": "abcd"}))
    (tmp_path / "users.csv").write_text("user_id,age\n1,30\n")
    features = {"users": "users.csv", "user_columns": {"features": {"age": "numeric"}}, **LEAVE_ONE}
    assert "None of the 1 kept users has a row in" in refused(tmp_path, **features)


def test_feature_that_would_hide_the_user(tmp_path):
    write_log(tmp_path / "log.parquet", log_of({"u": "abcd"}))
    (tmp_path / "users.csv").write_text("user_id,id\nu,3\n")
    said = refused(tmp_path, users="users.csv", user_columns={"features": {"id": "numeric"}})
    assert "cannot be named 'id'" in said


def test_milliseconds_are_noticed(tmp_path):
    write_log(tmp_path / "log.parquet", [("u", item, 1_600_000_000_000 + n) for n, item in enumerate("abcd")])
    report = ingest(settings_for(tmp_path, **LEAVE_ONE), tmp_path / "out")
    assert "times: 2020-09-13 to 2020-09-13, read as milliseconds" in describe_report(report)


def test_check_inputs_needs_no_run(tmp_path):
    write_log(tmp_path / "log.parquet", log_of({"u": "abcd"}))
    check_inputs(settings_for(tmp_path))
    with pytest.raises(InputError, match=r"data.items"):
        check_inputs(settings_for(tmp_path, items="nowhere.csv"))


def test_full_disk_is_said_in_words():
    words = pytest.raises(InputError, match="No space left while writing below here")
    with words, full_disk_in_words("here"), tf.io.TFRecordWriter("/dev/full") as writer:
        for _ in range(1000):
            writer.write(bytes(1000))


def test_full_disk_in_the_midst_of_a_run_leaves_nothing(tmp_path, monkeypatch):
    def full(path, records):
        raise OSError(errno.ENOSPC, "No space left on device")

    write_log(tmp_path / "log.parquet", log_of({"u": "abcd"}))
    monkeypatch.setattr("components.ingestion.flow.write_records", full)
    assert "No space left while writing below" in refused(tmp_path, **LEAVE_ONE)


def test_a_killed_writer_leaves_no_final_file(tmp_path):
    program = (
        "import os, sys\n"
        "from components.ingestion.files.storage import write_records\n"
        "def records():\n"
        "    yield b'one' * 1000\n"
        "    os.kill(os.getpid(), 9)\n"
        "    yield b'two'\n"
        "write_records(sys.argv[1], records())\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.gz")], check=False, env=os.environ)
    assert done.returncode == -9
    assert not (tmp_path / "a.gz").exists()


def test_a_second_run_clears_what_a_killed_one_left(tmp_path):
    write_log(tmp_path / "log.parquet", log_of({"u": "abcd"}))
    left = tmp_path / "out" / ".partial" / "Split-train"
    left.mkdir(parents=True)
    (left / "data_tfrecord-00007-of-00009.gz").write_bytes(b"half")
    ingest(settings_for(tmp_path, **LEAVE_ONE), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out" / "Split-train").iterdir()] == ["data_tfrecord-00000-of-00001.gz"]
    assert not (tmp_path / "out" / ".partial").exists()


def test_records_are_written_whole(tmp_path):
    write_records(str(tmp_path / "a.gz"), [b"x", b""])
    assert list(tf.data.TFRecordDataset(str(tmp_path / "a.gz"), "GZIP").as_numpy_iterator()) == [b"x", b""]
    assert os.listdir(tmp_path) == ["a.gz"]

import json

import pytest

from pipeline.records import record as records
from pipeline.records.record import UnreadableRecord, free_id, read, write
from tests.pipeline.records.records import BEGUN, record


def test_what_was_written_is_read(tmp_path):
    written = record(config={"model": {"label_power": float("inf"), "rates": [0.5, float("nan")]}})
    assert written.config == {"model": {"label_power": "inf", "rates": [0.5, "nan"]}}
    file = write(written, tmp_path, keep=3)
    assert file == tmp_path / "records" / written.id / "run.json"
    assert read(file) == written
    # For other programs: JSON knows no infinity.
    json.loads(file.read_text(), parse_constant=pytest.fail)


def test_the_oldest_make_room(tmp_path):
    for minute in range(4):
        write(record(minute), tmp_path, keep=2)
    (tmp_path / "records" / "notes").mkdir()
    write(record(9), tmp_path, keep=2)
    assert sorted(path.name for path in (tmp_path / "records").iterdir()) == [record(3).id, record(9).id, "notes"]


def test_runs_of_the_same_second_have_ids_of_their_own(tmp_path):
    for number in range(11):
        run = free_id(tmp_path, BEGUN)
        assert run == ("20260301-120000" if number == 0 else f"20260301-120000-{number + 1}")
        write(record(id=run), tmp_path, keep=2)
        kept = {path.name for path in (tmp_path / "records").iterdir()}
        assert run in kept and len(kept) == min(2, number + 1)


def test_a_record_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records.os, "rename", full)
    with pytest.raises(OSError, match="No space"):
        write(record(), tmp_path, keep=2)
    assert list((tmp_path / "records").iterdir()) == []


def test_a_field_of_a_later_version_is_no_obstacle_and_another_format_is(tmp_path):
    file = write(record(), tmp_path, keep=2)
    values = json.loads(file.read_text())
    file.write_text(json.dumps({**values, "carbon": 3}))
    assert read(file) == record()
    for content, words in (
        (json.dumps({**values, "format": 2}), "not a record of format 1: format"),
        (file.read_text()[:100], "not a record of format 1"),
        (json.dumps({"format": 1}), "not a record of format 1: id"),
    ):
        file.write_text(content)
        with pytest.raises(UnreadableRecord, match=words) as raised:
            read(file)
        assert str(file) in str(raised.value)
    with pytest.raises(UnreadableRecord, match="No such file"):
        read(tmp_path / "run.json")

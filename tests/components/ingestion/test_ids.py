"""One spelling of ids, whatever format and type they come in."""

import decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ingestion.read.warnings import warnings_of
from components.ingestion.values.columns import (
    BAD_NUMBER,
    FRACTIONAL_ID,
    FRACTIONAL_NOTE,
    LINE_BREAK,
    NOT_FINITE,
    NULL_ID,
    NULL_LIKE_ID,
    NULL_LIKE_NOTE,
    ROUNDED_ID,
    SCIENTIFIC_ID,
    to_float_lists,
    to_ids,
    to_string_lists,
)
from components.ingestion.values.labels import to_labels
from serving.client.spelling import word
from tests.components.ingestion.helpers import examples, ingest, settings_for
from trainer.errors import InputError

LEAVE_ONE = {"split": {"method": "leave_last_out"}}


def bad(column):
    return {reason: np.flatnonzero(mask).tolist() for reason, mask in column.bad.items() if mask.any()}


@pytest.mark.parametrize(
    "values",
    [
        pa.array([12, 0, -7, None]),
        pa.array([12, 0, -7, None], pa.int8()),
        pa.array([12.0, -0.0, -7.0, float("nan")]),
        pa.array([12.0, 0.0, -7.0, None], pa.float32()),
        pa.array([decimal.Decimal("12.00"), decimal.Decimal("0.00"), decimal.Decimal("-7.00"), None]),
        pa.array(["12", "0", "-7", ""]),
        pa.array(["12.0", "-0.0", "-7.000", None]),
        pa.array([b"12.0", b"0.0", b"-7", b" "]),
        pa.array(["12.0", "0.0", "-7", None]).dictionary_encode(),
    ],
)
def test_whole_numbers_have_one_spelling(values):
    column = to_ids(values, "id")
    assert column.values.to_pylist()[:3] == ["12", "0", "-7"]
    assert bad(column) == {NULL_ID: [3]}


def test_what_is_no_whole_number_stays_as_it_is():
    texts = ["007", "007.5", "1.10", "1.0.0", "1e5", "12e4", "v1.0", ".0", "1.", "+1.0", " 12.0", "ünï", "a,b", "x\0y"]
    assert to_ids(pa.array(texts), "id").values.to_pylist() == texts
    assert to_ids(pa.array(["007.0"]), "id").values.to_pylist() == ["007"]
    assert [word("id", text) for text in [*texts, "007.0"]] == [*texts, "007"]


def test_numbers_that_lost_digits_are_bad():
    column = to_ids(pa.array([2.0**24, 2.0**24 + 2, float("inf")], pa.float32()), "id")
    assert bad(column) == {ROUNDED_ID: [1, 2]}
    column = to_ids(pa.array([2.0**53, 2.0**53 + 2, 1e300]), "id")
    assert bad(column) == {ROUNDED_ID: [1, 2]} and column.values[0].as_py() == str(2**53)
    assert bad(to_ids(pa.array(["1.23457E+12", "4,01e+07", "4e7"]), "id")) == {SCIENTIFIC_ID: [0, 1]}


@pytest.mark.parametrize("other", ["12.0", "7", "0.5", "x", None])
def test_an_id_is_spelt_alike_whatever_its_neighbours(other):
    texts = ["-0", "-0.0", "-00", "0.50", ".5", "1e3", "-7.000"]
    expected = ["0", "0", "-00", "0.50", ".5", "1e3", "-7"]
    assert to_ids(pa.array([*texts, other]), "id").values.to_pylist()[:-1] == expected
    for text, spelt in zip(texts, expected, strict=True):
        assert to_ids(pa.array([other, text]), "id").values[1].as_py() == word("id", text) == spelt


@pytest.mark.parametrize(
    "values",
    [
        pa.array([12.0, 0.5, 1e-7, 1.5e-7, 1000.0, -0.25]),
        pa.array([12.0, 0.5, 2.0**-20, 1.5 * 2.0**-20, 1000.0, -0.25], pa.float32()),
        pa.array([decimal.Decimal(text) for text in ("12.00", "0.50", "0.01", "1.25", "1000.00", "-0.25")]),
        pa.array([12.0, 0.5, 1e-7, 1.5e-7, 1000.0, -0.25]).dictionary_encode(),
    ],
)
def test_fractions_in_a_column_of_numbers_are_no_ids(values):
    column = to_ids(values, "id")
    assert bad(column) == {FRACTIONAL_ID: [1, 2, 3, 5]} and not column.notes[FRACTIONAL_NOTE]
    assert (column.values[0].as_py(), column.values[4].as_py()) == ("12", "1000")


def test_fractions_in_text_are_text_and_told():
    texts = ["0.5", "0.50", "1e3", "1000", "1000.0", "1.2.3", "2.5E7", "1.5e-07", "v0.5", "12e", ".", "1e-07"]
    column = to_ids(pa.array(texts), "id")
    # As Java writes 25,000,000, and as Python writes 0.00000015: no one types an id so.
    assert bad(column) == {SCIENTIFIC_ID: [6, 7]}
    kept = ["0.5", "0.50", "1e3", "1000", "1000", "1.2.3", "2.5E7", "1.5e-07", "v0.5", "12e", ".", "1e-07"]
    assert column.values.to_pylist() == kept
    assert column.notes[FRACTIONAL_NOTE] == 4  # 0.5, 0.50, 1e3 and 1e-07


def test_fractions_mean_the_same_in_every_format_or_are_refused(tmp_path):
    items = [0.5, 2.0, 0.25]
    rows = [(f"u{u}", items[(u + t) % 3], 100 + t) for u in range(6) for t in range(6)]
    users, numbers, times = (list(column) for column in zip(*rows, strict=True))
    texts = [str(number) for number in numbers]
    for name, ids in (("text.parquet", texts), ("float.parquet", numbers)):
        pq.write_table(pa.table({"user_id": users, "item_id": ids, "timestamp": times}), tmp_path / name)
    lines = (f"{u},{i},{t}\n" for u, i, t in zip(users, texts, times, strict=True))
    (tmp_path / "text.csv").write_text("user_id,item_id,timestamp\n" + "".join(lines))
    for name in ("text.parquet", "text.csv"):
        report = ingest(settings_for(tmp_path, interactions=name, **LEAVE_ONE), tmp_path / name[4:])
        found = {item for e in examples(tmp_path / name[4:], "test") for item in e["history"] + e["targets"]}
        assert found == {"0.5", "2", "0.25"} and not report.table("interactions").bad_rows
        assert report.table("interactions").notes[f"item_id: {FRACTIONAL_NOTE}"] == 24
    with pytest.raises(InputError, match=r"24 of 36 rows .* fractional number in a column of numbers.*write ids as"):
        ingest(settings_for(tmp_path, interactions="float.parquet", **LEAVE_ONE), tmp_path / "out")


def test_text_that_reads_like_a_null_is_told_or_dropped():
    values = pa.array(["nan", "None", "NULL", "n/a", "<NA>", "\\N", "banana", "none of it"])
    column = to_ids(values, "id")
    assert not bad(column) and column.notes == {NULL_LIKE_NOTE: 6}
    assert bad(to_ids(values, "id", null_like=False)) == {NULL_LIKE_ID: [0, 1, 2, 3, 4, 5]}


def test_line_breaks_are_bad_in_every_format(tmp_path):
    ids = [f"i{n}" for n in range(4)] + ["sku\r77", "sku\n78"]
    rows = [(f"u{u}", ids[(u + t) % 6], 100 + t) for u in range(12) for t in range(12)]
    columns = dict(zip(("user_id", "item_id", "timestamp"), map(list, zip(*rows, strict=True)), strict=True))
    pq.write_table(pa.table(columns), tmp_path / "log.parquet")
    with (tmp_path / "log.csv").open("w", newline="") as file:
        file.write("user_id,item_id,timestamp\n" + "".join(f'{u},"{i}",{t}\n' for u, i, t in rows))
    for name in ("log.parquet", "log.csv"):
        report = ingest(settings_for(tmp_path, interactions=name, max_bad_rows=0.4, **LEAVE_ONE), tmp_path / name[4:])
        assert dict(report.table("interactions").bad) == {"item_id: line break in an id": 48}
        found = {item for e in examples(tmp_path / name[4:], "test") for item in e["history"] + e["targets"]}
        assert found == {"i0", "i1", "i2", "i3"}
        assert any("48 of 144 rows are bad" in warning for warning in warnings_of(report))


def test_values_that_become_a_vocabulary_hold_no_line_breaks():
    values = pa.array([["a\rb", "c"], ["d"], None])
    assert bad(to_string_lists(values, "c")) == {LINE_BREAK: [0]}
    assert not bad(to_string_lists(values, "c", line_breaks=True))


@pytest.mark.parametrize(
    "values",
    [
        pa.array([float("inf"), 1e39, -1e39, 1e30, None]),
        pa.array(["1e400", "1e39", "-1e39", "1e30", ""]),
        pa.array([[1.0, float("-inf")], [1e39], [-1e39], [1e30], []]),
    ],
)
def test_numbers_beyond_float32_are_bad(values):
    column = to_float_lists(values, "n")
    assert bad(column) == {NOT_FINITE: [0, 1, 2]}
    assert column.values.to_pylist()[3:] == [[np.float32(1e30)], []]


def test_text_in_another_encoding_is_no_absent_number():
    values = pa.array([b"\xa3100", b"100", b"", b"nan"])
    assert bad(to_float_lists(values, "n")) == {BAD_NUMBER: [0]}
    assert to_float_lists(values, "n").values.to_pylist() == [[], [100.0], [], []]
    assert bad(to_labels(values, "l", 1.0)) == {BAD_NUMBER: [0]}


def test_infinite_labels_and_attributes_are_bad():
    assert bad(to_labels(pa.array([1.0, float("inf"), float("nan")]), "l", 1.0)) == {NOT_FINITE: [1]}
    assert bad(to_labels(pa.array(["1", "1e400", ""]), "l", 1.0)) == {NOT_FINITE: [1]}
    assert bad(to_string_lists(pa.array([1.5, float("-inf"), None]), "a")) == {NOT_FINITE: [1]}

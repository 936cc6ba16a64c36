"""One spelling of ids, whatever format and type they come in."""

import decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ingestion.read.warnings import warnings_of
from components.ingestion.values.columns import (
    BAD_NUMBER,
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
from tests.components.ingestion.helpers import examples, ingest, settings_for

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


def test_numbers_that_lost_digits_are_bad():
    column = to_ids(pa.array([2.0**24, 2.0**24 + 2, float("inf")], pa.float32()), "id")
    assert bad(column) == {ROUNDED_ID: [1, 2]}
    column = to_ids(pa.array([2.0**53, 2.0**53 + 2, 1e300]), "id")
    assert bad(column) == {ROUNDED_ID: [1, 2]} and column.values[0].as_py() == str(2**53)
    assert bad(to_ids(pa.array(["1.23457E+12", "4,01e+07", "4e7"]), "id")) == {SCIENTIFIC_ID: [0, 1]}


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

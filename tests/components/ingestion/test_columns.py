import datetime
import decimal

import numpy as np
import pyarrow as pa
import pytest

from components.ingestion.values.columns import BAD_NUMBER, NOT_UTF8, NULL_ID, to_float_lists, to_ids, to_string_lists
from components.ingestion.values.times import BAD_TIME, NULL_TIME, to_seconds
from trainer.errors import InputError


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([1, 20], pa.int32()), ["1", "20"]),
        (pa.array([2**63], pa.uint64()), ["9223372036854775808"]),
        (pa.array([1.0, 2.5, 1e15]), ["1", "2.5", "1000000000000000"]),
        (pa.array(["a", "é"]), ["a", "é"]),
        (pa.array(["a", "b"], pa.large_string()), ["a", "b"]),
        (pa.array([b"a", "é".encode()]), ["a", "é"]),
        (pa.array(["x", "y", "x"]).dictionary_encode(), ["x", "y", "x"]),
        (pa.array([decimal.Decimal("12"), decimal.Decimal("3")]), ["12", "3"]),
        (pa.array([datetime.date(2020, 1, 2)]), ["2020-01-02"]),
    ],
)
def test_ids_of_any_type_are_strings(values, expected):
    assert to_ids(values, "id").values.to_pylist() == expected


def test_null_empty_nan_and_undecodable_ids_are_bad():
    column = to_ids(pa.array([b"a", None, b"", b"\xff\xfe"]), "id")
    assert column.bad[NULL_ID].tolist() == [False, True, True, False]
    assert column.bad[NOT_UTF8].tolist() == [False, False, False, True]
    assert to_ids(pa.array([1.0, np.nan]), "id").bad[NULL_ID].tolist() == [False, True]
    assert to_ids(pa.nulls(2), "id").bad[NULL_ID].tolist() == [True, True]


def test_a_string_column_with_broken_bytes_is_checked_too():
    raw = pa.array([b"a", b"\xff"])
    claimed = pa.Array.from_buffers(pa.string(), 2, raw.buffers())
    assert to_ids(claimed, "id").bad[NOT_UTF8].tolist() == [False, True]


def test_a_list_is_no_id():
    with pytest.raises(InputError, match="'ids' of log is of type list"):
        to_ids(pa.array([["a"]]), "'ids' of log")


NOON = 1577966400  # 2020-01-02T12:00:00Z, by `date -d`


@pytest.mark.parametrize(
    "values",
    [
        pa.array([NOON], pa.int64()),
        pa.array([NOON], pa.uint32()),
        pa.array([NOON + 0.9]),
        pa.array([decimal.Decimal(NOON)]),
        pa.array([str(NOON)]),
        pa.array([f"{NOON}.75"]),
        pa.array(["1.5779664e9"]),
        pa.array(["2020-01-02T12:00:00Z"]),
        pa.array(["2020-01-02 12:00:00"]),
        pa.array(["2020-01-02T13:00:00.25+01:00"]),
        pa.array([b"2020-01-02 12:00"]),
        pa.array([datetime.datetime(2020, 1, 2, 12)], pa.timestamp("ms")),
        pa.array([NOON], pa.timestamp("s", "Europe/Berlin")),
        pa.array(["2020-01-02T12:00:00Z"]).dictionary_encode(),
    ],
)
def test_times_of_any_spelling(values):
    column = to_seconds(values, "time")
    assert column.values.to_pylist() == [NOON]
    assert not any(mask.any() for mask in column.bad.values())


def test_dates_are_midnight():
    midnight = NOON - 12 * 3600
    assert to_seconds(pa.array([datetime.date(2020, 1, 2)]), "time").values.to_pylist() == [midnight]
    assert to_seconds(pa.array([datetime.date(2020, 1, 2)], pa.date64()), "time").values.to_pylist() == [midnight]
    assert to_seconds(pa.array(["2020-01-02"]), "time").values.to_pylist() == [midnight]


def test_before_1970_fractions_are_cut_downwards():
    assert to_seconds(pa.array([-0.5, -1.0]), "time").values.to_pylist() == [-1, -1]
    assert to_seconds(pa.array([-1], pa.timestamp("ms")), "time").values.to_pylist() == [-1]


def test_bad_times_are_told_apart_from_missing_ones():
    texts = pa.array(["12", "", None, "yesterday", "2020-13-01", "nan", "1e300", "2020-01-02"])
    column = to_seconds(texts, "time")
    assert np.flatnonzero(column.bad[NULL_TIME]).tolist() == [1, 2]
    assert np.flatnonzero(column.bad[BAD_TIME]).tolist() == [3, 4, 5, 6]
    assert to_seconds(pa.array([1.0, np.nan, np.inf]), "time").bad[BAD_TIME].tolist() == [False, False, True]
    assert to_seconds(pa.array([1, None]), "time").bad[NULL_TIME].tolist() == [False, True]


def test_a_boolean_is_no_time():
    with pytest.raises(InputError, match="not a time"):
        to_seconds(pa.array([True]), "column 'time'")


def test_categories_are_lists():
    assert to_string_lists(pa.array(["a", None, ""]), "c").values.to_pylist() == [["a"], [], []]
    assert to_string_lists(pa.array([["a", "b"], [], None, [None, "c"]]), "c").values.to_pylist() == [
        ["a", "b"],
        [],
        [],
        ["c"],
    ]
    assert to_string_lists(pa.array([[1, 2], [3]]).slice(1), "c").values.to_pylist() == [["3"]]
    assert to_string_lists(pa.array([3, None]), "c").values.to_pylist() == [["3"], []]
    assert to_string_lists(pa.array(["a|b", "c", None]), "c", "|").values.to_pylist() == [["a", "b"], ["c"], []]


def test_numbers_are_lists_and_text_among_them_is_bad():
    assert to_float_lists(pa.array([1, None]), "n").values.to_pylist() == [[1.0], []]
    assert to_float_lists(pa.array([[0.5, 0.0], None]), "n").values.to_pylist() == [[0.5, 0.0], []]
    column = to_float_lists(pa.array([b"1", b"", b" -2.5e1 ", b"old"]), "n")
    assert column.values.to_pylist() == [[1.0], [], [-25.0], []]
    assert column.bad[BAD_NUMBER].tolist() == [False, False, False, True]

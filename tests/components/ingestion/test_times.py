"""Times at full precision, one rule for a value, and what a log's times say of it."""

import datetime
import decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ingestion.files.report import describe_report
from components.ingestion.read.warnings import warnings_of
from components.ingestion.values.times import BAD_TIME, EXPONENT_NOTE, ROUNDED_TIME, to_seconds
from tests.components.ingestion.helpers import examples, ingest, settings_for, write_log
from trainer.errors import InputError

NOON = 1577966400  # 2020-01-02T12:00:00Z, by `date -d`
LEAVE_ONE = {"split": {"method": "leave_last_out"}}


def read(values, unit="auto"):
    times = to_seconds(values, "time", unit)
    bad = np.zeros(len(values), dtype=bool)
    for mask in times.bad.values():
        bad |= mask
    return [
        None if wrong else (second, nanosecond)
        for second, nanosecond, wrong in zip(
            times.values.to_pylist(), times.nanoseconds.to_pylist(), bad.tolist(), strict=True
        )
    ]


@pytest.mark.parametrize(
    ("values", "nanoseconds"),
    [
        (pa.array([NOON + 0.25]), 250_000_000),
        (pa.array([f"{NOON}.123456789"]), 123_456_789),
        (pa.array([f"{NOON}.1234567891"]), 123_456_789),
        (pa.array([decimal.Decimal(f"{NOON}.125")]), 125_000_000),
        (pa.array([NOON * 1000 + 7]), 7_000_000),
        (pa.array([f"{NOON * 1000}.5"]), 500_000),
        (pa.array([(NOON * 10**6 + 9) * 1.0]), 9_000),
        (pa.array([NOON * 10**9 + 3]), 3),
        (pa.array([str(NOON * 10**9 + 3)]), 3),
        (pa.array([NOON * 10**9 + 3], pa.uint64()), 3),
        (pa.array([NOON * 10**9 + 3], pa.timestamp("ns")), 3),
        (pa.array([NOON * 10**6 + 3], pa.timestamp("us", "UTC")), 3_000),
        (pa.array([NOON * 10**3 + 3], pa.date64()), 3_000_000),
        (pa.array(["2020-01-02T12:00:00.000000003Z"]), 3),
        (pa.array(["2020-01-02 12:00:00,5"]), 500_000_000),
        (pa.array(["20200102T120000.25Z"]), 250_000_000),
    ],
)
def test_no_precision_is_lost(values, nanoseconds):
    assert read(values) == [(NOON, nanoseconds)]


def test_before_1970_fractions_count_upwards_from_the_second_before():
    assert read(pa.array([-1.25])) == read(pa.array(["-1.25"])) == [(-2, 750_000_000)]
    assert read(pa.array([-1250], pa.timestamp("ms"))) == [(-2, 750_000_000)]


NUMBERS = {
    b"-9223372036854775808": None,
    b"0x10": None,
    b"1656105611123456789": (1656105611, 123456789),
    b"18446744073709551615": None,
    b"1e3": (1000, 0),
    b".5": (0, 500_000_000),
    b".": None,
    b"+7": (7, 0),
}
# 2024-01-31T10:15:00Z is 1706696100, by `date -d`; ``+01`` is 3,600 s less.
WRITTEN = {
    b"1.7e9": (1_700_000_000, 0),
    b"1.7E+09": (1_700_000_000, 0),
    b"1.656105611123456789e18": (1_656_105_611, 123_456_789),
    b"17000000005e-1": (1_700_000_000, 500_000_000),
    b"-1.5e0": (-2, 500_000_000),
    b"1e-300": (0, 0),
    b"9.3e18": None,
    b"1e999999999": None,
    b"1e": None,
    b"2024-01-31t10:15:00z": (1_706_696_100, 0),
    b"2024-01-31t10:15:00.5utc": (1_706_696_100, 500_000_000),
    b"20240131t101500z": (1_706_696_100, 0),
    b"9999-12-31t00:00:00z": (253_402_214_400, 0),
    b"2024-01-31T10:15:00+01": (1_706_692_500, 0),
    b"2024-01-31T10:15:00+0159": (1_706_696_100 - 7_140, 0),
    b"2024-01-31T10:15:00-01:59": (1_706_696_100 + 7_140, 0),
    b"2024-01-31T10:15:00+01:60": None,
    b"2024-01-31T10:15:00+01:99": None,
    b"20240131T101500-0199": None,
    b"9999-12-31T00:00:00+01:99": None,
    b"2024-01-31T10:15:00+24:00": None,
    b"2024-01-31T10:15:00+1:00": None,
    b"2024-01-31T24:00:00Z": None,
    b"2024-01-31T10:15:60Z": None,
}
VALUES, EXPECTED = [*NUMBERS, *WRITTEN], [*NUMBERS.values(), *WRITTEN.values()]


@pytest.mark.parametrize("other", [b"1600000000", b"1600000000.5", b"2020-01-02", b"", b"yesterday", None])
def test_a_value_is_read_alike_whatever_its_neighbours(other):
    for value, expected in zip(VALUES, EXPECTED, strict=True):
        assert read(pa.array([value, other], pa.binary()))[0] == expected
        assert read(pa.array([other, value], pa.binary()))[1] == expected
    assert read(pa.array([*VALUES, other], pa.binary()))[:-1] == EXPECTED


def test_times_that_spreadsheets_round_are_told():
    assert to_seconds(pa.array(["1.7e9", "1700000000", "1e", "1e99", "2.5E+3"]), "t").notes == {EXPONENT_NOTE: 2}


def test_sentinels_are_no_times_in_any_type():
    for values in (
        pa.array([-(2**63), 2**63 - 1]),
        pa.array([2**64 - 1, 2**63], pa.uint64()),
        pa.array([-(2.0**63), float("inf")]),
        pa.array([-(2**63) + 0, 2**63 - 1]).cast(pa.timestamp("us")),
    ):
        assert to_seconds(values, "time").bad[BAD_TIME].tolist() == [True, True]


def test_float32_that_rounds_is_bad():
    column = to_seconds(pa.array([1.7e9, 1000.0], pa.float32()), "time")
    assert column.bad[ROUNDED_TIME].tolist() == [True, False]


def test_a_unit_can_be_given():
    assert read(pa.array([1500]), "ms") == [(1, 500_000_000)]
    assert read(pa.array(["1500.5"]), "us") == [(0, 1_500_500)]
    # 2024-01-31 06:00 is day 45322.25 of a spreadsheet; 2024-01-31 is 19,753 days after 1970-01-01.
    assert read(pa.array([45322.25]), "spreadsheet") == [(19753 * 86400 + 6 * 3600, 0)]


@pytest.mark.parametrize("kind", [pa.duration("s"), pa.time64("us"), pa.bool_()])
def test_types_that_are_no_times_are_refused_with_the_formats(kind):
    with pytest.raises(InputError, match=r"not a time. Times may be numbers .* ISO 8601"):
        to_seconds(pa.array([None], kind), "column 'time'")


def orders(tmp_path, times):
    """The items of three users in the order of their times, of a log whose rows are mixed."""
    rows = [(user, f"i{place}", time) for user in "abc" for place, time in enumerate(times)]
    mixed = [rows[place] for place in np.random.default_rng(4).permutation(len(rows))]
    columns = dict(zip(("user_id", "item_id", "timestamp"), map(list, zip(*mixed, strict=True)), strict=True))
    pq.write_table(pa.table(columns), tmp_path / "log.parquet")
    report = ingest(settings_for(tmp_path, **LEAVE_ONE), tmp_path / "out")
    return [e["history"] + e["targets"] for e in examples(tmp_path / "out", "test")], report


@pytest.mark.parametrize(
    "times",
    [
        [NOON + place / 1000 for place in range(8)],
        [f"{NOON}.{place:03d}" for place in range(8)],
        [f"2020-01-02T12:00:00.{place:06d}Z" for place in range(8)],
        [datetime.datetime(2020, 1, 2, 12, 0, 0, place) for place in range(8)],
        [NOON * 1000 + place for place in range(8)],
        [place / 100 for place in range(8)],
    ],
)
def test_the_order_within_a_second_is_kept(tmp_path, times):
    found, report = orders(tmp_path, times)
    assert found == [[f"i{place}" for place in range(8)]] * 3
    assert report.counts["tied"] == 0 and not [w for w in warnings_of(report) if w.startswith("times")]


def log_with_times(tmp_path, times, **values):
    rows = [(f"u{n % 5}", f"i{n % 3}", time) for n, time in enumerate(times)]
    write_log(tmp_path / "log.parquet", rows)
    return ingest(settings_for(tmp_path, **LEAVE_ONE, **values), tmp_path / "out")


def test_mixed_units_are_refused_with_both_counts(tmp_path):
    times = [NOON + n if n % 3 else (NOON + n) * 1000 for n in range(30)]
    with pytest.raises(InputError, match="mixes units: by their size it holds 20 seconds, 10 milliseconds"):
        log_with_times(tmp_path, times)
    assert log_with_times(tmp_path, times, time_unit="s").counts["times_s"] == 30


def test_days_of_a_spreadsheet_and_dates_as_numbers_are_refused(tmp_path):
    for times in ([45000 + n / 7 for n in range(30)], list(range(45000, 45030)), [5, *range(45000, 45029)]):
        with pytest.raises(InputError, match=r"look like days of a spreadsheet. Set data.time_unit to spreadsheet"):
            log_with_times(tmp_path, times)
    assert log_with_times(tmp_path, list(range(30))).counts["times_small"] == 29
    assert "2023-03-15" in describe_report(
        log_with_times(tmp_path, [45000 + n / 7 for n in range(30)], time_unit="spreadsheet")
    )
    for first in (20240101, 202401011200, 20240101120000, 202401):
        times = [first + n % 12 for n in range(30)]
        with pytest.raises(InputError, match="30 of its 30 numbers look like dates such as 20240131"):
            log_with_times(tmp_path, times)
        with pytest.raises(InputError, match="29 of its 30 numbers look like dates"):
            log_with_times(tmp_path, [99999999, *times[1:]])
        assert log_with_times(tmp_path, times, time_unit="s").counts["interactions_kept"] == 30
    # 20240070 to 20240099 are no days of any month, and these milliseconds of 2020 are no dates.
    assert log_with_times(tmp_path, list(range(20240070, 20240100))).counts["times_small"] == 30
    assert log_with_times(tmp_path, [NOON * 1000 + 777 * n for n in range(30)]).counts["times_ms"] == 30


def test_far_years_are_read_alike_in_text_and_parquet(tmp_path):
    far = 253_402_214_400  # 9999-12-31, by `date -d`
    for values in (
        pa.array(["9999-12-31"]),
        pa.array(["9999-12-31T00:00:00Z"]),
        pa.array(["9999-12-31 01:00:00+01:00"]),
        pa.array([datetime.datetime(9999, 12, 31)], pa.timestamp("us")),
        pa.array([datetime.date(9999, 12, 31)]),
    ):
        assert read(values) == [(far, 0)]
    assert read(pa.array(["0001-01-01 00:00:00.5"])) == [(-62_135_596_800, 500_000_000)]
    assert read(pa.array(["2024-02-30", "9999-13-01", "2024-01-01 25:00"])) == [None] * 3
    stamps = pa.array([datetime.datetime(9999, 12, 31)] + [datetime.datetime(2024, 1, n + 1) for n in range(11)])
    table = pa.table({"user_id": ["u"] * 12, "item_id": list("abcdabcdabcd"), "timestamp": stamps})
    pq.write_table(table, tmp_path / "log.parquet", use_deprecated_int96_timestamps=True)
    report = ingest(settings_for(tmp_path, **LEAVE_ONE), tmp_path / "out")
    assert "times: 2024-01-01 to 9999-12-31" in describe_report(report)


def test_the_time_of_a_row_that_is_dropped_says_nothing(tmp_path):
    rows = [(f"u{n % 5}", f"i{n % 3}", NOON + n) for n in range(30)] + [(None, "i1", NOON * 1000)]
    write_log(tmp_path / "log.parquet", rows)
    report = ingest(settings_for(tmp_path, max_bad_rows=0.1, **LEAVE_ONE), tmp_path / "out")
    assert report.counts["times_s"] == 30 and not report.counts["times_ms"]


def test_what_is_strange_about_times_is_told(tmp_path):
    def told(times):
        return " ".join(warnings_of(log_with_times(tmp_path, times)))

    fine = [NOON + n for n in range(30)]
    assert told(fine) == ""
    assert "1 lie in the future, up to 2200-01-01" in told([*fine[:-1], 7_258_118_400])
    assert "2 are 0 (1970-01-01)" in told([0, 0, *fine[2:]])
    assert "1 lie near 1970-01-01, and 29 elsewhere" in told([5, *fine[1:]])
    assert "all are the same (2020-01-02)" in told([NOON] * 30)
    assert "25 of 30 interactions have the time of their user's one before" in told([NOON + n % 5 for n in range(30)])
    assert "the first is of 1916-02-18" in told([-time for time in [1_700_000_000 + n for n in range(30)]])
    assert "the last is of 1973-03-03" in told([100_000_000 + n for n in range(30)])


def test_positions_are_told_as_such(tmp_path):
    assert "times: 0 to 29, read as positions or seconds since 1970; 0.0% " in describe_report(
        log_with_times(tmp_path, list(range(30)))
    )

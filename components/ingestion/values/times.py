"""Parses times of any spelling into seconds and nanoseconds since 1970."""

import datetime
import re
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.values.columns import FLOAT32_WHOLE, Column, Mask, as_mask, to_strings
from components.ingestion.values.time_numbers import (
    BILLION,
    CODE,
    DATED,
    DAY,
    LARGEST,
    Read,
    Unit,
    dated,
    floats,
    integers,
    of_numbers,
)
from trainer.errors import InputError

NULL_TIME = "null or empty time"
BAD_TIME = "unparsable time"
ROUNDED_TIME = "time above 2^24 in a float32 column, which rounds it"
EXPONENT_NOTE = "times in scientific notation, which spreadsheets round to a few digits"
FORMATS = (
    "Times may be numbers (seconds, milliseconds, microseconds or nanoseconds since 1970, or positions), ISO 8601 text "
    "such as 2024-01-31, 2024-01-31 10:15:00.250 or 2024-01-31T10:15:00+01:00, or a date or timestamp column of Parquet"
)

_INTEGER = r"^[+-]?\d{1,19}$"
_DECIMAL = r"^(?P<sign>[+-]?)(?P<whole>\d{0,18})\.(?P<part>\d*)$"
_EXPONENT = r"^[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?0*\d{1,3}$"
_ISO = (
    r"^(?i)(\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:[0-5]\d([.,]\d+)?)?)?|\d{8}T\d{4}[0-5]\d([.,]\d+)?) ?"
    r"(Z|UTC|[+-]\d{2}(:?[0-5]\d)?)?$"
)
# Of pandas 2 and later, which without it takes the form of the first value for that of all.
_ANY_ISO = None if pd.__version__.startswith("1.") else "ISO8601"


@dataclass
class Times(Column):
    """Times at full precision.

    Attributes:
      values: int64 [rows], whole seconds, rounded down; 0 where bad.
      nanoseconds: int32 [rows], from that second to the time, in [0, 1e9).
      kinds: int8 [rows], places in ``KINDS``.
    """

    nanoseconds: pa.Array = field(default_factory=lambda: pa.array([], pa.int32()))
    kinds: pa.Array = field(default_factory=lambda: pa.array([], pa.int8()))


def to_seconds(values: pa.Array, where: str, unit: Unit = "auto") -> Times:
    """A column of times.

    A number is read by its size alone, whatever stands beside it: below 1e11 as seconds (until the year 5138), below
    1e14 as milliseconds, below 1e17 as microseconds, below 9.2e18 as nanoseconds; larger ones are no times. Dates and
    timestamps are UTC unless they carry a zone. Text may hold numbers, and dates and times in ISO 8601.

    Args:
      values: [rows].
      where: file and column, for messages.
      unit: of the numbers; "auto": by their size; "spreadsheet": days since 1899-12-30.

    Returns:
      Seconds, nanoseconds, and the bad rows by reason.

    Raises:
      InputError: the column's type cannot be a time.
    """
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    if is_no_time(kind):
        raise InputError(f"{where} is of type {kind}, which is not a time. {FORMATS}.")
    if pa.types.is_decimal(kind):
        values, kind = pa.array([None if v is None else f"{v:f}" for v in values.to_pylist()], pa.string()), pa.string()
    missing = as_mask(pc.is_null(values))
    reasons: dict[str, Mask] = {}
    if pa.types.is_integer(kind):
        read = integers(values, unit)
    elif pa.types.is_floating(kind):
        numbers = np.asarray(values.cast(pa.float64()).fill_null(np.nan))
        missing = np.isnan(numbers)
        if kind != pa.float64():
            reasons[ROUNDED_TIME] = np.isfinite(numbers) & (np.abs(numbers) > FLOAT32_WHOLE)
        read = floats(np.where(missing, 0.0, numbers), unit)
    elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        read = dated(values)
    elif pa.types.is_null(kind):
        read = Read.nothing(len(values))
    else:
        return _from_text(to_strings(values, where), unit)
    return _times(read, {NULL_TIME: missing, **reasons, BAD_TIME: read.bad & ~missing})


def is_no_time(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold no times."""
    checks = (pa.types.is_nested, pa.types.is_boolean, pa.types.is_time, pa.types.is_duration, pa.types.is_interval)
    return any(check(kind) for check in checks)


def _times(read: Read, bad: dict[str, Mask], notes: Counter[str] | None = None) -> Times:
    good = np.ones(len(read.seconds), dtype=bool)
    for mask in bad.values():
        good &= ~mask
    return Times(
        pa.array(np.where(good, read.seconds, 0)),
        bad,
        notes or Counter(),
        nanoseconds=pa.array(np.where(good, read.nanoseconds, 0).astype(np.int32)),
        kinds=pa.array(read.kinds),
    )


def _from_text(column: Column, unit: Unit) -> Times:
    strings = pc.utf8_trim_whitespace(column.values)
    broken = np.zeros(len(strings), dtype=bool)
    for mask in column.bad.values():
        broken |= mask
    if strings.null_count == 0 and (numbers := _all_integers(strings)) is not None:
        read = integers(numbers, unit)
        return _times(read, {BAD_TIME: read.bad})
    missing = (as_mask(pc.is_null(strings)) | as_mask(pc.equal(strings, ""))) & ~broken
    read, notes = Read.nothing(len(strings)), Counter[str]()
    todo = ~(missing | broken)
    parsers = ((_INTEGER, _text_integers), (_DECIMAL, _text_decimals), (_EXPONENT, _text_exponents), (_ISO, _iso))
    for pattern, parse in parsers:
        rows = np.flatnonzero(as_mask(pc.match_substring_regex(strings, pattern)) & todo)
        if not len(rows):
            continue
        some = parse(strings.take(pa.array(rows)), unit)
        read.seconds[rows], read.nanoseconds[rows], read.kinds[rows] = some.seconds, some.nanoseconds, some.kinds
        todo[rows[~some.bad]] = False
        if parse is _text_exponents:
            notes[EXPONENT_NOTE] = int(np.sum(~some.bad))
    return _times(read, {**column.bad, NULL_TIME: missing, BAD_TIME: todo}, +notes)


def _all_integers(strings: pa.Array) -> pa.Array | None:
    """The common case, a column of integers, without a regular expression."""
    try:
        numbers = strings.cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    # Arrow reads 0x10 as well.
    return None if pc.any(pc.match_substring(strings, "x", ignore_case=True)).as_py() else numbers


def _text_integers(strings: pa.Array, unit: Unit) -> Read:
    sizes = np.asarray(pc.utf8_ltrim(strings, "+-").cast(pa.uint64()))
    bad = sizes > np.uint64(LARGEST)
    sign = np.where(as_mask(pc.starts_with(strings, "-")), -1, 1)
    numbers = np.where(bad, np.uint64(0), sizes).astype(np.int64) * sign
    read = of_numbers(numbers, np.zeros_like(numbers), unit)
    return Read(read.seconds, read.nanoseconds, read.kinds, bad)


def _text_decimals(strings: pa.Array, unit: Unit) -> Read:
    """Decimals by their digits, because a double holds no more than 15 of them; "." alone is none."""
    pieces = pc.extract_regex(strings, _DECIMAL)
    sign, before, behind = pieces.flatten()
    no_whole = as_mask(pc.equal(before, ""))
    bad = no_whole & as_mask(pc.equal(behind, ""))
    whole = np.asarray(pc.if_else(pa.array(no_whole), "0", before).cast(pa.int64()))
    billionths = np.asarray(pc.utf8_slice_codeunits(pc.utf8_rpad(behind, 9, "0"), 0, 9).cast(pa.int64()))
    negative = as_mask(pc.equal(sign, "-"))
    down = negative & (billionths > 0)
    whole = np.where(negative, -whole, whole) - down
    billionths = np.where(down, BILLION - billionths, billionths)
    read = of_numbers(whole, billionths, unit)
    return Read(read.seconds, read.nanoseconds, read.kinds, bad)


def _text_exponents(strings: pa.Array, unit: Unit) -> Read:
    """Numbers with exponents by their digits; beyond 64 bits they are none."""
    written = pa.array([f"{Decimal(text):f}" for text in strings.to_pylist()], pa.string())
    whole = as_mask(pc.match_substring_regex(written, _INTEGER))
    decimals = as_mask(pc.match_substring_regex(written, _DECIMAL))
    read = Read.nothing(len(strings))
    for chosen, parse in ((whole, _text_integers), (decimals, _text_decimals)):
        rows = np.flatnonzero(chosen)
        some = parse(written.take(pa.array(rows)), unit)
        read.seconds[rows], read.nanoseconds[rows], read.kinds[rows] = some.seconds, some.nanoseconds, some.kinds
        read.bad[rows] = some.bad
    return read


def _iso(strings: pa.Array, unit: Unit) -> Read:
    strings = pc.utf8_upper(pc.replace_substring(strings, ",", "."))
    strings = pc.replace_substring_regex(strings, r" ?(Z|UTC)$", "Z")
    times = pd.to_datetime(strings.to_pandas(), errors="coerce", utc=True, format=_ANY_ISO)
    bad = np.asarray(times.isna())
    numbers = np.where(bad, 0, np.asarray(times.astype("int64")))
    seconds = numbers // BILLION
    nanoseconds = numbers - seconds * BILLION
    for row in np.flatnonzero(bad):  # none, or years that 64 bits of nanoseconds do not reach
        far = _far_time(strings[int(row)].as_py())
        if far is not None:
            seconds[row], nanoseconds[row], bad[row] = *far, False
    return Read(seconds, nanoseconds, np.full(len(bad), CODE[DATED]), bad)


def _far_time(text: str) -> tuple[int, int] | None:
    """Seconds and nanoseconds of a time before 1678 or after 2261, such as the sentinel 9999-12-31."""
    plain = re.sub("Z$", "+00:00", text)
    plain = re.sub(r"(\.\d{6})\d+|(\.\d+)", lambda part: part[1] or part[2].ljust(7, "0"), plain)
    try:
        found = datetime.datetime.fromisoformat(plain)
    except ValueError:
        return None
    found = found if found.tzinfo else found.replace(tzinfo=datetime.timezone.utc)
    since = found - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return since.days * DAY + since.seconds, since.microseconds * 1000

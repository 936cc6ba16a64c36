"""Times of any spelling as whole seconds since 1970."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.columns import Column, Mask, as_mask, to_strings
from trainer.errors import InputError

NULL_TIME = "null or empty time"
BAD_TIME = "unparsable time"

_INTEGER = r"^[+-]?\d{1,18}$"
_FLOAT = r"^[+-]?(\d+\.\d*|\.\d+|\d+[eE][+]?\d+|\d+\.\d*[eE][+]?\d+)$"
_ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?)? ?(Z|UTC|[+-]\d{2}:?\d{2})?$"
_LARGEST = float(2**62)


def to_seconds(values: pa.Array, where: str) -> Column:
    """A column of times as int64 seconds; fractions are cut off downwards.

    Integers and floats are taken as seconds. Dates and timestamps are UTC unless they carry a zone. Text
    may hold integers, floats or ISO 8601 dates and times, mixed.

    Args:
      values: [rows].
      where: file and column, for messages.

    Returns:
      int64 [rows] without nulls (0 where bad).

    Raises:
      InputError: the column's type cannot be a time.
    """
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    missing = as_mask(pc.is_null(values))
    if pa.types.is_integer(kind):
        too_large = as_mask(pc.greater(values, 2**62)) if kind == pa.uint64() else np.zeros(len(values), dtype=bool)
        seconds = np.asarray(pc.fill_null(values, 0)).astype(np.int64)
        return Column(pa.array(seconds), {NULL_TIME: missing, BAD_TIME: too_large})
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = np.asarray(values.cast(pa.float64()).fill_null(np.nan))
        missing = np.isnan(numbers)
        wrong = ~missing & ~(np.abs(numbers) < _LARGEST)
        seconds = np.floor(np.where(missing | wrong, 0.0, numbers)).astype(np.int64)
        return Column(pa.array(seconds), {NULL_TIME: missing, BAD_TIME: wrong})
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
        if pa.types.is_date32(kind):
            seconds = np.asarray(values.cast(pa.int32()).fill_null(0)).astype(np.int64) * 86_400
        else:
            unit = kind.unit if pa.types.is_timestamp(kind) else "ms"
            seconds = np.asarray(values.cast(pa.int64()).fill_null(0)) // per_second[unit]
        return Column(pa.array(seconds), {NULL_TIME: missing})
    if pa.types.is_null(kind):
        return Column(pa.array(np.zeros(len(values), np.int64)), {NULL_TIME: missing})
    if pa.types.is_nested(kind) or pa.types.is_boolean(kind) or pa.types.is_time(kind):
        raise InputError(f"{where} is of type {kind}, which is not a time. Give seconds, a date or ISO 8601 text.")
    return _from_text(to_strings(values, where))


def _from_text(column: Column) -> Column:
    strings = pc.utf8_trim_whitespace(column.values)
    broken = np.zeros(len(strings), dtype=bool)
    for mask in column.bad.values():
        broken |= mask
    try:  # the common case, a column of integers, without a regular expression
        seconds = np.asarray(strings.cast(pa.int64()))
        if strings.null_count == 0:
            return Column(pa.array(seconds), {})
    except pa.ArrowInvalid:
        pass
    missing = (as_mask(pc.is_null(strings)) | as_mask(pc.equal(strings, ""))) & ~broken
    seconds = np.zeros(len(strings), dtype=np.int64)
    done = missing | broken
    for pattern, parse in ((_INTEGER, _integers), (_FLOAT, _floats), (_ISO, _iso)):
        rows = np.flatnonzero(as_mask(pc.match_substring_regex(strings, pattern)) & ~done)
        if len(rows):
            parsed, valid = parse(strings.take(pa.array(rows)))
            seconds[rows[valid]] = parsed[valid]
            done[rows[valid]] = True
    return Column(pa.array(seconds), {**column.bad, NULL_TIME: missing, BAD_TIME: ~done})


def _integers(strings: pa.Array) -> tuple[np.ndarray, Mask]:
    seconds = np.asarray(pc.utf8_ltrim(strings, "+").cast(pa.int64()))
    return seconds, np.ones(len(strings), dtype=bool)


def _floats(strings: pa.Array) -> tuple[np.ndarray, Mask]:
    numbers = np.asarray(pc.utf8_ltrim(strings, "+").cast(pa.float64()))
    valid = np.abs(numbers) < _LARGEST
    return np.floor(np.where(valid, numbers, 0.0)).astype(np.int64), valid


def _iso(strings: pa.Array) -> tuple[np.ndarray, Mask]:
    times = pd.to_datetime(strings.to_pandas(), errors="coerce", utc=True)
    valid = np.asarray(times.notna())
    return np.asarray(times.astype("int64")) // 10**9, valid

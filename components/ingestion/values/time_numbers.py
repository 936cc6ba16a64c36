"""Numbers and dates as times: the unit of a number by its size."""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.ingestion.values.columns import Mask

Unit = Literal["auto", "s", "ms", "us", "ns", "spreadsheet"]
UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
DATED, ZERO, SMALL, LIKE_DATES, LIKE_SERIALS, FUTURE = "dated", "zero", "small", "like_dates", "like_serials", "future"
KINDS = (DATED, ZERO, SMALL, LIKE_DATES, LIKE_SERIALS, *UNITS)
"""What a time can be: a date; 0; a number too small to have a unit, and among these those that could be dates such as
20240131 or days of a spreadsheet; a number in one of the units."""

FIRST_PLAUSIBLE = 10**8
"""In seconds: 1973. Smaller numbers are positions as often as times."""

CODE = {kind: np.int8(code) for code, kind in enumerate(KINDS)}
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_BELOW = np.array([10**11, 10**14, 10**17], dtype=np.int64)
_PER = np.array(list(_PER_SECOND.values()), dtype=np.int64)
LARGEST = 9_200_000_000_000_000_000  # nanoseconds up to 2261; beyond are the sentinels of 64 bits
DAY = 86_400
_SERIAL_OF_1970 = 25_569
_SERIALS = (30_000, 60_000)  # 1982 to 2064 in days since 1899-12-30
_PARTS = {"month": (1, 12), "day": (0, 31), "hour": (0, 23), "minute": (0, 59), "second": (0, 59)}
BILLION = 10**9

Ints = npt.NDArray[np.int64]


@dataclass
class Read:
    """Times [n]: seconds, nanoseconds, codes of their kinds, and which are none."""

    seconds: Ints
    nanoseconds: Ints
    kinds: npt.NDArray[np.int8]
    bad: Mask

    @classmethod
    def nothing(cls, count: int) -> "Read":
        """``count`` rows that are no times."""
        return cls(np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count, np.int8), np.ones(count, bool))


def count_kinds(seconds: pa.Array, kinds: pa.Array) -> Counter[str]:
    """How many times are of each of ``KINDS``, and how many lie in the FUTURE, of ``seconds`` and ``kinds`` [n]."""
    counts = np.bincount(np.asarray(kinds), minlength=len(KINDS))
    seen = Counter({kind: int(count) for kind, count in zip(KINDS, counts, strict=True) if count})
    seen[FUTURE] = int(np.sum(np.asarray(seconds) > time.time() + DAY))
    return seen


def integers(values: pa.Array, unit: Unit) -> Read:
    """Whole numbers [n] as times; nulls are 0."""
    plain = np.asarray(values.fill_null(0) if values.null_count else values)
    limit = np.uint64(LARGEST) if plain.dtype == np.uint64 else LARGEST
    bad = plain > limit
    if plain.dtype == np.int64:
        bad |= plain < -LARGEST
    numbers = (np.where(bad, plain.dtype.type(0), plain) if bad.any() else plain).astype(np.int64, copy=False)
    read = of_numbers(numbers, np.zeros_like(numbers), unit)
    return Read(read.seconds, read.nanoseconds, read.kinds, bad)


def floats(numbers: npt.NDArray[np.float64], unit: Unit) -> Read:
    """Numbers [n] as times; an infinite one is none."""
    bad = ~(np.abs(numbers) < LARGEST)
    numbers = np.where(bad, 0.0, numbers)
    whole = np.floor(numbers)
    # Rounded, because 1700000000.123 as a double is a little less; never up to the next whole one.
    billionths = np.minimum(np.round((numbers - whole) * BILLION), BILLION - 1).astype(np.int64)
    read = of_numbers(whole.astype(np.int64), billionths, unit)
    return Read(read.seconds, read.nanoseconds, read.kinds, bad)


def of_numbers(whole: Ints, billionths: Ints, unit: Unit) -> Read:
    """Numbers [n], each ``whole`` and ``billionths`` of one more, as times in their unit."""
    good = np.zeros(len(whole), dtype=bool)
    if unit == "spreadsheet":
        kinds = np.full(len(whole), CODE["s"])
        # A double holds a time of day as a fraction of a day to about a microsecond.
        microseconds = (billionths * DAY + 500) // 1000
        seconds = (whole - _SERIAL_OF_1970) * DAY + microseconds // 10**6
        return Read(seconds, microseconds % 10**6 * 1000, kinds, good)
    if unit != "auto":
        per: Ints | int = _PER_SECOND[unit]
        kinds = np.full(len(whole), CODE[unit])
    elif len(whole) and max(whole.max(), -whole.min()) >= _BELOW[0]:
        places = np.searchsorted(_BELOW, np.abs(whole), side="right")
        per, kinds = _PER[places], (places + CODE["s"]).astype(np.int8)
    else:
        per, kinds = 1, np.full(len(whole), CODE["s"])
    unusual = np.flatnonzero((np.abs(whole) < FIRST_PLAUSIBLE) | (np.abs(whole) >= _BELOW[0]))
    if len(unusual):
        kinds[unusual] = _unusual_kinds(whole[unusual], billionths[unusual], kinds[unusual], unit)
    seconds = whole // per
    each = BILLION // per  # nanoseconds
    return Read(seconds, (whole - seconds * per) * each + billionths * each // BILLION, kinds, good)


def _unusual_kinds(whole: Ints, billionths: Ints, kinds: npt.NDArray[np.int8], unit: Unit) -> npt.NDArray[np.int8]:
    """The kinds [n] of numbers that are no seconds of today."""
    zero = (whole == 0) & (billionths == 0)
    if unit != "auto":
        return np.where(zero, CODE[ZERO], kinds)
    serials = (whole >= _SERIALS[0]) & (whole < _SERIALS[1])
    return np.select(
        [zero, _like_dates(whole) & (billionths == 0), serials, np.abs(whole) < FIRST_PLAUSIBLE],
        [CODE[ZERO], CODE[LIKE_DATES], CODE[LIKE_SERIALS], CODE[SMALL]],
        default=kinds,
    )


def _like_dates(whole: Ints) -> Mask:
    """Which numbers [n] read as dates: 202401, 20240131, 202401311015 or 20240131101500."""
    found = np.zeros(len(whole), dtype=bool)
    for parts in (("month",), ("month", "day"), ("month", "day", "hour", "minute"), tuple(_PARTS)):
        left, valid = whole, np.ones(len(whole), dtype=bool)
        for part in reversed(parts):
            least, most = _PARTS[part]
            valid &= (left % 100 >= least) & (left % 100 <= most)
            left = left // 100
        found |= valid & (left >= 1900) & (left <= 2100)
    return found


def dated(values: pa.Array) -> Read:
    """Dates or timestamps [n] as times; nulls are 0, the sentinels of 64 bits are none."""
    kind = values.type
    if pa.types.is_date32(kind):
        numbers, per = np.asarray(values.cast(pa.int32()).fill_null(0)).astype(np.int64) * DAY, 1
    else:
        per = _PER_SECOND[kind.unit if pa.types.is_timestamp(kind) else "ms"]
        numbers = np.asarray(values.cast(pa.int64()).fill_null(0))
    sentinel = (numbers == np.iinfo(np.int64).min) | (numbers == np.iinfo(np.int64).max)
    seconds = numbers // per
    return Read(seconds, (numbers - seconds * per) * (BILLION // per), np.full(len(seconds), CODE[DATED]), sentinel)

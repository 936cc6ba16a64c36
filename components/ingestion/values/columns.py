"""Typed arrays from the columns of a batch, and a mask of their bad rows."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from trainer.errors import InputError

Mask = npt.NDArray[np.bool_]

NULL_ID = "null or empty id"
NULL_LIKE_ID = "id that reads like a null"
NULL_LIKE_NOTE = "ids that read like a null (nan, None, null ...), taken as ids"
NOT_UTF8 = "not UTF-8"
LINE_BREAK_ID = "line break in an id"
LINE_BREAK = "line break"
ROUNDED_ID = "id that a floating-point column rounds"
SCIENTIFIC_ID = "id in scientific notation, as spreadsheets round them"
FRACTIONAL_ID = "fractional number in a column of numbers, where 0.5 and 0.50 are one; write ids as text"
FRACTIONAL_NOTE = "ids that read like a number with a fraction or an exponent, taken as text: 0.5 is not 0.50"
BAD_NUMBER = "not a number"
NOT_FINITE = "not a finite number"

FLOAT32_WHOLE = 2.0**24
"""Up to here float32 holds every whole number, as float64 does up to 2^53."""

NULL_LIKE = pa.array(
    ["nan", "none", "null", "nil", "na", "n/a", "#n/a", "<na>", "nat", "(null)", "undefined", "\\n"], pa.string()
)
"""What programs write for an absent value, in lower case."""

_FLOAT64_WHOLE = 2.0**53


@dataclass
class Column:
    """A converted column.

    Attributes:
      values: [rows].
      bad: reason -> mask [rows] of the rows that are bad.
      notes: what is worth telling of the rows that are not, and of how many.
    """

    values: pa.Array
    bad: dict[str, Mask]
    notes: Counter[str] = field(default_factory=Counter)


def as_mask(values: pa.Array) -> Mask:
    """An Arrow array of booleans as NumPy; null is false."""
    return np.asarray(pc.fill_null(values, False))


def _plain(values: pa.Array) -> pa.Array:
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def to_strings(values: pa.Array, where: str) -> Column:
    """Any scalar column as strings; null stays null.

    Whole numbers are printed without a fraction, so that 12.0 (a column that once had a null) is "12".
    Values that are not UTF-8 become null and bad.

    Args:
      values: [rows], of a string, number, boolean, date or time type.
      where: file and column, for messages.

    Raises:
      InputError: the column's type is a list, a struct or another that has no one spelling.
    """
    values = _plain(values)
    kind = values.type
    if pa.types.is_floating(kind):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, kind), values)
        whole = as_mask(pc.equal(values, pc.floor(values))) & as_mask(pc.less_equal(pc.abs(values), _FLOAT64_WHOLE))
        integers = pc.if_else(pa.array(whole), values, pa.scalar(None, kind)).cast(pa.int64()).cast(pa.string())
        return Column(pc.if_else(pa.array(whole), integers, values.cast(pa.string())), {})
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        values, kind = values.cast(pa.binary()), pa.binary()
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return _decoded(values.cast(pa.binary()))
    if pa.types.is_decimal(kind):
        return Column(pa.array([None if v is None else f"{v:f}" for v in values.to_pylist()], pa.string()), {})
    if pa.types.is_nested(kind):
        raise InputError(f"{where} is of type {kind}; it has to hold one value a row.")
    try:
        return Column(values.cast(pa.string()), {})
    except pa.ArrowException as error:
        raise InputError(f"{where} is of type {kind}, which has no spelling as text. Write it as strings.") from error


def _decoded(values: pa.Array) -> Column:
    try:
        return Column(values.cast(pa.string()), {})
    except pa.ArrowInvalid:  # rare: find the rows one by one
        broken = np.array([value is not None and not _is_utf8(value) for value in values.to_pylist()], dtype=bool)
        kept = pc.if_else(pa.array(broken), pa.scalar(None, pa.binary()), values)
        return Column(kept.cast(pa.string()), {NOT_UTF8: broken})


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def to_ids(values: pa.Array, where: str, null_like: bool = True) -> Column:
    """A column of ids as strings, each spelt in one way whatever the format and type it comes in.

    A whole number has no fraction: 12, 12.0 and the decimal 12.00 are "12", as text as well. Other text stays as it is.
    Bad are null, empty and blank ids (served, an empty id means padding), line breaks (a vocabulary is a file with an
    id a line), numbers that lost digits on their way (beyond 2^24 in a column of float32 or 2^53 of float64, or written
    as 1.23E+12 or 1.23E7), and fractions in a column of numbers, which hold no digits to be spelt by.

    Args:
      values: [rows].
      where: file and column, for messages.
      null_like: whether text such as nan or None is an id; if not, it is bad.

    Raises:
      InputError: see ``to_strings``.
    """
    values = _plain(values)
    rounded = _rounded(values)
    column = to_strings(values, where)
    codes = column.values.dictionary_encode()
    # What follows looks at every id once, not once a row.
    ids, places = codes.dictionary, np.asarray(codes.indices.fill_null(-1))
    known = ~rounded
    for mask in column.bad.values():
        known &= ~mask

    def where_ids(chosen: pa.Array) -> Mask:
        found: Mask = np.append(as_mask(chosen), False)[places] & known
        return found

    trimmed = pc.utf8_trim_whitespace(ids)
    is_null_like = where_ids(pc.is_in(pc.utf8_lower(trimmed), value_set=NULL_LIKE))
    bad = {
        **column.bad,
        NULL_ID: (where_ids(pc.equal(trimmed, "")) | (places < 0)) & known,
        LINE_BREAK_ID: where_ids(pc.match_substring_regex(ids, r"[\r\n]")),
        SCIENTIFIC_ID: where_ids(pc.match_substring_regex(ids, _SCIENTIFIC)),
        ROUNDED_ID: rounded,
    }
    notes: Counter[str] = Counter()
    fractional = where_ids(pc.match_substring_regex(ids, _FRACTIONAL))
    if pa.types.is_floating(values.type) or pa.types.is_decimal(values.type):
        bad[FRACTIONAL_ID] = fractional | bad.pop(SCIENTIFIC_ID)  # 1e-07, the only one that lost no digits
    else:
        notes[FRACTIONAL_NOTE] = int((fractional & ~bad[SCIENTIFIC_ID]).sum())
    if null_like:
        notes[NULL_LIKE_NOTE] = int(is_null_like.sum())
    else:
        bad[NULL_LIKE_ID] = is_null_like
    strings = column.values
    whole = where_ids(pc.match_substring_regex(ids, rf"{_WHOLE}|^-0$"))
    if whole.any():
        spelt = pc.replace_substring_regex(ids, _WHOLE, r"\1")
        strings = pc.if_else(pc.equal(spelt, "-0"), "0", spelt).take(codes.indices)
        notes["whole numbers with a fraction of zeros, such as 12.0, read as 12"] = int(whole.sum())
    return Column(
        strings, {reason: mask for reason, mask in bad.items() if mask.any()} | {NULL_ID: bad[NULL_ID]}, +notes
    )


_WHOLE = r"^(-?\d+)\.0+$"
_FRACTIONAL = r"^[+-]?(\d*\.\d*[1-9]\d*|\d+\.?\d*[eE][+-]?\d+)$"
_SCIENTIFIC = r"^[+-]?\d([.,]\d+[eE][+-]?\d+|[eE]\+\d+)$"


def _rounded(values: pa.Array) -> Mask:
    """Where numbers [rows] are too large to be told from their neighbours in their type, or infinite."""
    kind = values.type
    if not pa.types.is_floating(kind):
        return np.zeros(len(values), dtype=bool)
    limit = {16: 2.0**11, 32: FLOAT32_WHOLE}.get(kind.bit_width, _FLOAT64_WHOLE)
    return as_mask(pc.greater(pc.abs(values.cast(pa.float64())), limit))


def to_string_lists(values: pa.Array, where: str, separator: str | None = None, line_breaks: bool = False) -> Column:
    """A column of strings or of lists of them as lists; null and empty strings are left out.

    Args:
      values: [rows].
      where: file and column, for messages.
      separator: splits a text such as "Comedy|Drama".
      line_breaks: whether a string may hold some; those that become a vocabulary, a file with a line each, may not.

    Returns:
      Lists of strings, never null.

    Raises:
      InputError: see ``to_strings``.
    """
    lengths, flat = _flatten(values)
    column = to_strings(flat, where)
    rows = np.repeat(np.arange(len(values)), lengths)
    strings = column.values
    wrong = dict(column.bad)
    if not line_breaks:
        wrong[LINE_BREAK] = as_mask(pc.match_substring_regex(strings, r"[\r\n]"))
    if pa.types.is_floating(flat.type):
        wrong[NOT_FINITE] = as_mask(pc.is_inf(flat))
    bad = _by_row(wrong, rows, len(values))
    if separator and not _is_list(values.type):
        pieces = pc.split_pattern(pc.fill_null(strings, ""), separator)
        rows, strings = np.repeat(rows, np.asarray(pc.list_value_length(pieces))), pieces.flatten()
    present = as_mask(pc.not_equal(strings, ""))
    return Column(lists_of(rows[present], strings.filter(pa.array(present)), len(values)), bad)


def to_float_lists(values: pa.Array, where: str) -> Column:
    """A column of numbers, of text that holds numbers or of lists of them as lists of float32; null is an empty list.

    NaN is an absent value, as in the tables of pandas; an infinite number, or one beyond float32's 3.4e38, is bad.

    Raises:
      InputError: the column's type holds no numbers.
    """
    lengths, flat = _flatten(values)
    rows = np.repeat(np.arange(len(values)), lengths)
    doubles, wrong = to_numbers(flat, where)
    with np.errstate(over="ignore"):
        numbers = np.asarray(doubles.fill_null(np.nan)).astype(np.float32)
    bad = _by_row({BAD_NUMBER: wrong, NOT_FINITE: np.isinf(numbers)}, rows, len(values))
    present = np.isfinite(numbers)
    return Column(lists_of(rows[present], pa.array(numbers[present]), len(values)), bad)


def to_numbers(values: pa.Array, where: str) -> tuple[pa.Array, Mask]:
    """A column of numbers, of booleans or of text that holds either as float64 [n]; null stays null.

    Args:
      values: [n].
      where: file and column, for messages.

    Returns:
      The numbers, and the mask [n] of the text that is none (null in the first), or no text.

    Raises:
      InputError: see ``to_strings``.
    """
    values = _plain(values)
    kind = values.type
    right = np.zeros(len(values), dtype=bool)
    if pa.types.is_boolean(kind):
        return values.cast(pa.int8()).cast(pa.float64()), right
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        return values.cast(pa.float64(), safe=False), right
    text = to_strings(values, where)
    numbers, wrong = _parsed_numbers(text.values)
    for mask in text.bad.values():
        wrong = wrong | mask
    return numbers, wrong


def _parsed_numbers(strings: pa.Array) -> tuple[pa.Array, Mask]:
    """Numbers [n] of strings [n] (null and nan: absent) and the mask [n] of those that are none."""
    strings = pc.utf8_trim_whitespace(strings)
    absent = as_mask(pc.is_null(strings)) | as_mask(pc.is_in(pc.utf8_lower(strings), value_set=pa.array(["", "nan"])))
    number = as_mask(pc.match_substring_regex(strings, r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"))
    plain = pc.utf8_ltrim(strings, "+")
    numbers = pc.if_else(pa.array(number), plain, pa.scalar(None, pa.string())).cast(pa.float64())
    return numbers, ~number & ~absent


def _is_list(kind: pa.DataType) -> bool:
    found: bool = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return found


def _flatten(values: pa.Array) -> tuple[npt.NDArray[np.int64], pa.Array]:
    if not _is_list(values.type):
        return np.ones(len(values), dtype=np.int64), values
    lengths = np.asarray(pc.fill_null(pc.list_value_length(values), 0)).astype(np.int64)
    return lengths, pc.list_flatten(values)


def _by_row(wrong: dict[str, Mask], rows: npt.NDArray[np.int64], count: int) -> dict[str, Mask]:
    """Reason -> mask [count] of the lists with a wrong value; ``rows`` [n] says to which list each value belongs."""
    return {
        reason: np.bincount(rows[mask], minlength=count).astype(bool) for reason, mask in wrong.items() if mask.any()
    }


def lists_of(rows: npt.NDArray[np.int64], values: pa.Array, count: int) -> pa.Array:
    """Lists [count] of ``values`` [n], where rows [n] (ascending) says to which list each belongs."""
    offsets = np.zeros(count + 1, dtype=np.int32)
    np.cumsum(np.bincount(rows, minlength=count), out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), values)

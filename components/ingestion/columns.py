"""Typed arrays out of the columns of a batch, and which of their rows are bad."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from trainer.errors import InputError

Mask = npt.NDArray[np.bool_]

NULL_ID = "null or empty id"
NOT_UTF8 = "not UTF-8"
BAD_NUMBER = "not a number"


@dataclass
class Column:
    """A converted column: its values, and by reason the mask [rows] of the rows that are bad."""

    values: pa.Array
    bad: dict[str, Mask]


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
        whole = as_mask(pc.equal(values, pc.floor(values))) & as_mask(pc.less(pc.abs(values), 2.0**53))
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


def to_ids(values: pa.Array, where: str) -> Column:
    """A column of ids as strings; null and empty ones are bad (an empty id means padding when served).

    Raises:
      InputError: see ``to_strings``.
    """
    column = to_strings(values, where)
    known = np.zeros(len(values), dtype=bool)
    for mask in column.bad.values():
        known |= mask
    missing = (as_mask(pc.is_null(column.values)) | as_mask(pc.equal(column.values, ""))) & ~known
    return Column(column.values, {**column.bad, NULL_ID: missing})


def to_string_lists(values: pa.Array, where: str, separator: str | None = None) -> Column:
    """A column of strings or of lists of them as lists; null and empty strings are left out.

    Args:
      values: [rows].
      where: file and column, for messages.
      separator: splits a text such as "Comedy|Drama".

    Returns:
      Lists of strings, never null.

    Raises:
      InputError: see ``to_strings``.
    """
    lengths, flat = _flatten(values)
    column = to_strings(flat, where)
    rows = np.repeat(np.arange(len(values)), lengths)
    bad = {}
    for reason, mask in column.bad.items():
        bad[reason] = np.zeros(len(values), dtype=bool)
        bad[reason][rows[mask]] = True
    strings = column.values
    if separator and not _is_list(values.type):
        pieces = pc.split_pattern(pc.fill_null(strings, ""), separator)
        rows, strings = np.repeat(rows, np.asarray(pc.list_value_length(pieces))), pieces.flatten()
    present = as_mask(pc.not_equal(strings, ""))
    return Column(lists_of(rows[present], strings.filter(pa.array(present)), len(values)), bad)


def to_float_lists(values: pa.Array, where: str) -> Column:
    """A column of numbers, of text that holds numbers or of lists of them as lists of float32; null is an empty list.

    Raises:
      InputError: the column's type holds no numbers.
    """
    lengths, flat = _flatten(values)
    rows = np.repeat(np.arange(len(values)), lengths)
    doubles, wrong = to_numbers(flat, where)
    numbers = doubles.cast(pa.float32(), safe=False)
    bad: dict[str, Mask] = {}
    if wrong.any():
        bad[BAD_NUMBER] = np.zeros(len(values), dtype=bool)
        bad[BAD_NUMBER][rows[wrong]] = True
    present = as_mask(pc.is_valid(numbers)) & ~as_mask(pc.is_nan(numbers))
    return Column(lists_of(rows[present], numbers.filter(pa.array(present)), len(values)), bad)


def to_numbers(values: pa.Array, where: str) -> tuple[pa.Array, Mask]:
    """A column of numbers, of booleans or of text that holds either as float64 [n]; null stays null.

    Args:
      values: [n].
      where: file and column, for messages.

    Returns:
      The numbers, and the mask [n] of the text that is none (null in the first).

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
    return _parsed_numbers(to_strings(values, where).values)


def _parsed_numbers(strings: pa.Array) -> tuple[pa.Array, Mask]:
    """Numbers [n] of strings [n] (null: absent) and the mask [n] of those that are none."""
    strings = pc.utf8_trim_whitespace(strings)
    absent = as_mask(pc.is_null(strings)) | as_mask(pc.equal(strings, ""))
    number = as_mask(pc.match_substring_regex(strings, r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"))
    plain = pc.utf8_ltrim(strings, "+")
    numbers = pc.if_else(pa.array(number), plain, pa.scalar(None, pa.string())).cast(pa.float64())
    return numbers, ~number & ~absent


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _flatten(values: pa.Array) -> tuple[npt.NDArray[np.int64], pa.Array]:
    if not _is_list(values.type):
        return np.ones(len(values), dtype=np.int64), values
    lengths = np.asarray(pc.fill_null(pc.list_value_length(values), 0)).astype(np.int64)
    return lengths, pc.list_flatten(values)


def lists_of(rows: npt.NDArray[np.int64], values: pa.Array, count: int) -> pa.Array:
    """Lists [count] of ``values`` [n], where rows [n] (ascending) says to which list each belongs."""
    offsets = np.zeros(count + 1, dtype=np.int32)
    np.cumsum(np.bincount(rows, minlength=count), out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), values)

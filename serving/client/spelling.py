"""Normalises ids and values of a request as ingestion does."""

import datetime
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np

_WHOLE = re.compile(r"(-?[0-9]+)\.0+|-0")
LARGEST_FLOAT = float(np.finfo(np.float32).max)
"""What is larger is infinite on the wire."""
_EXACT = 2**53
"""Whole numbers below it are exact as decimals, and ingestion writes them without a fraction."""


def word(name: str, value: Any) -> str:
    """An id: a whole number as its digits, as text too (12.0 is 12), and other text as it is.

    Args:
      name: of the argument, for messages.
      value: ``"12"`` or ``12``; NumPy's are as good.

    Raises:
      ValueError: it is neither, or no text that can be sent.
    """
    if isinstance(value, str):
        return _id(_sendable(name, value))
    if isinstance(value, Integral) and not isinstance(value, bool):
        return str(int(value))
    hint = ""
    if isinstance(value, bytes):
        hint = ": decode it, as in value.decode()"
    elif isinstance(value, Real) and not isinstance(value, bool) and float(value).is_integer():
        hint = f": write {int(float(value))} or {str(int(float(value)))!r}"
    raise ValueError(f"{name} should hold text or whole numbers, 'a' or 12. Received: {value!r}{hint}")


def words(name: str, row: Any) -> list[str]:
    """A list of ids, as :func:`word` each.

    Raises:
      ValueError: it is no list, or as of :func:`word`.
    """
    if isinstance(row, (str, bytes)) or not isinstance(row, Iterable):
        raise ValueError(f"{name} should hold lists of ids, such as ['a', 'b']. Received: {row!r}")
    return [word(name, value) for value in row]


def filter_values(name: str, row: Sequence[Any]) -> list[str]:
    """A list of ``attribute=value``; the model looks at what stands in it.

    Raises:
      ValueError: one is no text.
    """
    for value in row:
        if not isinstance(value, str):
            raise ValueError(f"{name} should hold texts such as 'colour=red'. Received: {value!r}")
    return [_sendable(name, value) for value in row]


def seconds(row: Any) -> list[int]:
    """A list of times.

    Raises:
      ValueError: one is no whole number of 64 bits.
    """
    found = []
    for value in row:
        number = int(value) if isinstance(value, Integral) and not isinstance(value, bool) else None
        if number is None or not -(2**63) <= number < 2**63:
            raise ValueError(f"times should hold whole seconds since 1970, 0 where unknown. Received: {value!r}")
        found.append(number)
    return found


def profile_words(name: str, row: Iterable[Any]) -> list[str]:
    """Values of a categorical profile feature: text, numbers, booleans and dates.

    Raises:
      ValueError: one is something else.
    """
    return [_profile_word(name, value) for value in row]


def _profile_word(name: str, value: Any) -> str:
    if _is_boolean(value):
        return "true" if value else "false"
    if isinstance(value, Real) and not isinstance(value, Integral):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < _EXACT else str(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime.date):
        return str(value)
    if isinstance(value, str):
        return _sendable(f"user feature {name}", value)
    return word(f"user feature {name}", value)


def profile_numbers(name: str, row: Iterable[Any]) -> list[float]:
    """Values of a numeric profile feature; NaN is missing.

    Raises:
      ValueError: one is no number, or infinite.
    """
    found = []
    for value in row:
        if not isinstance(value, Real) and not _is_boolean(value):
            raise ValueError(f"user feature {name} is numeric. Received: {value!r}")
        if abs(value) > LARGEST_FLOAT:
            raise ValueError(f"user feature {name} should be finite, in 32 bits. Received: {value!r}")
        found.append(float(value))
    return found


def _is_boolean(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_))


def _id(text: str) -> str:
    match = _WHOLE.fullmatch(text)
    if match is None:
        return text
    whole = match[1] or "0"
    return "0" if whole == "-0" else whole


def _sendable(name: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} holds what is no valid text (half a surrogate pair): {value!r}") from None
    return value

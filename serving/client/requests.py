"""Converts arguments to request tensors, and validates them before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Union

from serving.bundle.signatures import profile_feature
from serving.client import wire
from serving.client.answers import ClientError, Input
from serving.client.spelling import filter_values, profile_numbers, profile_words, seconds, words

Id = Union[str, int]
"""Of an item: a whole number is spelt as ingestion spells it, 12 as "12"."""


def history_inputs(histories: Sequence[Sequence[Id]], times: Sequence[Sequence[int]] | None) -> dict[str, Any]:
    """``history`` [B, S] and ``history_time`` [B, S]; without times all are 0, unknown.

    Raises:
      ValueError: they are not lists of lists of ids, or not aligned.
    """
    if isinstance(histories, str) or any(isinstance(history, (str, bytes, int)) for history in histories):
        raise ValueError("histories is a list of lists of ids, one a user: [['a', 'b']] and not ['a', 'b']")
    rows = [words("histories", history) for history in histories]
    times = [[0] * len(row) for row in rows] if times is None else [seconds(row) for row in times]
    if [len(row) for row in times] != [len(row) for row in rows]:
        raise ValueError("times has to have one number for every item of histories")
    return {
        "history": wire.matrix(rows, wire.DT_STRING, ""),
        "history_time": wire.matrix(times, wire.DT_INT64, 0),
    }


def ids_of_users(name: str, given: Sequence[Sequence[Id]], batch: int) -> Any:
    """[B, M] of a list of ids for each user.

    Raises:
      ValueError: there are not as many lists as histories, or one holds no ids.
    """
    if len(given) != batch:
        raise ValueError(f"{name} has {len(given)} entries for {batch} histories")
    return wire.matrix([words(name, row) for row in given], wire.DT_STRING, "")


def excluded(given: Any, batch: int) -> Any:
    """``exclude`` [B, E], of one list of ids for all users or a list for each.

    Raises:
      ValueError: it is neither.
    """
    rows = _rows("exclude", given)
    if not any(map(_is_list, rows)):
        return wire.matrix([words("exclude", rows)] * batch, wire.DT_STRING, "")
    return wire.matrix([words("exclude", row) for row in _one_each("exclude", rows, batch)], wire.DT_STRING, "")


def filter_input(name: str, given: Any, batch: int) -> Any:
    """``allow`` or ``deny``, [1, F] of one list for all users or [B, F] of a list for each; None: nothing is asked.

    Raises:
      ValueError: it is neither.
    """
    rows = _rows(name, given)
    if not rows:
        return None
    if not any(map(_is_list, rows)):
        return wire.matrix([filter_values(name, rows)], wire.DT_STRING, "")
    return wire.matrix([filter_values(name, row) for row in _one_each(name, rows, batch)], wire.DT_STRING, "")


def _rows(name: str, given: Any) -> list[Any]:
    if isinstance(given, (str, bytes)):
        raise ValueError(f"{name} is a list of words, or a list of them for each user")
    return [] if given is None else list(given)


def _one_each(name: str, rows: list[Any], batch: int) -> list[Any]:
    if len(rows) != batch or not all(map(_is_list, rows)):
        raise ValueError(f"{name} has {len(rows)} lists for {batch} histories")
    return rows


def _is_list(row: Any) -> bool:
    return isinstance(row, Iterable) and not isinstance(row, (str, bytes))


def profile(name: str, spec: Input, user_features: Sequence[Mapping[str, Any]] | None, batch: int) -> Any:
    """[B, M] of one profile feature; missing is "" or NaN, which the model leaves out.

    Raises:
      ClientError: the input is not one of a profile feature.
      ValueError: a value is not of the feature's type.
    """
    feature = profile_feature(name)
    if feature is None or spec.dtype not in ("string", "float32"):
        raise ClientError("FAILED_PRECONDITION", f"The served model asks for {name}, which this client does not know.")
    rows = []
    for features in user_features or [{}] * batch:
        value = features.get(feature, ())
        values = list(value) if _is_list(value) else [value]
        rows.append([one for one in values if one is not None])
    if spec.dtype == "string":
        return wire.matrix([profile_words(feature, row) for row in rows], wire.DT_STRING, "")
    return wire.matrix([profile_numbers(feature, row) for row in rows], wire.DT_FLOAT, float("nan"))


def check_profile_names(expected: Mapping[str, Input], user_features: Sequence[Mapping[str, Any]] | None) -> None:
    """Refuses a feature that would be dropped without a word.

    Raises:
      ValueError: the served model has no such feature.
    """
    known = {feature for name in expected if (feature := profile_feature(name)) is not None}
    for features in user_features or ():
        for name in sorted(set(features) - known):
            raise ValueError(
                f"the served model has no profile feature {name!r}; it has: {', '.join(sorted(known)) or 'none'}"
            )

"""The client's arguments as tensors of a request, checked so that a slip is told before anything is sent."""

from collections.abc import Mapping, Sequence
from typing import Any

from serving import wire
from serving.answers import ClientError, Input
from serving.served_names import profile_feature


def history_inputs(histories: Sequence[Sequence[str]], times: Sequence[Sequence[int]] | None) -> dict[str, Any]:
    """``history`` [B, S] and ``history_time`` [B, S]; without times all are 0, unknown.

    Raises:
      ValueError: they are not lists of lists, or not aligned.
    """
    if isinstance(histories, str) or any(isinstance(history, str) for history in histories):
        raise ValueError("histories is a list of lists of ids, one a user: [['a', 'b']] and not ['a', 'b']")
    if times is None:
        times = [[0] * len(history) for history in histories]
    if [len(row) for row in times] != [len(history) for history in histories]:
        raise ValueError("times has to have one number for every item of histories")
    return {
        "history": wire.matrix(histories, wire.DT_STRING, ""),
        "history_time": wire.matrix(times, wire.DT_INT64, 0),
    }


def for_each_user(name: str, given: Any, batch: int) -> list[list[str]]:
    """A list of words for each of ``batch`` users, of one list for all or a list for each.

    Raises:
      ValueError: it is neither.
    """
    if isinstance(given, str):
        raise ValueError(f"{name} is a list of words, or a list of them for each user")
    rows = list(given or [])
    if all(isinstance(row, str) for row in rows):
        return [rows] * batch
    if len(rows) != batch or any(isinstance(row, str) for row in rows):
        raise ValueError(f"{name} has {len(rows)} lists for {batch} histories")
    return [list(row) for row in rows]


def profile(name: str, spec: Input, user_features: Sequence[Mapping[str, Any]] | None, batch: int) -> Any:
    """[B, M] of one profile feature; missing is "" or NaN, which the model leaves out.

    Raises:
      ClientError: the input is not one of a profile feature.
    """
    feature = profile_feature(name)
    if feature is None or spec.dtype not in ("string", "float32"):
        raise ClientError("FAILED_PRECONDITION", f"The served model asks for {name}, which this client does not know.")
    rows = []
    for features in user_features or [{}] * batch:
        value = features.get(feature, ())
        rows.append([value] if isinstance(value, str | int | float) else list(value))
    if spec.dtype == "string":
        return wire.matrix([[str(value) for value in row] for row in rows], wire.DT_STRING, "")
    return wire.matrix(rows, wire.DT_FLOAT, float("nan"))


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

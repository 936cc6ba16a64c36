"""Labels of impressions, from columns of the log."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.values.columns import BAD_NUMBER, NOT_FINITE, Column, as_mask, to_numbers, to_strings
from components.settings import LabelColumn
from trainer.data.schema import label_feature
from trainer.errors import InputError

POSITIVE, NEGATIVE, UNKNOWN = 1, 0, -1

Labels = npt.NDArray[np.int8]
Flags = npt.NDArray[np.bool_]

_TYPES = "Give numbers, true and false, or text that holds them."


def read_columns(labels: Mapping[str, LabelColumn]) -> dict[str, LabelColumn]:
    """Name in a batch -> label, of the labels that have a column; the others are positive in every row."""
    return {label_feature(task): label for task, label in labels.items() if label.column is not None}


def to_labels(values: pa.Array, where: str, at_least: float) -> Column:
    """A column of numbers, booleans or text that holds them as labels.

    Args:
      values: [rows].
      where: file and column, for messages.
      at_least: numbers from this one on are positive; true is 1.

    Returns:
      int8 [rows]: POSITIVE, NEGATIVE or UNKNOWN where the value is absent. Text that is no number is bad, and so is
      infinity.

    Raises:
      InputError: the column's type holds no numbers, or none of its text is one.
    """
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if pa.types.is_nested(kind) or pa.types.is_temporal(kind):
        raise InputError(f"{where} is of type {kind}, which is no label. {_TYPES}")
    text = to_strings(values, where) if _is_text(kind) else None
    numbers, wrong = to_numbers(values if text is None else _true_and_false(text.values), where)
    for mask in text.bad.values() if text is not None else ():
        wrong = wrong | mask
    present = as_mask(pc.is_valid(numbers)) & ~as_mask(pc.is_nan(numbers))
    if wrong.sum() > 1 and not present.any():
        seen = values[int(np.flatnonzero(wrong)[0])].as_py()
        shown = seen.decode("utf-8", "replace") if isinstance(seen, bytes) else seen
        raise InputError(
            f"{where} is a label, and its text such as {shown[:40]!r} is no number. {_TYPES} Or set data.labels to "
            "another column."
        )
    codes = np.where(present, np.asarray(pc.fill_null(numbers, 0.0)) >= at_least, UNKNOWN).astype(np.int8)
    infinite = as_mask(pc.is_inf(numbers))
    bad = {reason: mask for reason, mask in ((BAD_NUMBER, wrong), (NOT_FINITE, infinite)) if mask.any()}
    return Column(pa.array(codes), bad)


def _is_text(kind: pa.DataType) -> bool:
    return any(is_kind(kind) for is_kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary))


def _true_and_false(strings: pa.Array) -> pa.Array:
    """Text with 1 and 0 for true and false, however they are written."""
    lower = pc.utf8_lower(pc.utf8_trim_whitespace(strings))
    for word, number in (("true", "1"), ("false", "0")):
        strings = pc.if_else(pc.equal(lower, word), pa.scalar(number), strings)
    return strings


def positives_and_weights(
    codes: Mapping[str, Labels], labels: Mapping[str, LabelColumn], rows: int
) -> tuple[dict[str, Flags], dict[str, Flags]]:
    """Where each task is positive, and where its label counts.

    A label counts where its value is known and, with ``among``, the earlier label is positive.

    Args:
      codes: name in a batch -> int8 [rows], of the labels that have a column.
      labels: task -> label, an earlier one of the chain first.
      rows: number of rows.

    Returns:
      Task -> [rows], twice.
    """
    positive: dict[str, Flags] = {}
    counts: dict[str, Flags] = {}
    everywhere = np.full(rows, POSITIVE, dtype=np.int8)
    for task, label in labels.items():
        values = codes.get(label_feature(task), everywhere)
        positive[task] = values == POSITIVE
        counts[task] = values != UNKNOWN
        if label.among is not None:
            counts[task] &= positive[label.among]
    return positive, counts


def refuse_constant(
    labels: Mapping[str, LabelColumn], totals: Mapping[str, tuple[int, int]], sampled: int, path: str
) -> None:
    """Checks that every label is both 0 and 1 somewhere in what a model is trained on.

    Args:
      labels: task -> label.
      totals: task -> training impressions that are positive and count, and all that count.
      sampled: data.sampled_impressions.
      path: of the log.

    Raises:
      InputError: a label is always the same; says which, where it comes from and what to do.
    """
    for task, label in labels.items():
        positive, counted = totals[task]
        if 0 < positive < counted:
            continue
        source = f"column {label.column!r}, at_least {label.at_least:g}" if label.column else "without a column"
        among = f" with {label.among}" if label.among else ""
        whole = f"The label {task!r} ({source}) of {path}"
        if not counted:
            raise InputError(
                f"{whole} counts nowhere: none of the training impressions{among} has a value. Set "
                f"data.labels.{task}.column to a column with values, or leave the label out."
            )
        if not positive:
            raise InputError(
                f"{whole} is 0 in all {counted:,} training impressions{among}. Lower data.labels.{task}.at_least, set "
                "its column to the one that says what users did, or leave the label out."
            )
        every_row = label.among is None and not sampled
        raise InputError(
            f"{whole} is 1 in all {counted:,} training impressions{among}. "
            + (
                "If the log holds only what users did, set data.sampled_impressions (such as 4), which adds items that "
                "were not chosen. "
                if every_row
                else ""
            )
            + (
                f"Raise data.labels.{task}.at_least, or set its column to one that says what users left."
                if label.column
                else f"Set data.labels.{task}.column to one that says what users left."
            )
        )

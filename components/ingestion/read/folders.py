"""Columns of Hive partitions: their values, and rows of a file that say otherwise."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.values.columns import Mask, as_mask, to_strings
from components.ingestion.values.time_numbers import DAY
from components.ingestion.values.times import is_no_time, to_seconds
from trainer.data.spelling import spelled

OTHER_FOLDER = "rows whose folder names another value than their own column, which is taken"

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def with_partitions(
    batch: pa.RecordBatch, wanted: Sequence[str], partitions: Mapping[str, str | None]
) -> tuple[pa.RecordBatch, Counter[str]]:
    """Adds the columns of a file's partitions, but for those that the file has itself.

    Args:
      batch: of the file, [rows].
      wanted: names of columns; partitions of another name are left out.
      partitions: column -> its value in every row; None is null.

    Returns:
      The batch, and how many rows have another value of their own, as a note by column.
    """
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    notes: Counter[str] = Counter()
    for name in dict.fromkeys(wanted):
        if name not in partitions:
            continue
        if name in columns:
            notes[f"{name}: {OTHER_FOLDER}"] = int(np.sum(differs(columns[name], partitions[name])))
        else:
            columns[name] = pa.array([partitions[name]] * len(batch), pa.string())
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns)), +notes


def differs(values: pa.Array, folder: str | None) -> Mask:
    """Which values [rows] are not what a folder's name says.

    Numbers are compared as numbers (1 is ``01``) and other values by their spelling. A time agrees with the day that it
    is of, a list with each of its values, and null or empty text with None.
    """
    if pa.types.is_nested(values.type):
        return np.array([folder not in _texts(row) for row in values.to_pylist()], dtype=bool)
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    # Few are different: Python is fast enough.
    different, places = values.dictionary, np.asarray(values.indices.fill_null(-1))
    alike = np.append(_alike(different, folder), not folder)  # the last: null
    found: Mask = ~alike[places]
    return found


def _texts(row: Any) -> list[str | None]:
    return [str(value) for value in row] if row else [None]


def _alike(values: pa.Array, folder: str | None) -> Mask:
    """Which of the values [n], without nulls, are ``folder``."""
    strings = to_strings(values, "").values
    if not folder:
        return as_mask(pc.equal(pc.fill_null(strings, ""), ""))
    texts = [None if text is None else spelled(text) for text in strings.to_pylist()]
    alike = np.array([text == spelled(folder) for text in texts], dtype=bool)
    kind = values.type
    if _NUMBER.fullmatch(folder) and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        alike |= as_mask(pc.equal(values.cast(pa.float64(), safe=False), float(folder)))
    if _DATE.match(folder) and not is_no_time(kind):
        own, said = to_seconds(values, ""), to_seconds(pa.array([folder]), "")
        good = ~np.logical_or.reduce(list(own.bad.values())) & ~np.logical_or.reduce(list(said.bad.values()))
        seconds, wanted = np.asarray(own.values), np.asarray(said.values)
        of_day = _DATE.fullmatch(folder) is not None
        alike |= good & (seconds // DAY == wanted // DAY if of_day else seconds == wanted)
    return alike

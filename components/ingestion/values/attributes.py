"""Filterable attributes of items: columns of the items' table as ``name=value``."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.values.columns import as_mask, lists_of
from trainer.data.spelling import spelled


def joined(columns: Mapping[str, pa.Array], count: int) -> pa.Array:
    """The values of several columns as one list a row, each in its one spelling (trainer/data/spelling.py).

    Args:
      columns: name -> lists [count] of strings.
      count: rows.

    Returns:
      lists [count] of ``name=value``, in the order of the columns.
    """
    rows, values = [np.zeros(0, np.int64)], [pa.array([], pa.string())]
    for name, written in columns.items():
        lists = in_one_spelling(written)
        rows.append(np.repeat(np.arange(count), np.asarray(pc.list_value_length(lists))))
        values.append(pc.binary_join_element_wise(pa.scalar(f"{name}="), lists.flatten(), ""))
    every_row = np.concatenate(rows)
    order = np.argsort(every_row, kind="stable")
    return lists_of(every_row[order], pa.concat_arrays(values).take(pa.array(order)), count)


def in_one_spelling(lists: pa.Array) -> pa.Array:
    """Lists of strings, each in its one spelling, without those that are nothing but blanks."""
    rows = np.repeat(np.arange(len(lists)), np.asarray(pc.list_value_length(lists)))
    encoded = lists.flatten().dictionary_encode()
    # Few are different: Python is fast enough.
    different = pa.array([spelled(value) for value in encoded.dictionary.to_pylist()], pa.string())
    values = different.take(encoded.indices)
    present = as_mask(pc.not_equal(values, ""))
    return lists_of(rows[present], values.filter(pa.array(present)), len(lists))

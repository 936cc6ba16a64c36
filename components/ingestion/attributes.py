"""What a request may filter items by: columns of the items' table as ``name=value``."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.columns import lists_of


def joined(columns: Mapping[str, pa.Array], count: int) -> pa.Array:
    """The values of several columns as one list a row.

    Args:
      columns: name -> lists [count] of strings.
      count: rows.

    Returns:
      lists [count] of ``name=value``, in the order of the columns.
    """
    rows, values = [np.zeros(0, np.int64)], [pa.array([], pa.string())]
    for name, lists in columns.items():
        rows.append(np.repeat(np.arange(count), np.asarray(pc.list_value_length(lists))))
        values.append(pc.binary_join_element_wise(pa.scalar(f"{name}="), lists.flatten(), ""))
    every_row = np.concatenate(rows)
    order = np.argsort(every_row, kind="stable")
    return lists_of(every_row[order], pa.concat_arrays(values).take(pa.array(order)), count)

"""Reading the interaction log."""

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.batches import Piece, drop_bad, read_batches
from components.ingestion.columns import Column, as_mask, to_ids
from components.ingestion.labels import read_columns, to_labels
from components.ingestion.partition import ORDER, USER, order_of
from components.ingestion.report import Report
from components.ingestion.sequences import ITEM, TIME
from components.ingestion.times import to_seconds
from components.settings import InteractionColumns, LabelColumn

_LINE_BREAK = "line break in an id"  # of a quotation mark that is never closed
_FAR_FUTURE = 95_617_584_000  # the year 5000, in seconds


def read_interactions(
    piece: Piece, columns: InteractionColumns, labels: Mapping[str, LabelColumn] | None = None
) -> Iterator[tuple[pa.RecordBatch, Report]]:
    """Reads a piece of the log.

    Args:
      piece: what to read.
      columns: names of its columns.
      labels: task -> label, of an impression log.

    Yields:
      A batch with the columns user, order, item, time and (of labels with a column) label_<task>, and what was dropped.

    Raises:
      InputError: an unreadable file, or a column whose type cannot be an id, a time or a label.
    """
    label_columns = read_columns(labels or {})
    wanted = [columns.user, columns.item, columns.timestamp, *(str(label.column) for label in label_columns.values())]
    for batch in read_batches(piece, wanted):
        report = Report()
        converted: dict[str, tuple[str, Column]] = {}
        for role, name, convert in (
            (USER, columns.user, to_ids),
            (ITEM, columns.item, to_ids),
            (TIME, columns.timestamp, to_seconds),
        ):
            values = batch.columns.column(batch.columns.schema.get_field_index(name))
            column = convert(values, f"column {name!r} of {piece.file.path}")
            if piece.file.format != "parquet" and role != TIME:
                column.bad[_LINE_BREAK] = as_mask(pc.match_substring(column.values, "\n"))
            converted[role] = (name, column)
        for role, label in label_columns.items():
            name = str(label.column)
            values = batch.columns.column(batch.columns.schema.get_field_index(name))
            converted[role] = (name, to_labels(values, f"Column {name!r} of {piece.file.path}", label.at_least))
        good, rows = drop_bad(batch, converted, piece.file, report.table("interactions"))
        future = int(np.sum(np.asarray(good.column(2)) > _FAR_FUTURE))
        if future:
            report.counts["far_future_times"] += future
        arrays = [good.column(0), order_of(piece.file.index, rows), *good.columns[1:]]
        yield pa.RecordBatch.from_arrays(arrays, names=[USER, ORDER, *good.schema.names[1:]]), report

"""Reads the interaction log."""

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from components.ingestion.cut.partition import ORDER, USER, order_of
from components.ingestion.cut.sequences import ITEM, NANOSECONDS, TIME
from components.ingestion.files.report import FIRST_TIME, LAST_TIME, Report
from components.ingestion.read.batches import Piece, drop_bad, read_batches
from components.ingestion.values.columns import Column, to_ids
from components.ingestion.values.labels import read_columns, to_labels
from components.ingestion.values.time_numbers import BILLION, count_kinds
from components.ingestion.values.times import to_seconds
from components.settings import DataSettings, LabelColumn

_KINDS = "kinds"


def read_interactions(
    piece: Piece, settings: DataSettings, labels: Mapping[str, LabelColumn] | None = None
) -> Iterator[tuple[pa.RecordBatch, Report]]:
    """Reads a piece of the log.

    Args:
      piece: what to read.
      settings: names of its columns, and how ids and times are read.
      labels: task -> label, of an impression log.

    Yields:
      A batch with the columns user, order, item, time, nanoseconds and (of labels with a column) label_<task>, and what
      was dropped.

    Raises:
      InputError: an unreadable file, or a column whose type cannot be an id, a time or a label.
    """
    columns, label_columns = settings.columns, read_columns(labels or {})
    wanted = [columns.user, columns.item, columns.timestamp, *(str(label.column) for label in label_columns.values())]
    for batch in read_batches(piece, wanted):
        report = Report()

        def values(name: str) -> tuple[pa.Array, str]:
            where = f"column {name!r} of {piece.file.path}"
            return batch.columns.column(batch.columns.schema.get_field_index(name)), where  # noqa: B023

        times = to_seconds(*values(columns.timestamp), settings.time_unit)
        converted: dict[str, tuple[str, Column]] = {
            USER: (columns.user, to_ids(*values(columns.user), not settings.drop_null_like_ids)),
            ITEM: (columns.item, to_ids(*values(columns.item), not settings.drop_null_like_ids)),
            TIME: (columns.timestamp, times),
            NANOSECONDS: (columns.timestamp, Column(times.nanoseconds, {})),
            _KINDS: (columns.timestamp, Column(times.kinds, {})),
        }
        for role, label in label_columns.items():
            column, where = values(str(label.column))
            converted[role] = (str(label.column), to_labels(column, where[0].upper() + where[1:], label.at_least))
        good, rows = drop_bad(batch, converted, piece.file, report.table("interactions"))
        seen = count_kinds(good.column(2), good.column(4))
        report.counts.update({f"times_{kind}": count for kind, count in seen.items()})
        if len(good):
            seconds, nanoseconds = np.asarray(good.column(2)), np.asarray(good.column(3))
            first, last = int(seconds.min()), int(seconds.max())
            report.least[FIRST_TIME] = first * BILLION + int(nanoseconds[seconds == first].min())
            report.most[LAST_TIME] = last * BILLION + int(nanoseconds[seconds == last].max())
        kept = {name: column for name, column in zip(good.schema.names, good.columns, strict=True) if name != _KINDS}
        kept = {USER: kept.pop(USER), ORDER: order_of(piece.file.index, rows), **kept}
        yield pa.RecordBatch.from_arrays(list(kept.values()), names=list(kept)), report

"""Reads a table in batches, and drops and counts its bad rows."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os.path import basename

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pa_csv

from components.ingestion.files.headers import text_head
from components.ingestion.files.quotes import CheckedText
from components.ingestion.files.report import BadRow, TableReport
from components.ingestion.files.tables import TableFile, one_line, open_parquet, open_text
from components.ingestion.read.folders import with_partitions
from components.ingestion.values.columns import Column, Mask
from components.ingestion.values.times import BAD_TIME, FORMATS
from trainer.errors import InputError

BATCH_ROWS = 1 << 20
_BLOCK_BYTES = 24 << 20
_SHOWN = 80
WRONG_FIELDS = "wrong number of fields"


@dataclass(frozen=True)
class Piece:
    """What one worker reads at a time: a text file, or one row group of a Parquet file.

    Attributes:
      file: the file.
      row_group: its number, or None for the whole file.
      first_row: the number of data rows of the file before this piece.
    """

    file: TableFile
    row_group: int | None = None
    first_row: int = 0


@dataclass
class Batch:
    """Some rows of a file.

    Attributes:
      columns: the columns that were asked for, [rows] each.
      rows: int64 [rows], the number of each row in its file, from 0.
      malformed: rows that had the wrong number of fields and are in none of the batches.
      notes: what is worth telling of the rows, and of how many.
    """

    columns: pa.RecordBatch
    rows: npt.NDArray[np.int64]
    malformed: list[BadRow]
    notes: Counter[str] = field(default_factory=Counter)


def list_pieces(files: Sequence[TableFile]) -> list[Piece]:
    """The pieces of ``files``, in order.

    Raises:
      InputError: a broken Parquet file.
    """
    pieces = []
    for file in files:
        if file.format != "parquet":
            pieces.append(Piece(file))
            continue
        metadata = open_parquet(file.path).metadata
        first = 0
        for group in range(metadata.num_row_groups):
            pieces.append(Piece(file, group, first))
            first += metadata.row_group(group).num_rows
    return pieces


def read_batches(piece: Piece, columns: Sequence[str]) -> Iterator[Batch]:
    """Reads ``columns`` of a piece in batches; the fields of a text file stay bytes, and partitions are text.

    Raises:
      InputError: the file breaks off or cannot be parsed.
    """
    partitions = dict(piece.file.partitions)
    try:
        for batch in _parquet(piece, columns) if piece.row_group is not None else _text(piece, columns):
            batch.columns, notes = with_partitions(batch.columns, columns, partitions)
            batch.notes.update(notes)
            yield batch
    except (pa.ArrowException, OSError) as error:
        hint = "Write the file again."
        if "straddl" in str(error) or "Row #" in str(error):
            hint = "A row has too many or too few fields, or a quotation mark is never closed; correct it."
        raise InputError(f"{piece.file.path} cannot be read to its end: {one_line(error)}. {hint}") from error


def _parquet(piece: Piece, columns: Sequence[str]) -> Iterator[Batch]:
    first = piece.first_row
    with open_parquet(piece.file.path) as file:
        own = file.schema_arrow.names
        # At least one of the file's own columns, or the number of rows is lost.
        wanted = [name for name in dict.fromkeys(columns) if name in own] or own[:1]
        for batch in file.iter_batches(BATCH_ROWS, row_groups=[piece.row_group], columns=wanted):
            yield Batch(batch, np.arange(first, first + len(batch)), [])
            first += len(batch)


def _text(piece: Piece, columns: Sequence[str]) -> Iterator[Batch]:
    malformed: list[BadRow] = []
    broken: list[InputError] = []
    name = basename(piece.file.path)

    def skip(row: pa_csv.InvalidRow) -> str:
        # Arrow counts the header as row 1.
        reason = f"{WRONG_FIELDS} ({row.actual_columns}, not {row.expected_columns})"
        malformed.append(BadRow(name, row.number - 1, reason, row.text[:_SHOWN]))
        if "\n" in row.text.rstrip("\r\n"):
            broken.append(_never_closed(piece.file, row.number - 1, row.text))
        return "skip"

    head = text_head(piece.file)
    quoted = piece.file.format == "csv"
    unique = [column for column in dict.fromkeys(columns) if column in head.names] or [head.names[0]]
    source = CheckedText(piece.file, head, columns[0]) if quoted else open_text(piece.file)
    if not quoted:
        source.read(head.skipped)
    reader = pa_csv.open_csv(
        source,
        pa_csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
        pa_csv.ParseOptions(
            delimiter=head.delimiter,
            quote_char='"' if quoted else False,
            newlines_in_values=quoted,
            invalid_row_handler=skip,
        ),
        pa_csv.ConvertOptions(
            check_utf8=False, include_columns=unique, column_types=dict.fromkeys(unique, pa.binary())
        ),
    )
    read = reported = 0
    for batch in reader:
        rows = _numbers_without(read, len(batch), np.array([row.row - 1 for row in malformed], dtype=np.int64))
        read += len(batch)
        if broken:
            raise broken[0]
        # The parser is ahead of us: report only the skipped rows that lie before the end of this batch.
        ahead = [row for row in malformed[reported:] if not len(rows) or row.row - 1 < rows[-1]]
        reported += len(ahead)
        yield Batch(batch, rows, ahead)
    if broken:
        raise broken[0]
    notes = source.notes if isinstance(source, CheckedText) else Counter[str]()
    if malformed[reported:] or notes:
        empty = pa.RecordBatch.from_arrays([pa.array([], pa.binary()) for _ in unique], names=unique)
        yield Batch(empty, np.zeros(0, np.int64), malformed[reported:], notes)


def _never_closed(file: TableFile, row: int, text: str) -> InputError:
    """For a bad row with a line break: the rows up to the next quotation mark are inside it and would be lost."""
    return InputError(
        f"Data row {row} of {file.path} runs over several lines: {text[:_SHOWN]!r}. A quotation mark is probably never "
        "closed; correct it."
    )


def _numbers_without(read: int, count: int, skipped: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The file's row numbers of the next ``count`` good rows after ``read`` good ones.

    The good row with rank r is the number r + (skipped rows before it); a skipped row s has s - j good
    rows before it, where j is its place among the skipped.
    """
    ranks = np.arange(read, read + count)
    return ranks + np.searchsorted(skipped - np.arange(len(skipped)), ranks, side="right")


def drop_bad(
    batch: Batch, columns: Mapping[str, tuple[str, Column]], file: TableFile, report: TableReport
) -> tuple[pa.RecordBatch, npt.NDArray[np.int64]]:
    """Drops the rows in which any column is bad, and counts each under its first reason.

    Args:
      batch: as it was read.
      columns: role -> name of the column in the file, and its converted values and bad rows.
      file: for the report.
      report: is added to.

    Returns:
      The good rows of ``columns``, under their roles, and their numbers in the file.
    """
    report.rows += len(batch.rows) + len(batch.malformed)
    report.notes.update(batch.notes)
    for name, column in columns.values():
        report.notes.update({f"{name}: {note}": count for note, count in column.notes.items()})
    report.bad[WRONG_FIELDS] += len(batch.malformed)
    if not batch.malformed:
        del report.bad[WRONG_FIELDS]
    first = list(batch.malformed)
    good: Mask = np.ones(len(batch.rows), dtype=bool)
    for name, column in columns.values():
        for reason, mask in column.bad.items():
            new = np.flatnonzero(mask & good)
            if not len(new):
                continue
            good[new] = False
            reason = f"{name}: {reason}"
            report.bad[reason] += len(new)
            raw = batch.columns.column(batch.columns.schema.get_field_index(name))
            first += [BadRow(basename(file.path), int(batch.rows[i]) + 1, reason, _shown(raw[int(i)])) for i in new[:5]]
    report.add(TableReport(first_bad=first))
    table = pa.RecordBatch.from_arrays([column.values for _, column in columns.values()], names=list(columns))
    if good.all():
        return table, batch.rows
    return table.filter(pa.array(good)), batch.rows[good]


def _shown(value: pa.Scalar) -> str:
    plain = value.as_py()
    return "" if plain is None else repr(plain)[:_SHOWN]


def refuse_too_many_bad_rows(name: str, table: TableReport, limit: float, path: str) -> None:
    """Checks the part of bad rows of one table.

    Raises:
      InputError: no rows at all, or more bad ones than ``limit`` (a fraction) allows.
    """
    if table.rows == 0:
        raise InputError(f"{path} (data.{name}) has no rows.")
    if table.bad_rows > limit * table.rows:
        first = "; ".join(str(row) for row in table.first_bad)
        formats = f" {FORMATS}." if any(reason.endswith(BAD_TIME) for reason in table.bad) else ""
        raise InputError(
            f"{table.bad_rows:,} of {table.rows:,} rows of {path} (data.{name}) are bad, more than data.max_bad_rows = "
            f"{limit:g} allows. The first: {first}.{formats} Correct them, or raise data.max_bad_rows to drop them."
        )

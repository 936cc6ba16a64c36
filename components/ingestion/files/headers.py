"""Column names and first lines of input files."""

import csv
import difflib
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from components.ingestion.files.tables import TableFile, one_line, open_parquet, open_text
from trainer.errors import InputError

_HEADER_BYTES = 1 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DELIMITERS = (",", ";", "\t", "|")
_MAGIC = {
    b"PAR1": ("a Parquet file", "Name it .parquet."),
    b"\x1f\x8b": ("compressed by gzip", "Name it .csv.gz."),
    b"\x28\xb5\x2f\xfd": ("compressed by Zstandard", "Name it .csv.zst."),
    b"PK\x03\x04": ("an archive or a spreadsheet", "Unpack it or save it as CSV."),
}


@dataclass(frozen=True)
class TextHead:
    """How a text file begins.

    Attributes:
      names: of its columns.
      delimiter: what stands between the fields.
      skipped: bytes before the line with the names: a byte order mark, blank lines, Excel's line "sep=;".
    """

    names: tuple[str, ...]
    delimiter: str
    skipped: int


_BEFORE_NAMES = re.compile(rb'(?:[ \t]*(?:\r\n|\r|\n))*(?:"?sep=(.)"?(?:\r\n|\r|\n))?', re.IGNORECASE)


def text_head(file: TableFile) -> TextHead:
    """Reads the first line with something in it.

    Raises:
      InputError: the file is empty or broken, or its first line is no text in UTF-8.
    """
    try:
        with open_text(file) as source:
            head = source.read(_HEADER_BYTES)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file.path} cannot be read ({one_line(error)}). Write it again.") from error
    if not head.strip(b" \t\r\n" + _BYTE_ORDER_MARK):
        raise InputError(f"{file.path} is empty. It needs a first line with the names of the columns, and rows.")
    for magic, (what, to_do) in _MAGIC.items():
        if head.startswith(magic):
            raise InputError(f"{file.path} is {what} by its content. {to_do}")
    mark = len(_BYTE_ORDER_MARK) if head.startswith(_BYTE_ORDER_MARK) else 0
    before = _BEFORE_NAMES.match(head, mark)
    assert before is not None  # it matches nothing, too
    line = head[before.end() :].splitlines()[0]
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"The first line of {file.path} is not UTF-8 (byte {error.start}). Save it as UTF-8."
        ) from error
    if "\0" in text:
        raise InputError(f"The first line of {file.path} is not text in UTF-8 (is it UTF-16?). Save it as UTF-8.")
    if file.format == "tsv":
        return TextHead(tuple(text.split("\t")), "\t", before.end())
    marks = (before.group(1).decode(),) if before.group(1) else _DELIMITERS
    names, mark_between = max(
        ((tuple(next(csv.reader(io.StringIO(text), delimiter=mark))), mark) for mark in marks),
        key=lambda found: len(found[0]),
    )
    return TextHead(names, mark_between, before.end())


def column_names(file: TableFile) -> list[str]:
    """The names of a file's columns, those of its partitions behind them.

    Raises:
      InputError: an empty or broken file.
    """
    own = open_parquet(file.path).schema_arrow.names if file.format == "parquet" else text_head(file).names
    return [*own, *(name for name, _ in file.partitions if name not in own)]


def require_columns(file: TableFile, names: Sequence[str], wanted: Iterable[tuple[str, str]]) -> None:
    """Checks that ``wanted`` columns exist, each once.

    Args:
      file: where the columns were read.
      names: the file's columns.
      wanted: pairs of the configuration key and the column it names.

    Raises:
      InputError: names the missing column, the nearest existing one and the key to set.
    """
    for setting, column in wanted:
        if names.count(column) == 1:
            continue
        if column in names:
            raise InputError(f"{file.path} has {names.count(column)} columns named {column!r}. Keep one.")
        lower = {name.lower(): name for name in names}
        near = difflib.get_close_matches(column.lower(), list(lower), n=1, cutoff=0.5)
        hint = f" The nearest is {lower[near[0]]!r}: set {setting} to it." if near else f" Set {setting}."
        if any(name.strip() == column for name in names):
            hint = " Its names have blanks around them, and so have its fields: write the table without."
        if file.format == "tsv" and any(name.strip("\"'") == column for name in names):
            hint = " Its names are in quotation marks, and so are its fields: name it .csv, where marks enclose a text."
        listed = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
        if len(names) == 1 and any(mark in names[0] for mark in ",;|"):
            hint = " Its fields do not seem to be separated by tabs: name it .csv, where the mark is found."
        raise InputError(f"{file.path} has no column {column!r} ({setting}). It has: {listed}.{hint}")

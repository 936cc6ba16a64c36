"""Finding tables on disk: one file or a folder of files, CSV or Parquet, and the names of their columns."""

import csv
import difflib
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from trainer.errors import InputError

_FORMATS = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".tsv": "tsv"}
_COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".zstd": "zstd"}
_HEADER_BYTES = 1 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DELIMITERS = (",", ";", "\t", "|")
_MAGIC = {
    b"PAR1": ("a Parquet file", "Name it .parquet."),
    b"\x1f\x8b": ("compressed by gzip", "Name it .csv.gz."),
    b"\x28\xb5\x2f\xfd": ("compressed by Zstandard", "Name it .csv.zst."),
    b"PK\x03\x04": ("an archive or a spreadsheet", "Unpack it or save it as CSV."),
}
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
_ARCHIVES = (".zip", ".7z", ".tar", ".tgz", ".rar", ".xlsx", ".xls")


@dataclass(frozen=True)
class TableFile:
    """One file of a table.

    Attributes:
      path: where it is.
      format: "parquet", "csv" (a mark between the fields that the first line shows, and quotation marks) or "tsv"
        (tabs, and no quotation marks).
      index: its place among the table's files, which are sorted by path.
      partitions: columns and values that the folders above it name, such as dt=2024-01-31 (Hive's way of partitioning).
    """

    path: str
    format: str
    index: int
    partitions: tuple[tuple[str, str | None], ...] = ()


def is_remote(path: str) -> bool:
    """Whether ``path`` is a URL such as gs://bucket/file, read through TensorFlow's file systems."""
    return "://" in path


def _files_api() -> Any:
    import tensorflow as tf

    return tf.io.gfile


def is_folder(path: str) -> bool:
    """Whether ``path`` is an existing folder."""
    return _files_api().isdir(path) if is_remote(path) else os.path.isdir(path)


def file_bytes(path: str) -> int:
    """The size of a file."""
    return int(_files_api().stat(path).length if is_remote(path) else os.path.getsize(path))


def is_compressed(path: str) -> bool:
    """Whether a text file is compressed, by its name."""
    return path.lower().endswith(tuple(_COMPRESSIONS))


def open_binary(path: str) -> BinaryIO | pa.NativeFile:
    """The bytes of a file, seekable.

    Raises:
      InputError: the file cannot be read.
    """
    try:
        return _files_api().GFile(path, "rb") if is_remote(path) else pa.OSFile(path, "rb")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}. Check the file and its permissions.") from error


def _format_of(name: str) -> str | None:
    stem, suffix = os.path.splitext(name.lower())
    if suffix in _COMPRESSIONS:
        inner = _FORMATS.get(os.path.splitext(stem)[1])
        return inner if inner != "parquet" else None
    return _FORMATS.get(suffix)


def find_files(path: str, setting: str) -> list[TableFile]:
    """The files of the table at ``path``, sorted by path.

    A folder is read whole, with the folders inside it; a folder's name such as dt=2024-01-31 gives its files the column
    dt. Names that start with "." or "_" (such as _SUCCESS) are not tables.

    Args:
      path: a file or a folder.
      setting: the configuration key that holds the path, for messages.

    Raises:
      InputError: nothing there, a folder without tables, a name that says no known format, several formats.
    """
    if is_folder(path):
        paths = sorted(_files_below(path))
        if not paths:
            raise InputError(f"{path} ({setting}) is a folder without tables. Put .csv or .parquet files there.")
    elif _files_api().exists(path) if is_remote(path) else os.path.exists(path):
        paths = [path]
    else:
        raise InputError(f"{path} ({setting}) does not exist. Check {setting} and data.directory.")
    formats = []
    for each in paths:
        kind = _format_of(os.path.basename(each))
        if kind is None:
            raise InputError(
                f"{each} ({setting}) is neither CSV nor Parquet by its name. Tables end in .csv, .tsv or .parquet, "
                f"those in text also in .csv.gz, .csv.bz2 or .csv.zst; {_what_to_do(each)}."
            )
        formats.append(kind)
    if len(set(formats)) > 1:
        first_other = next(i for i, kind in enumerate(formats) if kind != formats[0])
        raise InputError(
            f"{path} ({setting}) mixes formats: {os.path.relpath(paths[0], path)} is {formats[0]}, "
            f"{os.path.relpath(paths[first_other], path)} is {formats[first_other]}. Keep one format in a folder."
        )
    return [
        TableFile(each, kind, index, _partitions(each, path))
        for index, (each, kind) in enumerate(zip(paths, formats, strict=True))
    ]


def _files_below(folder: str) -> Iterator[str]:
    walk = _files_api().walk(folder) if is_remote(folder) else os.walk(folder, followlinks=True)
    whole = os.path.realpath(folder)
    for parent, folders, names in walk:
        inside = os.path.relpath(parent, folder).split(os.sep) if parent != folder else []
        if not any(_is_hidden(part) for part in inside if part != "."):
            yield from (os.path.join(parent, name) for name in names if not _is_hidden(name))
        folders[:] = [
            name for name in folders if not (_is_hidden(name) or _leads_inside(os.path.join(parent, name), whole))
        ]


def _leads_inside(path: str, folder: str) -> bool:
    """Whether a folder is a link to where files are read anyway, such as ``latest``."""
    if is_remote(path) or not os.path.islink(path):
        return False
    target = os.path.realpath(path)
    return os.path.commonpath([target, folder]) in (target, folder)


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def _what_to_do(path: str) -> str:
    name = path.lower()
    if name.endswith(_ARCHIVES):
        return "unpack it or save it as CSV"
    if name.endswith((".json", ".jsonl", ".ndjson", ".avro", ".orc", ".feather")):
        return "convert it to Parquet"
    return "rename it or move it out of the folder"


def _partitions(path: str, table: str) -> tuple[tuple[str, str | None], ...]:
    """The columns in the names of the folders between ``table`` and the file at ``path``."""
    if path == table:
        return ()
    folders = os.path.relpath(os.path.dirname(path), table).split(os.sep)
    pairs = (part.partition("=") for part in folders)
    return tuple(
        (unquote(name), None if value == _HIVE_NULL else unquote(value)) for name, mark, value in pairs if mark and name
    )


def open_parquet(path: str) -> pq.ParquetFile:
    """Opens a Parquet file and reads its footer.

    Raises:
      InputError: it is not a whole Parquet file.
    """
    source = open_binary(path)
    try:
        # Spark's 96 bits reach beyond 2262, and wrap around in nanoseconds.
        return pq.ParquetFile(source, coerce_int96_timestamp_unit="us")
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(
            f"{path} is not a readable Parquet file ({one_line(error)}). It may be cut off or of another format: "
            "write it again."
        ) from error


def one_line(error: BaseException) -> str:
    """The message of an exception in one short line."""
    return " ".join(str(error).split()).rstrip(".")[:200]


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


def open_text(file: TableFile) -> pa.NativeFile:
    """The decompressed bytes of a text file."""
    compression = _COMPRESSIONS.get(os.path.splitext(file.path.lower())[1])
    return pa.input_stream(open_binary(file.path), compression=compression)


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

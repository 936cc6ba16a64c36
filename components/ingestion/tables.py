"""Finding tables on disk: one file or a folder of files, CSV or Parquet, and the names of their columns."""

import csv
import difflib
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from trainer.errors import InputError

_FORMATS = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".tsv": "tsv"}
_COMPRESSIONS = (".gz", ".bz2")
_HEADER_BYTES = 1 << 20


@dataclass(frozen=True)
class TableFile:
    """One file of a table.

    Attributes:
      path: where it is.
      format: "parquet", "csv" (commas) or "tsv" (tabs).
      index: its place among the table's files, which are sorted by name.
    """

    path: str
    format: str
    index: int


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
    return path.lower().endswith(_COMPRESSIONS)


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
    """The files of the table at ``path``, sorted by name.

    A folder is read whole; names that start with "." or "_" (such as _SUCCESS) are not tables.

    Args:
      path: a file or a folder.
      setting: the configuration key that holds the path, for messages.

    Raises:
      InputError: nothing there, a folder without tables, a name that says no known format, a folder of
        several formats or with folders inside.
    """
    if is_folder(path):
        names = sorted(_files_api().listdir(path) if is_remote(path) else os.listdir(path))
        names = [name.rstrip("/") for name in names if not name.startswith((".", "_"))]
        paths = [os.path.join(path, name) for name in names]
        if not paths:
            raise InputError(f"{path} ({setting}) is a folder without tables. Put .csv or .parquet files there.")
        for inner in paths:
            if is_folder(inner):
                raise InputError(
                    f"{path} ({setting}) holds the folder {os.path.basename(inner)}; folders inside a table's folder "
                    "are not read. Give the folder whose files are the table."
                )
    elif _files_api().exists(path) if is_remote(path) else os.path.exists(path):
        paths = [path]
    else:
        raise InputError(f"{path} ({setting}) does not exist. Check {setting} and data.directory.")
    formats = []
    for each in paths:
        kind = _format_of(os.path.basename(each))
        if kind is None:
            raise InputError(
                f"{each} ({setting}) is neither CSV nor Parquet by its name. Tables end in .csv, .tsv, .csv.gz or "
                ".parquet; rename it or move it out of the folder."
            )
        formats.append(kind)
    if len(set(formats)) > 1:
        first_other = next(i for i, kind in enumerate(formats) if kind != formats[0])
        raise InputError(
            f"{path} ({setting}) mixes formats: {os.path.basename(paths[0])} is {formats[0]}, "
            f"{os.path.basename(paths[first_other])} is {formats[first_other]}. Keep one format in a folder."
        )
    return [TableFile(each, kind, index) for index, (each, kind) in enumerate(zip(paths, formats, strict=True))]


def open_parquet(path: str) -> pq.ParquetFile:
    """Opens a Parquet file and reads its footer.

    Raises:
      InputError: it is not a whole Parquet file.
    """
    source = open_binary(path)
    try:
        return pq.ParquetFile(source)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(
            f"{path} is not a readable Parquet file ({one_line(error)}). It may be cut off or of another format: "
            "write it again."
        ) from error


def one_line(error: BaseException) -> str:
    """The message of an exception in one short line."""
    return " ".join(str(error).split()).rstrip(".")[:200]


def _text_header(file: TableFile) -> list[str]:
    source = open_binary(file.path)
    try:
        head = pa.input_stream(source, compression=_compression(file.path)).read(_HEADER_BYTES)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file.path} cannot be read ({one_line(error)}). Write it again.") from error
    if not head.strip():
        raise InputError(f"{file.path} is empty. It needs a first line with the names of the columns, and rows.")
    if head.startswith(b"PAR1"):
        raise InputError(f"{file.path} is a Parquet file by its content. Name it .parquet.")
    line = head.splitlines()[0]
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"The first line of {file.path} is not UTF-8 (byte {error.start}). Save it as UTF-8."
        ) from error
    if "\0" in text:
        raise InputError(f"The first line of {file.path} is not text in UTF-8 (is it UTF-16?). Save it as UTF-8.")
    return next(csv.reader(io.StringIO(text), delimiter=delimiter(file)))


def _compression(path: str) -> str | None:
    suffix = os.path.splitext(path.lower())[1]
    return {".gz": "gzip", ".bz2": "bz2"}.get(suffix)


def open_text(file: TableFile) -> pa.NativeFile:
    """The decompressed bytes of a CSV file."""
    return pa.input_stream(open_binary(file.path), compression=_compression(file.path))


def delimiter(file: TableFile) -> str:
    """What stands between the fields of a text file."""
    return "\t" if file.format == "tsv" else ","


def column_names(file: TableFile) -> list[str]:
    """The names of a file's columns.

    Raises:
      InputError: an empty or broken file.
    """
    if file.format == "parquet":
        return list(open_parquet(file.path).schema_arrow.names)
    return _text_header(file)


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
        listed = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
        if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
            hint = " Its fields seem to be separated by another mark than a comma: save it with commas."
        raise InputError(f"{file.path} has no column {column!r} ({setting}). It has: {listed}.{hint}")

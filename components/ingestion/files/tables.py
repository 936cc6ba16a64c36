"""Finds input tables: a file or a folder of files, CSV or Parquet, and their columns."""

import os
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from components.ingestion.files.file_systems import file_system
from trainer.errors import InputError

_FORMATS = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".tsv": "tsv"}
_COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".zstd": "zstd"}
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


def file_bytes(path: str) -> int:
    """The size of a file."""
    return file_system(path).size(path)


def is_compressed(path: str) -> bool:
    """Whether a text file is compressed, by its name."""
    return path.lower().endswith(tuple(_COMPRESSIONS))


def open_binary(path: str) -> BinaryIO | pa.NativeFile:
    """The bytes of a file, seekable.

    Raises:
      InputError: the file cannot be read.
    """
    try:
        return file_system(path).open(path)
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
    files = file_system(path)
    try:
        if files.is_folder(path):
            paths = sorted(files.files_below(path))
            if not paths:
                raise InputError(f"{path} ({setting}) is a folder without tables. Put .csv or .parquet files there.")
        elif files.exists(path):
            paths = [path]
        else:
            raise InputError(f"{path} ({setting}) does not exist. Check {setting} and data.directory.")
    except OSError as error:
        raise InputError(
            f"{path} ({setting}) cannot be looked at: {one_line(error)}. Check the address and the permissions."
        ) from error
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
            f"{path} ({setting}) mixes formats: {inside(paths[0], path)} is {formats[0]}, "
            f"{inside(paths[first_other], path)} is {formats[first_other]}. Keep one format in a folder."
        )
    return [
        TableFile(each, kind, index, _partitions(each, path))
        for index, (each, kind) in enumerate(zip(paths, formats, strict=True))
    ]


def inside(path: str, table: str) -> str:
    """The name of a file below the folder ``table``; "" of the table itself."""
    return path[len(table) :].lstrip("/")


def _what_to_do(path: str) -> str:
    name = path.lower()
    if name.endswith(_ARCHIVES):
        return "unpack it or save it as CSV"
    if name.endswith((".json", ".jsonl", ".ndjson", ".avro", ".orc", ".feather")):
        return "convert it to Parquet"
    return "rename it or move it out of the folder"


def _partitions(path: str, table: str) -> tuple[tuple[str, str | None], ...]:
    """The columns in the names of the folders between ``table`` and the file at ``path``."""
    folders = inside(path, table).split("/")[:-1]
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


def open_text(file: TableFile) -> pa.NativeFile:
    """The decompressed bytes of a text file."""
    compression = _COMPRESSIONS.get(os.path.splitext(file.path.lower())[1])
    return pa.input_stream(open_binary(file.path), compression=compression)

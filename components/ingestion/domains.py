"""Merges the logs of several domains for pre-training."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.ingestion.cut.partition import USER
from components.ingestion.cut.sequences import ITEM, NANOSECONDS, TIME
from components.ingestion.files.input_key import INPUT_HASHES, InputHashes, input_key
from components.ingestion.files.inputs import check_inputs, find_tables, table_path
from components.ingestion.files.report import Report
from components.ingestion.files.storage import full_disk_in_words
from components.ingestion.read.batches import list_pieces, refuse_too_many_bad_rows
from components.ingestion.read.interactions import read_interactions
from components.ingestion.values.time_numbers import BILLION
from components.ingestion.write.catalogue import read_items
from components.settings import MERGED_TABLES, DataSettings, DomainSettings, InteractionColumns
from trainer.errors import InputError

INTERACTIONS, ITEMS = MERGED_TABLES["interactions"], MERGED_TABLES["items"]
_STATE = "merged.json"


def merge_domains(
    domains: Mapping[str, DomainSettings], directory: str, max_bad_rows: float, code_fingerprint: str = ""
) -> None:
    """Writes one interaction log and one item table, every id with its domain in front: ``toys:i1``.

    Times, titles, texts and categories stay as they are. Nothing is written where the tables are there already, and no
    file's content, setting or code has changed since.

    Args:
      domains: name -> tables.
      directory: where to, on this machine.
      max_bad_rows: largest part of bad rows of a table that is dropped, not refused.
      code_fingerprint: changes when the code does, so that tables of an earlier version are written again.

    Raises:
      InputError: a table cannot be used, or is written to meanwhile; names the domain.
    """
    sections = {
        name: DataSettings(**domain.model_dump(), max_bad_rows=max_bad_rows) for name, domain in domains.items()
    }
    for name, section in sections.items():
        with _named(name):
            check_inputs(section)
    os.makedirs(directory, exist_ok=True)
    hashes = InputHashes(os.path.join(os.path.dirname(os.path.abspath(directory)), INPUT_HASHES))
    identities = {name: _identity(name, section, hashes) for name, section in sections.items()}
    hashes.save()
    state = json.dumps([code_fingerprint, *identities.values()], indent=1)
    path = os.path.join(directory, _STATE)
    whole = all(os.path.exists(os.path.join(directory, name)) for name in (INTERACTIONS, ITEMS, _STATE))
    if whole and Path(path).read_text(encoding="utf-8") == state:
        return
    staging = tempfile.mkdtemp(prefix=".partial-", dir=directory)
    try:
        with full_disk_in_words(directory):
            _write(os.path.join(staging, INTERACTIONS), _interactions(sections))
            _write(os.path.join(staging, ITEMS), _items(sections))
            Path(staging, _STATE).write_text(state, encoding="utf-8")
        for name, section in sections.items():
            if _identity(name, section, hashes) != identities[name]:
                raise InputError(
                    f"domains.{name}: a table in {section.directory} changed while it was read. Run again when nothing "
                    "writes to it, or on a copy."
                )
        if os.path.exists(path):
            os.unlink(path)
        for name in (INTERACTIONS, ITEMS, _STATE):
            os.replace(os.path.join(staging, name), os.path.join(directory, name))
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def _named(domain: str) -> Iterator[None]:
    """Puts the domain's name in front of an InputError."""
    try:
        yield
    except InputError as error:
        raise InputError(f"domains.{domain}: {error}") from error


def _identity(name: str, section: DataSettings, hashes: InputHashes) -> list[object]:
    with _named(name):
        return [name, section.model_dump(), input_key(section, ["interactions", "items"], hashes)]


def _write(path: str, batches: Iterator[pa.RecordBatch]) -> None:
    writer: pq.ParquetWriter | None = None
    try:
        for batch in batches:
            writer = writer or pq.ParquetWriter(path, batch.schema)
            writer.write_batch(batch)
    finally:
        if writer is not None:
            writer.close()


def _prefixed(domain: str, ids: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(pa.scalar(domain), ids.cast(pa.string()), pa.scalar(":"))


def _interactions(sections: Mapping[str, DataSettings]) -> Iterator[pa.RecordBatch]:
    for name, section in sections.items():
        report = Report()
        with _named(name):
            for piece in list_pieces(find_tables(section).interactions):
                for batch, read in read_interactions(piece, section):
                    report.add(read)
                    values = dict(zip(batch.schema.names, batch.columns, strict=True))
                    yield pa.RecordBatch.from_arrays(
                        [_prefixed(name, values[USER]), _prefixed(name, values[ITEM]), _as_text(values)],
                        names=list(InteractionColumns().model_dump().values()),
                    )
            path = table_path(section, section.interactions)
            refuse_too_many_bad_rows("interactions", report.table("interactions"), section.max_bad_rows, path)


def _as_text(values: Mapping[str, pa.Array]) -> pa.Array:
    """Times [n] as decimal seconds, to the nanosecond where they have any."""
    seconds, nanoseconds = np.asarray(values[TIME]), np.asarray(values[NANOSECONDS])
    if not nanoseconds.any():
        return values[TIME].cast(pa.string())
    below = (seconds < 0) & (nanoseconds > 0)  # -2 s and .75 more are -1.25
    sign = pa.array(np.where(below & (seconds == -1), "-", ""))
    whole = pa.array(seconds + below).cast(pa.string())
    part = pa.array(np.where(below, BILLION - nanoseconds, nanoseconds)).cast(pa.string())
    return pc.binary_join_element_wise(sign, whole, ".", pc.utf8_lpad(part, 9, "0"), "")


def _items(sections: Mapping[str, DataSettings]) -> Iterator[pa.RecordBatch]:
    for name, section in sections.items():
        report = Report()
        with _named(name):
            for piece in list_pieces(find_tables(section).items):
                for batch in read_items(piece, section, report):
                    yield pa.RecordBatch.from_arrays(
                        [_prefixed(name, batch.column(0)), *batch.columns[1:]], names=batch.schema.names
                    )
            path = table_path(section, str(section.items))
            refuse_too_many_bad_rows("items", report.table("items"), section.max_bad_rows, path)

"""Partitions rows into shards by user, as Arrow IPC bytes."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.cut.hashing import hash_strings, shard_of

USER = "user"
ORDER = "order"
_FILE_BITS = 40


def order_of(file_index: int, rows: npt.NDArray[np.integer[Any]]) -> pa.Array:
    """A key int64 [rows] that sorts rows by file and then by their number in it."""
    return pa.array(rows.astype(np.int64) + (file_index << _FILE_BITS))


def to_ipc(batch: pa.RecordBatch) -> bytes:
    """A record batch as compressed Arrow IPC bytes."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_batch(batch)
    payload: bytes = sink.getvalue().to_pybytes()
    return payload


def from_ipc(payload: bytes) -> pa.RecordBatch:
    """The record batch that ``to_ipc`` wrote."""
    return pa.ipc.open_stream(payload).read_next_batch()


def folded(ids: pa.Array) -> pa.Array:
    """Ids [n] without what people overlook: outer blanks and the case of letters."""
    return pc.utf8_lower(pc.utf8_trim_whitespace(ids))


def by_shard(batch: pa.RecordBatch, shards: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Divides rows by the hash of their column ``user``; the order of a shard's rows stays.

    Users whose ids differ in case or blanks only come to the same shard, where they can be counted.
    """
    if shards == 1 or not len(batch):
        if len(batch):
            yield 0, batch
        return
    users = batch.column(batch.schema.get_field_index(USER)).dictionary_encode()
    shard = shard_of(hash_strings(folded(users.dictionary)), shards)[np.asarray(users.indices)]
    # A stable sort of uint16 is a radix sort: linear.
    in_shards = batch_take(batch, np.argsort(shard, kind="stable"))
    ends = np.cumsum(np.bincount(shard, minlength=shards))
    for number, end in enumerate(ends):
        start = int(ends[number - 1]) if number else 0
        if end > start:
            yield number, in_shards.slice(start, int(end) - start)


def batch_take(batch: pa.RecordBatch, rows: npt.NDArray[np.integer[Any]]) -> pa.RecordBatch:
    """The rows [m] of a batch, in that order."""
    indices = pa.array(rows)
    return pa.RecordBatch.from_arrays([column.take(indices) for column in batch.columns], schema=batch.schema)


def concat_in_order(payloads: Iterable[bytes]) -> pa.RecordBatch:
    """One record batch of all payloads, sorted by the column ``order``.

    Every payload is sorted already and covers a range of its own, so sorting the payloads is enough.
    """
    batches = [batch for batch in map(from_ipc, payloads) if len(batch)]
    batches.sort(key=lambda batch: batch.column(batch.schema.get_field_index(ORDER))[0].as_py())
    table = pa.Table.from_batches(batches)
    columns = [pa.concat_arrays(column.chunks) for column in table.columns]
    return pa.RecordBatch.from_arrays(columns, schema=table.schema)

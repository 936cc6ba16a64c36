"""Item counts over the whole log."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.cut.partition import from_ipc, to_ipc
from components.ingestion.cut.sampling import Frequencies

_ITEM, _COUNT = "item", "count"


def count_items(items: pa.Array) -> bytes:
    """Counts of the distinct values of ``items`` [rows], as Arrow IPC bytes."""
    counts = pc.value_counts(items)
    return _pack(counts.field("values"), counts.field("counts"))


def merge_counts(parts: Iterable[bytes]) -> bytes:
    """The sum of counts, as Arrow IPC bytes; associative, so Beam may combine in any order."""
    batches = [from_ipc(part) for part in parts]
    if len(batches) == 1:
        return to_ipc(batches[0])
    if not batches:
        return _pack(pa.array([], pa.string()), pa.array([], pa.int64()))
    items = pa.concat_arrays([batch.column(0) for batch in batches]).dictionary_encode()
    weights = np.concatenate([np.asarray(batch.column(1)) for batch in batches])
    totals = np.bincount(np.asarray(items.indices), weights=weights, minlength=len(items.dictionary))
    return _pack(items.dictionary, pa.array(totals.astype(np.int64)))


def frequent_items(counts: bytes, least: int) -> tuple[pa.Array, pa.Array]:
    """The items that occur at least ``least`` times, and all items."""
    batch = from_ipc(counts)
    return batch.column(0).filter(pc.greater_equal(batch.column(1), least)), batch.column(0)


def item_frequencies(counts: bytes, least: int) -> Frequencies:
    """The items that occur at least ``least`` times, and how often."""
    batch = from_ipc(counts)
    kept = batch.filter(pc.greater_equal(batch.column(1), least))
    order = pc.sort_indices(kept.column(0))
    return Frequencies(kept.column(0).take(order), np.asarray(kept.column(1).take(order)))


def largest_item(counts: bytes) -> int:
    """The number of rows of the item with most; 0 without items."""
    return int(pc.max(from_ipc(counts).column(1)).as_py() or 0)


def _pack(items: pa.Array, counts: pa.Array) -> bytes:
    return to_ipc(pa.RecordBatch.from_arrays([items, counts.cast(pa.int64())], names=[_ITEM, _COUNT]))

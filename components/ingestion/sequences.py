"""The sequences of a shard's users: rare items and users dropped, events sorted by time."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.columns import as_mask
from components.ingestion.hashing import Hashes, hash_strings
from components.ingestion.partition import ORDER, USER

ITEM = "item"
TIME = "time"


@dataclass
class Sequences:
    """Users' events end to end, oldest first.

    Attributes:
      users: strings [U], ordered by hash.
      hashes: [U].
      offsets: int64 [U + 1]; user u has the events offsets[u] up to offsets[u + 1].
      items: int32 [N], places in ``item_ids``.
      item_ids: strings.
      times: int64 [N], seconds.
      labels: of an impression log, label_<task> -> int8 [N] (components/ingestion/labels.py).
    """

    users: pa.Array
    hashes: Hashes
    offsets: npt.NDArray[np.int64]
    items: npt.NDArray[np.int32]
    item_ids: pa.Array
    times: npt.NDArray[np.int64]
    labels: dict[str, npt.NDArray[np.int8]] = field(default_factory=dict)


def group_by_user(events: pa.RecordBatch, kept_items: pa.Array, min_user_count: int) -> tuple[Sequences, int]:
    """Sorts the events of one shard by user and time.

    Items outside ``kept_items`` are dropped, then users with fewer than ``min_user_count`` kept events,
    in this one pass (Source: the released code of ComiRec, Cen et al., KDD 2020). Events of the same
    time keep their order; equal events are all kept.

    Args:
      events: columns user, order, item, time and any labels, in the order of the log.
      kept_items: strings.

    Returns:
      The sequences, and the number of users before any was dropped.
    """
    items = _column(events, ITEM).dictionary_encode()
    users = _column(events, USER).dictionary_encode()
    item_codes, user_codes = np.asarray(items.indices), np.asarray(users.indices)
    keep = as_mask(pc.is_in(items.dictionary, value_set=kept_items))[item_codes]
    counts = np.bincount(user_codes[keep], minlength=len(users.dictionary))
    kept_users = np.flatnonzero(counts >= min_user_count)
    hashes = hash_strings(users.dictionary)
    # In the order of the hash, so that the order of the examples owes nothing to the order of the log.
    kept_users = kept_users[np.argsort(hashes[kept_users], kind="stable")]
    rank = np.full(len(users.dictionary), -1, dtype=np.int32)
    rank[kept_users] = np.arange(len(kept_users))
    ranks = rank[user_codes]
    rows = np.flatnonzero(keep & (ranks >= 0))
    times = np.asarray(_column(events, TIME))[rows]
    in_order = rows[np.lexsort((times, _narrow(ranks[rows], len(kept_users))))]
    labels = [name for name in events.schema.names if name not in (USER, ORDER, ITEM, TIME)]
    offsets = np.zeros(len(kept_users) + 1, dtype=np.int64)
    np.cumsum(counts[kept_users], out=offsets[1:])
    return Sequences(
        users=users.dictionary.take(pa.array(kept_users)),
        hashes=hashes[kept_users],
        offsets=offsets,
        items=item_codes[in_order],
        item_ids=items.dictionary,
        times=np.asarray(_column(events, TIME))[in_order],
        labels={name: np.asarray(_column(events, name))[in_order] for name in labels},
    ), len(users.dictionary)


def _narrow(ranks: npt.NDArray[np.int32], count: int) -> np.ndarray:
    # NumPy's stable sort is a radix sort for 16 bits only.
    return ranks.astype(np.uint16) if count <= 2**16 else ranks


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    return batch.column(batch.schema.get_field_index(name))

"""Sequences of a shard's users: repeats, rare items and rare users dropped, events sorted by time."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.cut.hashing import Hashes, hash_strings
from components.ingestion.cut.partition import ORDER, USER, batch_take, folded
from components.ingestion.values.columns import as_mask
from components.ingestion.values.time_numbers import BILLION

ITEM = "item"
TIME = "time"
NANOSECONDS = "nanoseconds"

ECHO_SECONDS = 5
"""Within these the same item again is rather a log that tells things twice than a person."""

Ints = npt.NDArray[np.int64]


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
      labels: of an impression log, label_<task> -> int8 [N] (components/ingestion/values/labels.py).
      nanoseconds: int32 [N], from the second to the time; none: 0.
    """

    users: pa.Array
    hashes: Hashes
    offsets: npt.NDArray[np.int64]
    items: npt.NDArray[np.int32]
    item_ids: pa.Array
    times: npt.NDArray[np.int64]
    labels: dict[str, npt.NDArray[np.int8]] = field(default_factory=dict)
    nanoseconds: npt.NDArray[np.int32] | None = None

    def starts_moment(self) -> npt.NDArray[np.bool_]:
        """Which events [N] are later than the one before, or the first of their user."""
        starts = np.ones(len(self.times), dtype=bool)
        starts[1:] = np.diff(self.times) != 0
        if self.nanoseconds is not None:
            starts[1:] |= np.diff(self.nanoseconds) != 0
        starts[self.offsets[:-1]] = True
        return starts


def without_repeats(events: pa.RecordBatch, within: float | None) -> pa.RecordBatch:
    """The events but those that repeat an earlier one of the same user and item.

    Args:
      events: of one shard, see :func:`group_by_user`.
      within: seconds; an event goes if the one before it, of the same user and item, is no older. None: all stay.
    """
    if within is None or not len(events):
        return events
    users = np.asarray(_column(events, USER).dictionary_encode().indices)
    items = np.asarray(_column(events, ITEM).dictionary_encode().indices)
    times, nanoseconds = np.asarray(_column(events, TIME)), np.asarray(_column(events, NANOSECONDS))
    order = np.lexsort((nanoseconds, times, items, users))
    same = (np.diff(users[order]) == 0) & (np.diff(items[order]) == 0)
    seconds = np.diff(times[order])
    gap = np.asarray(seconds + np.diff(nanoseconds[order].astype(np.int64)) / BILLION, np.float64)
    keep = np.ones(len(events), dtype=bool)
    keep[order[1:]] = ~(same & (gap <= within))
    return batch_take(events, np.flatnonzero(keep))


def group_by_user(
    events: pa.RecordBatch, kept_items: pa.Array, min_user_count: int, max_user_events: int | None = None
) -> tuple[Sequences, Counter[str]]:
    """Sorts the events of one shard by user and time.

    Items outside ``kept_items`` are dropped, then users with fewer than ``min_user_count`` kept events,
    in this one pass (Source: the released code of ComiRec, Cen et al., KDD 2020), then the earlier events of users with
    more than ``max_user_events``. Events of the same time keep their order; equal events are all kept.

    Args:
      events: columns user, order, item, time, nanoseconds and any labels, in the order of the log.
      kept_items: strings.
      min_user_count: at least 1.
      max_user_events: the latest of a user to keep; None: all.

    Returns:
      The sequences, and what became of users and rows: ``users`` before any was dropped; ``users_kept``;
      ``users_that_look_alike``, in all but case or outer blanks; ``rows_of_rare_items``, ``rows_of_rare_users`` and
      ``rows_beyond_the_latest``, dropped; ``interactions_kept``; of those ``tied``, at the same time as the one before,
      and ``repeated``, with the same item as well; and ``echoed``, with the item of the one before, some seconds later.
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
    told = Counter(
        users=len(users.dictionary),
        users_kept=len(kept_users),
        users_that_look_alike=len(users.dictionary) - len(folded(users.dictionary).unique()),
        rows_of_rare_items=len(keep) - int(keep.sum()),
        rows_of_rare_users=int(keep.sum()) - len(rows),
    )
    times, nanoseconds = np.asarray(_column(events, TIME))[rows], np.asarray(_column(events, NANOSECONDS))[rows]
    by_user = _narrow(ranks[rows], len(kept_users))
    keys = (nanoseconds, times, by_user) if nanoseconds.any() else (times, by_user)
    in_order = rows[np.lexsort(keys)]
    lengths = counts[kept_users]
    if max_user_events is not None and len(lengths) and lengths.max() > max_user_events:
        from_end = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(in_order))
        in_order = in_order[from_end <= max_user_events]
        told["rows_beyond_the_latest"] = len(rows) - len(in_order)
        lengths = np.minimum(lengths, max_user_events)
    labels = [name for name in events.schema.names if name not in (USER, ORDER, ITEM, TIME, NANOSECONDS)]
    offsets = np.zeros(len(kept_users) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    sequences = Sequences(
        users=users.dictionary.take(pa.array(kept_users)),
        hashes=hashes[kept_users],
        offsets=offsets,
        items=item_codes[in_order],
        item_ids=items.dictionary,
        times=np.asarray(_column(events, TIME))[in_order],
        labels={name: np.asarray(_column(events, name))[in_order] for name in labels},
        nanoseconds=np.asarray(_column(events, NANOSECONDS))[in_order] if nanoseconds.any() else None,
    )
    told["interactions_kept"] = len(in_order)
    starts = sequences.starts_moment()
    told["tied"] = len(starts) - int(starts.sum())
    told["repeated"] = _repeated(sequences.items, starts)
    same = np.diff(sequences.items) == 0
    soon = np.diff(sequences.times) <= ECHO_SECONDS
    first = np.zeros(len(starts), dtype=bool)
    first[offsets[:-1]] = True
    told["echoed"] = int(np.sum(same & soon & starts[1:] & ~first[1:]))
    return sequences, told


def _repeated(items: npt.NDArray[np.int32], starts: npt.NDArray[np.bool_]) -> int:
    """How many events have the item of another at the same moment of the same user, the first of each apart."""
    tied = ~starts
    tied[:-1] |= tied[1:]  # the first of each moment as well
    events = np.flatnonzero(tied)
    if not len(events):
        return 0
    moments, found = np.cumsum(starts)[events], items[events]
    order = np.lexsort((found, moments))
    return int(np.sum((np.diff(moments[order]) == 0) & (np.diff(found[order]) == 0)))


def item_column(events: pa.RecordBatch) -> pa.Array:
    """The items' ids of events [n]."""
    return _column(events, ITEM)


def largest_user(events: pa.RecordBatch) -> int:
    """The number of events of the user with most."""
    return int(pc.max(pc.value_counts(_column(events, USER)).field("counts")).as_py() or 0) if len(events) else 0


def kept_item_hashes(sequences: Sequences) -> Hashes:
    """Hashes of the different items in the sequences."""
    return hash_strings(sequences.item_ids.take(pa.array(np.unique(sequences.items))))


def _narrow(ranks: npt.NDArray[np.int32], count: int) -> npt.NDArray[np.uint16] | npt.NDArray[np.int32]:
    # NumPy's stable sort is a radix sort for 16 bits only.
    return ranks.astype(np.uint16) if count <= 2**16 else ranks


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    return batch.column(batch.schema.get_field_index(name))

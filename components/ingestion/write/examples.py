"""Encodes windows as tf.Examples in bulk."""

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from components.ingestion.cut.sequences import Sequences
from components.ingestion.cut.windows import Ints, Windows
from trainer.data import schema

_WINDOWS_AT_A_TIME = 1 << 15


def encode_windows(windows: Windows, sequences: Sequences, features: Mapping[str, pa.Array]) -> Iterator[bytes]:
    """Serialised tf.Examples with the features of trainer/data/schema.py.

    Args:
      windows: [W].
      sequences: of the users that the windows name.
      features: profile feature -> lists [U].

    Yields:
      One example a window, in order.
    """
    encoder = RecordBatchToExamplesEncoder()
    for begin in range(0, len(windows), _WINDOWS_AT_A_TIME):
        part = windows.take(slice(begin, begin + _WINDOWS_AT_A_TIME))
        yield from encoder.encode(windows_to_batch(part, sequences, features))


def windows_to_batch(windows: Windows, sequences: Sequences, features: Mapping[str, pa.Array]) -> pa.RecordBatch:
    """The windows as a record batch of list columns, which the encoder turns into one feature each."""
    history, history_offsets = ranges(windows.start, windows.stop)
    targets, target_offsets = ranges(windows.target, windows.end)
    item_ids = sequences.item_ids.cast(pa.binary())
    users = pa.array(windows.user)
    columns = {
        schema.USER_ID: one_each(sequences.users.cast(pa.binary()).take(users)),
        schema.HISTORY: lists(history_offsets, item_ids.take(pa.array(sequences.items[history]))),
        schema.HISTORY_TIME: lists(history_offsets, pa.array(sequences.times[history])),
        schema.HISTORY_OVERLAP: one_each(pa.array(windows.overlap)),
        schema.HISTORY_BUCKET: one_each(history_buckets(windows.stop - windows.start)),
        schema.TARGETS: lists(target_offsets, item_ids.take(pa.array(sequences.items[targets]))),
    }
    for name, values in features.items():
        columns[name] = as_bytes(values.take(users))
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def history_buckets(lengths: Ints) -> pa.Array:
    """The slice of each length [n] of a history, as bytes."""
    bounds = np.array([bound for bound, _ in schema.HISTORY_BUCKETS])
    names = pa.array([name.encode() for _, name in schema.HISTORY_BUCKETS], pa.binary())
    return names.take(pa.array(np.searchsorted(bounds, lengths, side="right") - 1))


def ranges(start: Ints, stop: Ints) -> tuple[Ints, Ints]:
    """The positions of all ranges end to end, and the offsets [n + 1] of each in them."""
    lengths = stop - start
    offsets = np.zeros(len(start) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return np.arange(offsets[-1]) + np.repeat(start - offsets[:-1], lengths), offsets


def lists(offsets: Ints, values: pa.Array) -> pa.Array:
    """Lists [n] of ``values``, cut at ``offsets`` [n + 1]."""
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values)


def one_each(values: pa.Array) -> pa.Array:
    """Lists [n] of one value each."""
    return lists(np.arange(len(values) + 1), values)


def as_bytes(values: pa.Array) -> pa.Array:
    """Lists of strings as lists of bytes, which is what the encoder takes; others unchanged."""
    return values.cast(pa.list_(pa.binary())) if pa.types.is_string(values.type.value_type) else values

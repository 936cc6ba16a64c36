"""Vocabulary files, one entry per line (an asset of a SavedModel), and their lookup tables."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf


@contextmanager
def vocabulary_file(entries: Sequence[bytes]) -> Iterator[str]:
    """The path of a file that is there until the end of the block: save the model inside it."""
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "item_ids.txt")
        Path(path).write_bytes(b"\n".join(entries) + b"\n")
        yield path


def line_numbers(path: str) -> tf.lookup.StaticHashTable:
    """Table from an entry to its line, from 0 on; -1 for what is not there."""
    return tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
            path,
            tf.string, tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER,
        ),
        default_value=-1,
    )  # fmt: skip

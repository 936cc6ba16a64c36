"""What training knows of the items: their ids, frequencies and categories."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from trainer import schema

_BATCH = 4096


@dataclass(frozen=True)
class Catalogue:
    """The items of the vocabulary, by descending training frequency.

    Attributes:
      ids: N item ids.
      counts: int64 [N], interactions in the training split.
      categories: int32 [N, C], 1 + number of each category, coarse to fine, 0 is padding; C = 0 without categories.
      category_names: names of the categories; number c is ``category_names[c - 1]``.
      text_vectors: float32 [N, E], what a frozen text encoder says of each item, zero for an item without text;
        None where there is no text.
    """

    ids: Sequence[bytes]
    counts: np.ndarray
    categories: np.ndarray
    category_names: Sequence[bytes]
    text_vectors: np.ndarray | None = None

    @property
    def size(self) -> int:
        """N."""
        return len(self.ids)

    @property
    def finest_category(self) -> np.ndarray:
        """int32 [N], number of the last category of each item from 0 on, -1 where an item has none."""
        if not self.categories.shape[1]:
            return np.full(self.size, -1, np.int32)
        last = (self.categories > 0).sum(axis=1) - 1
        return np.where(last >= 0, self.categories[np.arange(self.size), np.maximum(last, 0)] - 1, -1).astype(np.int32)


def read_catalogue(frequency_file: str, vocabulary_file: str, item_files: Iterable[str]) -> Catalogue:
    """Joins Transform's item vocabulary with the item examples.

    Args:
      frequency_file: lines ``<count> <item id>``, as ``tft.vocabulary(store_frequency=True)`` writes them.
      vocabulary_file: lines ``<item id>``, the order of the indices.
      item_files: TFRecord files (gzip) of item examples; none for a log without an item table.

    Raises:
      ValueError: the two vocabulary files hold different items.
    """
    counted = dict(_count_and_id(line) for line in _lines(frequency_file))
    ids = _lines(vocabulary_file)
    if counted.keys() != set(ids):
        raise ValueError(
            f"{frequency_file} and {vocabulary_file} hold different items: the transform graph is damaged."
        )
    counts = np.array([counted[item] for item in ids], np.int64)
    categories, names = _categories({item: row for row, item in enumerate(ids)}, list(item_files))
    return Catalogue(ids, counts, categories, names)


def _lines(path: str) -> list[bytes]:
    with tf.io.gfile.GFile(path, "rb") as file:
        return file.read().split(b"\n")[:-1]


def _count_and_id(line: bytes) -> tuple[bytes, int]:
    count, item = line.split(b" ", 1)
    return item, int(count)


def _categories(row_of: dict[bytes, int], item_files: list[str]) -> tuple[np.ndarray, list[bytes]]:
    """The category matrix; categories are numbered in the order in which they first appear."""
    number_of: dict[bytes, int] = {}
    rows: list[list[int]] = [[] for _ in row_of]
    spec = {
        schema.ITEM_ID: tf.io.FixedLenFeature([], tf.string),
        schema.CATEGORY: tf.io.RaggedFeature(tf.string, row_splits_dtype=tf.int64),
    }
    if item_files:
        records = tf.data.TFRecordDataset(sorted(item_files), compression_type="GZIP").batch(_BATCH)
        for serialized in records:
            batch = tf.io.parse_example(serialized, spec)
            for item, categories in zip(batch[schema.ITEM_ID].numpy(), batch[schema.CATEGORY].to_list(), strict=True):
                if (row := row_of.get(item)) is not None:
                    rows[row] = [number_of.setdefault(name, len(number_of)) + 1 for name in categories]
    matrix = np.zeros((len(rows), max(map(len, rows), default=0)), np.int32)
    for row, numbers in enumerate(rows):
        matrix[row, : len(numbers)] = numbers
    return matrix, list(number_of)

"""Item catalogue for training: ids, frequencies, categories and texts."""

import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.data import schema
from trainer.data.text_vectors import ENCODER, EncoderDescription, read_description, read_vectors

_BATCH = 4096

progress = logging.getLogger("polyrec.progress")


@dataclass(frozen=True)
class NewItems:
    """Items that training never saw and of which there is a text, in the order of the item table.

    Attributes:
      ids: M item ids.
      text_vectors: float32 [M, E].
      categories: int32 [M, C], as in the catalogue.
      attributes: int32 [M, A], as in the catalogue.
    """

    ids: Sequence[bytes]
    text_vectors: npt.NDArray[np.float32]
    categories: npt.NDArray[np.int32]
    attributes: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 0), np.int32))


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
      text_encoder: what made them.
      new_items: those that are not of the vocabulary; None where there is no text.
      tags: int32 [N, G], 1 + number of each tag of an item, 0 is padding; G = 0 without tags.
      tag_names: names of the tags; number g is ``tag_names[g - 1]``.
      attributes: int32 [N, A], 1 + number of each attribute's value of an item, 0 is padding.
      attribute_values: ``name=value``; number v is ``attribute_values[v - 1]``.
    """

    ids: Sequence[bytes]
    counts: npt.NDArray[np.int64]
    categories: npt.NDArray[np.int32]
    category_names: Sequence[bytes]
    text_vectors: npt.NDArray[np.float32] | None = None
    text_encoder: EncoderDescription | None = None
    new_items: NewItems | None = None
    tags: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 0), np.int32))
    tag_names: Sequence[bytes] = ()
    attributes: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 0), np.int32))
    attribute_values: Sequence[bytes] = ()

    @property
    def size(self) -> int:
        """N."""
        return len(self.ids)

    @property
    def finest_category(self) -> npt.NDArray[np.int32]:
        """int32 [N], number of the last category of each item from 0 on, -1 where an item has none."""
        if not self.categories.shape[1]:
            return np.full(self.size, -1, np.int32)
        last = (self.categories > 0).sum(axis=1) - 1
        return np.where(last >= 0, self.categories[np.arange(self.size), np.maximum(last, 0)] - 1, -1).astype(np.int32)

    def with_new_items(self) -> "Catalogue":
        """The catalogue that is served: the new items behind the others, with a frequency of 0."""
        if self.new_items is None or self.text_vectors is None:
            return self
        new = self.new_items
        return replace(
            self,
            ids=[*self.ids, *new.ids],
            counts=np.concatenate([self.counts, np.zeros(len(new.ids), self.counts.dtype)]),
            categories=np.concatenate([self.categories, new.categories]),
            attributes=np.concatenate([self.attributes, new.attributes]),
            text_vectors=np.concatenate([self.text_vectors, new.text_vectors]),
            new_items=None,
        )


def read_catalogue(
    frequency_file: str, vocabulary_file: str, item_files: Iterable[str], text_directory: str | None = None
) -> Catalogue:
    """Joins Transform's item vocabulary with the item examples and the vectors of their texts.

    Args:
      frequency_file: lines ``<count> <item id>``, as ``tft.vocabulary(store_frequency=True)`` writes them.
      vocabulary_file: lines ``<item id>``, the order of the indices.
      item_files: TFRecord files (gzip) of item examples; none for a log without an item table.
      text_directory: see trainer/data/text_vectors.py; None for items without texts.

    Raises:
      ValueError: the two vocabulary files hold different items.
      InputError: the vectors of texts have no description.
    """
    counted = dict(_count_and_id(line) for line in _lines(frequency_file))
    ids = _lines(vocabulary_file)
    if counted.keys() != set(ids):
        raise ValueError(
            f"{frequency_file} and {vocabulary_file} hold different items: the transform graph is damaged."
        )
    counts = np.array([counted[item] for item in ids], np.int64)
    row_of = {item: row for row, item in enumerate(ids)}
    files = list(item_files)
    tag_rows, tag_numbers = _numbered(schema.TAGS, row_of, files)
    tags, tag_names = _matrix(tag_rows), list(tag_numbers)
    if text_directory is None:
        rows, numbers = _numbered(schema.CATEGORY, row_of, files)
        said, values = _numbered(schema.ATTRIBUTES, row_of, files)
        return Catalogue(
            *(ids, counts, _matrix(rows), list(numbers)),
            tags=tags, tag_names=tag_names, attributes=_matrix(said), attribute_values=list(values),
        )  # fmt: skip
    encoder = read_description(os.path.join(text_directory, ENCODER))
    texts, new_ids, new_texts = _texts(row_of, text_directory, encoder.dimension)
    everything = {item: row for row, item in enumerate([*ids, *new_ids])}
    rows, numbers = _numbered(schema.CATEGORY, everything, files, len(ids))
    said, values = _numbered(schema.ATTRIBUTES, everything, files, len(ids))
    categories, attributes = _matrix(rows), _matrix(said)
    progress.info(
        "%s of %s items have no text; %s items of the table, with a text, are in nobody's training history",
        f"{int((~texts.any(axis=1)).sum()):,}", f"{len(ids):,}", f"{len(new_ids):,}",
    )  # fmt: skip
    new_items = NewItems(new_ids, new_texts, categories[len(ids) :], attributes[len(ids) :])
    return Catalogue(
        *(ids, counts, categories[: len(ids)], list(numbers), texts, encoder, new_items, tags, tag_names),
        *(attributes[: len(ids)], list(values)),
    )


def _lines(path: str) -> list[bytes]:
    with tf.io.gfile.GFile(path, "rb") as file:
        content: bytes = file.read()
    return content.split(b"\n")[:-1]


def _count_and_id(line: bytes) -> tuple[bytes, int]:
    count, item = line.split(b" ", 1)
    return item, int(count)


def _texts(
    row_of: dict[bytes, int], directory: str, dimension: int
) -> tuple[npt.NDArray[np.float32], list[bytes], npt.NDArray[np.float32]]:
    """Vectors [N, E] of the vocabulary's items, and the ids and vectors [M, E] of all others."""
    known = np.zeros((len(row_of), dimension), np.float32)
    new_ids: list[bytes] = []
    new = [np.zeros((0, dimension), np.float32)]
    for ids, vectors in read_vectors(directory, dimension):
        rows = np.array([row_of.get(item, -1) for item in ids])
        known[rows[rows >= 0]] = vectors[rows >= 0]
        # A served vocabulary is a file with an id a line, as Transform's is.
        others = [place for place in np.flatnonzero(rows < 0) if ids[place] and not set(b"\r\n") & set(ids[place])]
        new_ids += [ids[place] for place in others]
        new.append(vectors[others])
    return known, new_ids, np.concatenate(new)


def _numbered(
    feature: str, row_of: dict[bytes, int], item_files: list[str], known: int | None = None
) -> tuple[list[list[int]], dict[bytes, int]]:
    """Each item's categories (coarse to fine), tags or attributes as numbers, and the numbers from 1 on.

    They are numbered in the order in which they first appear, those of items from row ``known`` on only after those
    of the others, so that training does not depend on items that it does not know.
    """
    names: list[list[bytes]] = [[] for _ in row_of]
    order: list[int] = []
    spec = {
        schema.ITEM_ID: tf.io.FixedLenFeature([], tf.string),
        feature: tf.io.RaggedFeature(tf.string, row_splits_dtype=tf.int64),
    }
    if item_files:
        records = tf.data.TFRecordDataset(sorted(item_files), compression_type="GZIP").batch(_BATCH)
        for serialized in records:
            batch = tf.io.parse_example(serialized, spec)
            for item, values in zip(batch[schema.ITEM_ID].numpy(), batch[feature].to_list(), strict=True):
                if (row := row_of.get(item)) is not None:
                    names[row] = values
                    order.append(row)
    number_of: dict[bytes, int] = {}
    rows: list[list[int]] = [[] for _ in row_of]
    for row in sorted(order, key=lambda row: known is not None and row >= known):
        rows[row] = [number_of.setdefault(name, len(number_of)) + 1 for name in names[row]]
    return rows, {name: number + 1 for name, number in number_of.items()}


def _matrix(rows: list[list[int]]) -> npt.NDArray[np.int32]:
    matrix = np.zeros((len(rows), max(map(len, rows), default=0)), np.int32)
    for row, numbers in enumerate(rows):
        matrix[row, : len(numbers)] = numbers
    return matrix

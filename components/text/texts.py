"""Reads the item texts from their examples."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from trainer.data import schema

_BATCH = 4096


def read_texts(item_files: Sequence[str], fields: Sequence[str] | None = None) -> tuple[list[bytes], list[str], int]:
    """Reads the texts of all items that have one.

    Args:
      item_files: TFRecord files (gzip) of item examples.
      fields: features that are joined to an item's text; None: ``text``, or ``title`` where there is none.

    Returns:
      ids, their texts, and the number of items without a text.
    """
    joined = _joined(fields)
    spec = {name: tf.io.RaggedFeature(tf.string) for name in (schema.TEXT, schema.TITLE, schema.CATEGORY)}
    spec[schema.ITEM_ID] = tf.io.FixedLenFeature([], tf.string)
    ids: list[bytes] = []
    texts: list[str] = []
    without = 0
    for serialized in tf.data.TFRecordDataset(sorted(item_files), compression_type="GZIP").batch(_BATCH):
        batch = tf.io.parse_example(serialized, spec)
        columns = {name: batch[name].to_list() for group in joined for name in group}
        for row, item in enumerate(batch[schema.ITEM_ID].numpy()):
            text = text_of({name: values[row] for name, values in columns.items()}, fields)
            if text:
                ids.append(item)
                texts.append(text)
            else:
                without += 1
    return ids, texts, without


def text_of(item: Mapping[str, Sequence[bytes]], fields: Sequence[str] | None = None) -> str:
    """The text of one item, "" where it has none.

    Args:
      item: feature -> its values; has at least those that are joined.
      fields: as in :func:`read_texts`.
    """
    return next(filter(None, (_join([item[name] for name in group]) for group in _joined(fields))), "")


def _joined(fields: Sequence[str] | None) -> list[list[str]]:
    """Groups of features, of which the first that says anything counts."""
    return [[field] for field in (schema.TEXT, schema.TITLE)] if fields is None else [list(fields)]


def _join(values: Sequence[Sequence[bytes]]) -> str:
    words = (value.decode("utf-8", "replace") for column in values for value in column)
    return " ".join(" ".join(words).split())

"""Reads transformed impressions as batches, for tag-profile models.

A row of a batch is one state of a user's history with the impressions made in it: ``item``, ``label_<task>`` and
``weight_<task>`` are [B, M], 0 behind a row's impressions.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from trainer.data import schema
from trainer.data.sequences import SHUFFLE_BUFFER, Batch, parse_dense


def training_impressions(
    files: Sequence[str], feature_spec: Mapping[str, Any], batch_size: int, seed: int
) -> tf.data.Dataset:
    """Endless, shuffled batches of impressions.

    Args:
      files: TFRecord files (gzip) of transformed examples.
      feature_spec: Transform's ``transformed_feature_spec()``.
      batch_size: B, rows a batch.
      seed: seed of the shuffling.

    Returns:
      batches of the transformed features, sparse ones padded with 0, without ``targets``.
    """
    records = tf.data.TFRecordDataset(sorted(files), compression_type="GZIP", num_parallel_reads=1)
    records = records.shuffle(SHUFFLE_BUFFER, seed=seed).repeat().batch(batch_size)
    return records.map(_loader(feature_spec)).prefetch(2)


def evaluation_impressions(files: Sequence[str], feature_spec: Mapping[str, Any], batch_size: int) -> tf.data.Dataset:
    """The same batches once, in order."""
    records = tf.data.TFRecordDataset(sorted(files), compression_type="GZIP").batch(batch_size)
    return records.map(_loader(feature_spec)).prefetch(2)


def _loader(feature_spec: Mapping[str, Any]) -> Any:
    wanted = {name: spec for name, spec in feature_spec.items() if name != schema.TARGETS}

    def load(serialized: tf.Tensor) -> Batch:
        return parse_dense(serialized, wanted)

    return load

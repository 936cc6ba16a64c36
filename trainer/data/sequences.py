"""Reads transformed examples as batches."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.data import schema

SHUFFLE_BUFFER = 20_000
_EXPANDED_BATCHES = 8
_COUNTED_AT_ONCE = 1024
_PARTS = 1 << 24

Batch = dict[str, tf.Tensor]


def training_dataset(
    files: Sequence[str],
    feature_spec: Mapping[str, Any],
    batch_size: int,
    seed: int,
    all_prefixes: bool = True,
    draw_users: bool = False,
) -> tf.data.Dataset:
    """Endless, shuffled batches of windows.

    Args:
      files: TFRecord files (gzip) of transformed examples.
      feature_spec: Transform's ``transformed_feature_spec()``.
      batch_size: B, windows (or, one by one, prefixes) a batch.
      seed: seed of the shuffling.
      all_prefixes: one row a window, its targets [B, T] aligned with the history; otherwise one row a prefix, its
        target [B, 1].
      draw_users: every user is drawn equally often, and every target of a user counts alike. A window is drawn by the
        share it has of its user's targets, and ``target_weight`` [B] makes its targets together count 1. Reads the
        files once beforehand.

    Returns:
      batches of the transformed features, sparse ones padded with 0, and ``targets``: 1 + index, 0 for none.
    """
    records = tf.data.TFRecordDataset(sorted(files), compression_type="GZIP", num_parallel_reads=1)
    records = records.shuffle(SHUFFLE_BUFFER, seed=seed).repeat()
    rows = batch_size if all_prefixes else batch_size * _EXPANDED_BATCHES
    if draw_users:
        batches = _of_drawn_users(records, files, feature_spec, rows, seed)
    else:
        batches = records.batch(rows).map(lambda serialized: _aligned(_parse(serialized, feature_spec)))
    if not all_prefixes:
        batches = batches.map(one_prefix_a_row).unbatch().shuffle(SHUFFLE_BUFFER, seed=seed).batch(batch_size)
    return batches.prefetch(2)


def _of_drawn_users(
    records: tf.data.Dataset, files: Sequence[str], feature_spec: Mapping[str, Any], rows: int, seed: int
) -> tf.data.Dataset:
    users, totals = (tf.constant(values) for values in _targets_of_users(files, feature_spec))

    def drawn(serialized: tf.Tensor, number: tf.Tensor) -> Batch:
        batch = _aligned(_parse(serialized, feature_spec))
        own = tf.math.count_nonzero(batch[schema.TARGETS], axis=1)
        all_of_user = tf.gather(totals, tf.searchsorted(users, batch[schema.USER][:, 0]))
        keep = (own > 0) & ((number % _PARTS) * all_of_user < own * _PARTS)
        batch[schema.TARGET_WEIGHT] = 1 / tf.cast(tf.maximum(own, 1), tf.float32)
        return {name: tf.boolean_mask(values, keep) for name, values in batch.items()}

    numbered = tf.data.Dataset.zip((records, tf.data.Dataset.random(seed=seed)))
    return numbered.batch(rows).map(drawn).rebatch(rows)


def _targets_of_users(
    files: Sequence[str], feature_spec: Mapping[str, Any]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The hashes of all users, ascending, and the number of training targets of each; int64 [U]."""
    spec = {name: feature_spec[name] for name in (schema.USER, schema.TARGETS)}
    hashes, counts = [], []
    records = tf.data.TFRecordDataset(sorted(files), compression_type="GZIP")
    for serialized in records.batch(_COUNTED_AT_ONCE):
        features = _parse(serialized, spec)
        hashes.append(features[schema.USER].numpy()[:, 0])
        counts.append(
            tf.sparse.reduce_sum(
                features[schema.TARGETS].with_values(tf.cast(features[schema.TARGETS].values > 0, tf.int64)), axis=1
            ).numpy()
        )
    users, places = np.unique(np.concatenate(hashes), return_inverse=True)
    totals = np.zeros(len(users), np.int64)
    np.add.at(totals, places, np.concatenate(counts))
    return users, totals


def evaluation_dataset(files: Sequence[str], feature_spec: Mapping[str, Any], batch_size: int) -> tf.data.Dataset:
    """Batches of whole histories, once, in order.

    Returns:
      batches as of :func:`training_dataset`, but ``targets`` [B, M] as trainer/metrics/ranking.py wants them: item
      index, from -2 downwards for an unknown item, -1 for padding.
    """

    def load(serialized: tf.Tensor) -> Batch:
        features = _parse(serialized, feature_spec)
        targets = tf.sparse.to_dense(features[schema.TARGETS], default_value=-1)
        return {**_dense(features), schema.TARGETS: tf.where(targets > 0, targets - 1, targets)}

    records = tf.data.TFRecordDataset(sorted(files), compression_type="GZIP")
    return records.batch(batch_size).map(load).prefetch(2)


def one_prefix_a_row(batch: Batch) -> Batch:
    """Turns windows with a target at some positions into one row a target.

    Args:
      batch: ``history``, ``history_mask``, ``history_gap``, ``targets`` [B, T] and profile features [B, ...].

    Returns:
      the same features for M rows, the history cut behind the target's position, ``targets`` [M, 1].
    """
    places = tf.where(batch[schema.TARGETS] > 0)
    rows, positions = places[:, 0], places[:, 1]
    length = tf.shape(batch[schema.HISTORY], out_type=tf.int64)[1]
    kept = tf.range(length)[tf.newaxis, :] <= positions[:, tf.newaxis]
    expanded = {name: tf.gather(values, rows) for name, values in batch.items()}
    for name in (schema.HISTORY, schema.HISTORY_MASK, schema.HISTORY_GAP):
        expanded[name] = expanded[name] * tf.cast(kept, expanded[name].dtype)
    expanded[schema.TARGETS] = tf.gather_nd(batch[schema.TARGETS], places)[:, tf.newaxis]
    return expanded


def targets_in(batch: Batch) -> tf.Tensor:
    """Number of training targets of a batch, int64: items to predict, or impressions to judge."""
    if schema.ITEM in batch:
        return tf.math.count_nonzero(batch[schema.ITEM])
    return tf.math.count_nonzero(batch[schema.TARGETS])


def parse_dense(serialized: tf.Tensor, feature_spec: Mapping[str, Any]) -> Batch:
    """Transformed examples as dense features, sparse ones padded with 0."""
    return _dense(_parse(serialized, feature_spec))


def _parse(serialized: tf.Tensor, feature_spec: Mapping[str, Any]) -> dict[str, Any]:
    parsed: dict[str, Any] = tf.io.parse_example(serialized, dict(feature_spec))
    return parsed


def _dense(features: Mapping[str, Any]) -> Batch:
    return {
        name: tf.sparse.to_dense(value) if isinstance(value, tf.SparseTensor) else value
        for name, value in features.items()
    }


def _aligned(features: Mapping[str, Any]) -> Batch:
    """Moves the targets of a window, aligned from the right, to the positions they follow."""
    targets = tf.RaggedTensor.from_sparse(features[schema.TARGETS])
    targets = targets.with_values(tf.maximum(targets.values, 0))
    batch = _dense(features)
    length = tf.reduce_sum(batch[schema.HISTORY_MASK], axis=1)
    before = tf.maximum(length - targets.row_lengths(), 0)
    padding = tf.RaggedTensor.from_row_lengths(tf.zeros(tf.reduce_sum(before), tf.int64), before)
    width = batch[schema.HISTORY].shape[1]
    batch[schema.TARGETS] = tf.concat([padding, targets], axis=1).to_tensor(shape=[None, width])
    return batch

"""Raw examples to tensors: vocabularies, truncation, padding, mask, time gaps, profile features.

``preprocessing_fn`` is handed to TFX's Transform by its dotted name; the graph it makes is the one that serves.
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from trainer import schema
from trainer.settings import TransformSettings

ITEM_FREQUENCY = "item_frequency"


def preprocessing_fn(inputs: Mapping[str, Any], custom_config: Mapping[str, Any]) -> dict[str, Any]:
    """Transforms a batch of raw examples (trainer/schema.py).

    Args:
      inputs: raw features, sparse or dense, batch of B.
      custom_config: ``transform`` (fields of TransformSettings), ``user_features`` (name -> kind) and ``labels`` (the
        tasks of impressions; none: users' sequences).

    Returns:
      ``history`` int64 [B, T]: 1 + index of the last T known items, oldest first, 0 behind the last;
      ``history_mask`` int64 [B, T]: 1 where an item is;
      ``history_gap`` float32 [B, T]: log(1 + seconds since the kept item before), 0 for the first;
      ``targets`` sparse int64 [B, M]: 1 + index, 0 for an unknown item;
      ``user_<name>``: categorical, sparse int64 [B, V] (1 + index, unknown values left out); numeric, float32
      [B, 1], standardised, 0 (the mean) where it is missing;
      and of impressions, sparse [B, M] and aligned: ``item`` int64, 1 + index of the item shown, 0 for an unknown one,
      and ``label_<task>`` and ``weight_<task>`` float32.
    """
    settings = TransformSettings(**custom_config["transform"])
    tasks = custom_config.get("labels", ())
    history, targets = ragged(inputs[schema.HISTORY]), ragged(inputs[schema.TARGETS])
    counted = (
        ragged(inputs[schema.ITEM]) if tasks else _sequences(history, targets, ragged(inputs[schema.HISTORY_OVERLAP]))
    )
    vocabulary = _item_vocabulary(counted)
    outputs = padded_history(
        tft.apply_vocabulary(padded(inputs[schema.HISTORY]), vocabulary, default_value=-1),
        padded(inputs[schema.HISTORY_TIME]),
        settings.max_history,
    )
    outputs[schema.TARGETS] = (tft.apply_vocabulary(targets, vocabulary, default_value=-1) + 1).to_sparse()
    if tasks:
        shown = tft.apply_vocabulary(ragged(inputs[schema.ITEM]), vocabulary, default_value=-1) + 1
        outputs[schema.ITEM] = shown.to_sparse()
    for task in tasks:
        for feature in (schema.label_feature(task), schema.weight_feature(task)):
            outputs[feature] = ragged(inputs[feature]).to_sparse()
    for name, kind in custom_config.get("user_features", {}).items():
        feature = schema.user_feature(name)
        outputs[feature] = _profile_feature(feature, inputs[feature], kind)
    return outputs


def padded_history(indices: tf.Tensor, times: tf.Tensor, max_history: int) -> dict[str, tf.Tensor]:
    """Keeps the last ``max_history`` known items of each row and pads behind them.

    Args:
      indices: int64 [B, S], vocabulary indices, oldest first; -1 is no known item, wherever it stands.
      times: int64 [B, S], seconds.
      max_history: T.

    Returns:
      ``history``, ``history_mask`` and ``history_gap`` as in :func:`preprocessing_fn`.
    """
    known = indices >= 0
    still_to_come = tf.cumsum(tf.cast(known, tf.int32), axis=1, reverse=True)
    kept = known & (still_to_come <= max_history)
    places, lengths = tf.where(kept), tf.reduce_sum(tf.cast(kept, tf.int64), axis=1)

    def to_the_front(values: tf.Tensor) -> tf.Tensor:
        # This runs at every request: checks of what was just computed would be a hundred operations more.
        rows = tf.RaggedTensor.from_row_lengths(tf.gather_nd(values, places), lengths, validate=False)
        return rows.to_tensor(shape=[None, max_history])

    history, seconds = to_the_front(indices + 1), to_the_front(times)
    mask = tf.cast(history > 0, tf.int64)
    since = tf.concat([tf.zeros_like(seconds[:, :1]), seconds[:, 1:] - seconds[:, :-1]], axis=1)
    gap = tf.math.log1p(tf.cast(tf.maximum(since * mask, 0), tf.float32))
    return {schema.HISTORY: history, schema.HISTORY_MASK: mask, schema.HISTORY_GAP: gap}


def padded(feature: tf.SparseTensor | tf.Tensor) -> tf.Tensor:
    """A raw feature as [B, S], padded with "" or 0, whichever way the schema made it arrive."""
    return tf.sparse.to_dense(feature) if isinstance(feature, tf.SparseTensor) else feature


def ragged(feature: tf.SparseTensor | tf.Tensor) -> tf.RaggedTensor:
    """A raw feature as a ragged tensor [B, (n)], whichever way the schema made it arrive."""
    if isinstance(feature, tf.SparseTensor):
        return tf.RaggedTensor.from_sparse(feature)
    return tf.RaggedTensor.from_tensor(feature)


def _sequences(history: tf.RaggedTensor, targets: tf.RaggedTensor, overlap: tf.RaggedTensor) -> tf.RaggedTensor:
    """The items of windows, each event of a user in one window only.

    A window's last target is in no history of that window, and its first ``overlap`` items were counted with
    the window before: what is left of all windows of a user is the user's sequence, once.
    """
    position = tf.ragged.range(history.row_lengths())
    first = tf.reduce_max(overlap.to_tensor(shape=[None, 1]), axis=1)
    new = tf.ragged.boolean_mask(history, position >= tf.expand_dims(first, 1))
    return tf.concat([new, targets[:, -1:]], axis=1)


def _item_vocabulary(items: tf.RaggedTensor) -> Any:
    """The items of the training split by descending frequency, and a second file with the frequencies."""
    tft.vocabulary(items, vocab_filename=ITEM_FREQUENCY, store_frequency=True)
    return tft.vocabulary(items, vocab_filename=schema.ITEM_VOCABULARY)


def _profile_feature(feature: str, values: Any, kind: str) -> Any:
    if kind == "categorical":
        indices = tft.compute_and_apply_vocabulary(ragged(values), vocab_filename=feature, default_value=-1)
        return (tf.ragged.boolean_mask(indices, indices >= 0) + 1).to_sparse()
    scaled = tft.scale_to_z_score(ragged(values).to_sparse())
    return tf.RaggedTensor.from_sparse(scaled).to_tensor(shape=[None, 1])

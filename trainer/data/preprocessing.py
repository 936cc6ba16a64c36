"""Raw examples to tensors: vocabularies, truncation, padding, mask, time gaps, profile features.

``preprocessing_fn`` is handed to TFX's Transform by its dotted name; the graph it makes is the one that serves.
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from trainer.data import schema
from trainer.data.spelling_in_graph import spelled_values
from trainer.settings import TransformSettings

ITEM_FREQUENCY = "item_frequency"
_USERS = 1 << 62

OUTLIER_RANGES = 10.0
"""A number is an outlier so many times the range between two quantiles below the lower or above the upper one."""
_OUTER, _INNER = (0.001, 0.999), (0.1, 0.9)
_QUANTILE_ERROR = 1e-4


def preprocessing_fn(inputs: Mapping[str, Any], custom_config: Mapping[str, Any]) -> dict[str, Any]:
    """Transforms a batch of raw examples (trainer/data/schema.py).

    Args:
      inputs: raw features, sparse or dense, batch of B.
      custom_config: ``transform`` (fields of TransformSettings), ``user_features`` (name -> kind) and ``labels`` (the
        tasks of impressions; none: users' sequences).

    Returns:
      ``history`` int64 [B, T]: 1 + index of the last T known items, oldest first, 0 behind the last;
      ``history_mask`` int64 [B, T]: 1 where an item is;
      ``history_gap`` float32 [B, T]: log(1 + seconds since the kept item before), 0 for the first;
      ``targets`` sparse int64 [B, M]: 1 + index, and for an unknown item a number of its own from -2 downwards;
      ``user`` int64 [B, 1]: a hash of the user's id, for training that draws users, not of impressions;
      ``user_<name>``: categorical, sparse int64 [B, V] (1 + index, of values in the spelling of
      trainer/data/spelling.py, unknown ones left out); numeric, float32 [B, 1], without outliers (see
      :func:`standardised`), 0 (the mean) where it is missing;
      and of impressions, sparse [B, M] and aligned: ``item`` int64, 1 + index of the item shown, 0 for an unknown one,
      and ``label_<task>`` and ``weight_<task>`` float32.
    """
    settings = TransformSettings(**custom_config["transform"])
    tasks = custom_config.get("labels", ())
    history = padded(inputs[schema.HISTORY])
    if tasks:
        counted = padded(inputs[schema.ITEM])
    else:
        counted = _sequences(history, padded(inputs[schema.TARGETS]), padded(inputs[schema.HISTORY_OVERLAP]))
    vocabulary = _item_vocabulary(counted)
    outputs = padded_history(
        tft.apply_vocabulary(history, vocabulary, default_value=-1),
        padded(inputs[schema.HISTORY_TIME]),
        settings.max_history,
    )
    names = _sparse(inputs[schema.TARGETS])
    targets = tft.apply_vocabulary(names, vocabulary, default_value=-1)
    outputs[schema.TARGETS] = targets.with_values(
        tf.where(targets.values >= 0, targets.values + 1, _number_of_unknown(names.values))
    )
    if tasks:
        items = tft.apply_vocabulary(_sparse(inputs[schema.ITEM]), vocabulary, default_value=-1)
        outputs[schema.ITEM] = items.with_values(items.values + 1)
    if not tasks:
        user = padded(inputs[schema.USER_ID])[:, 0]
        outputs[schema.USER] = tf.strings.to_hash_bucket_fast(user, _USERS)[:, tf.newaxis]
    for task in tasks:
        for feature in (schema.label_feature(task), schema.weight_feature(task)):
            outputs[feature] = _sparse(inputs[feature])
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
    places, shape = tf.where(kept), tf.shape(indices, tf.int64)
    history, seconds = (
        to_the_front(tf.SparseTensor(places, tf.gather_nd(values, places), shape)).to_tensor(shape=[None, max_history])
        for values in (indices + 1, times)
    )
    mask = tf.cast(history > 0, tf.int64)
    since = tf.concat([tf.zeros_like(seconds[:, :1]), seconds[:, 1:] - seconds[:, :-1]], axis=1)
    gap = tf.math.log1p(tf.cast(tf.maximum(since * mask, 0), tf.float32))
    return {schema.HISTORY: history, schema.HISTORY_MASK: mask, schema.HISTORY_GAP: gap}


def padded(feature: tf.SparseTensor | tf.Tensor) -> tf.Tensor:
    """A raw feature as [B, S], padded with "" or 0, whichever way the schema made it arrive."""
    return tf.sparse.to_dense(feature) if isinstance(feature, tf.SparseTensor) else feature


def to_the_front(values: tf.SparseTensor) -> tf.RaggedTensor:
    """A row's values without the places between them.

    The graph runs at every request: TensorFlow's checks of rows that are in order by their making would be a hundred
    operations more.
    """
    return tf.RaggedTensor.from_value_rowids(
        values.values, values.indices[:, 0], nrows=values.dense_shape[0], validate=False
    )


def _sparse(feature: tf.SparseTensor | tf.Tensor) -> tf.SparseTensor:
    """A raw feature as a sparse tensor, whichever way the schema made it arrive; zeros are values, too."""
    if isinstance(feature, tf.SparseTensor):
        return feature
    everywhere = tf.where(tf.fill(tf.shape(feature), True))
    return tf.SparseTensor(everywhere, tf.reshape(feature, [-1]), tf.shape(feature, tf.int64))


def _sequences(history: tf.Tensor, targets: tf.Tensor, overlap: tf.Tensor) -> tf.Tensor:
    """The items of windows [any], each event of a user in one window only.

    A window's last target is in no history of that window, and its first ``overlap`` items were counted with
    the window before: what is left of all windows of a user is the user's sequence, once.
    """
    first = tf.reduce_max(overlap, axis=1, keepdims=True)
    new = (history != "") & (tf.range(tf.shape(history, tf.int64)[1]) >= first)
    still_to_come = tf.cumsum(tf.cast(targets != "", tf.int32), axis=1, reverse=True)
    last = (targets != "") & (still_to_come == 1)
    return tf.concat([tf.gather_nd(items, tf.where(mask)) for items, mask in ((history, new), (targets, last))], axis=0)


def _number_of_unknown(names: tf.Tensor) -> tf.Tensor:
    """A number from -2 downwards for each name, string [...] to int64 [...].

    Two of a user's M unknown items get the same one, and count once, with a probability of M^2 / 2^63.
    """
    return -2 - tf.strings.to_hash_bucket_fast(names, _USERS)


def _item_vocabulary(items: tf.Tensor) -> Any:
    """The items of the training split by descending frequency, and a second file with the frequencies."""
    tft.vocabulary(items, vocab_filename=ITEM_FREQUENCY, store_frequency=True)
    return tft.vocabulary(items, vocab_filename=schema.ITEM_VOCABULARY)


def _profile_feature(feature: str, values: Any, kind: str) -> Any:
    if kind == "categorical":
        words = _sparse(values)
        words = words.with_values(spelled_values(words.values))
        numbers = tft.compute_and_apply_vocabulary(words, vocab_filename=feature, default_value=-1)
        known = tf.sparse.retain(numbers, numbers.values >= 0)
        return to_the_front(known.with_values(known.values + 1)).to_sparse()
    numbers = _sparse(values)
    return to_the_front(numbers.with_values(standardised(numbers.values))).to_tensor(shape=[None, 1])


def outlier_bounds(low: Any, high: Any) -> tuple[Any, Any]:
    """The least and the largest number that is no outlier, of two quantiles: numbers or tensors."""
    margin = OUTLIER_RANGES * (high - low)
    return low - margin, high + margin


def standardised(numbers: tf.Tensor) -> tf.Tensor:
    """Numbers in standard deviations from the mean of the training split, its outliers clipped first.

    One typing error of 1e30 would otherwise make all other values one, and its square overflow. What lies more than
    ten times the range from the 10 % to the 90 % quantile outside of it is moved to that bound, in training and when
    served. Where these quantiles are one value (most users have 0), those of 0.1 % and 99.9 % take their place.

    Args:
      numbers: float [n], finite.

    Returns:
      float32 [n]; 0 where all of training has one value.
    """
    boundaries = tft.quantiles(numbers, round(1 / _OUTER[0]), epsilon=_QUANTILE_ERROR)[0]
    # Not float32: squares of what the outer quantiles may leave in would overflow.
    at = [tf.cast(boundaries[round(part / _OUTER[0]) - 1], tf.float64) for part in (*_OUTER, *_INNER)]
    outer, inner = (at[0], at[1]), (at[2], at[3])
    same = inner[0] == inner[1]
    low, high = (tf.where(same, wide, narrow) for wide, narrow in zip(outer, inner, strict=True))
    least, most = outlier_bounds(low, high)
    clipped = tf.clip_by_value(tf.cast(numbers, tf.float64), least, most)
    mean, variance = tft.mean(clipped), tft.var(clipped)
    deviation = tf.sqrt(variance)
    # The variance of one value, clipped or not, is a rounding error rather than 0.
    several = (most > least) & (deviation > 0)
    return tf.cast(tf.where(several, (clipped - mean) / deviation, tf.zeros_like(clipped)), tf.float32)

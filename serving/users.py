"""Users as they are before any transformation: what a client would send."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import tensorflow as tf

from trainer.data import schema


@dataclass(frozen=True)
class RawUser:
    """One user's request.

    Attributes:
      history: item ids, oldest first.
      times: seconds, aligned with ``history``.
      features: profile feature -> its values; a missing one is left out.
    """

    history: list[str]
    times: list[int]
    features: dict[str, list[str] | list[float]] = field(default_factory=dict)


def read_users(files: Sequence[str], user_features: Mapping[str, str], count: int) -> list[RawUser]:
    """The first users with a history.

    Args:
      files: TFRecord files of raw tf.Examples (trainer/data/schema.py), gzip if they end with ``.gz``.
      user_features: profile feature -> ``categorical`` or ``numeric``.
      count: users wanted, at most.
    """
    return list(islice((user for user in _users(files, user_features) if user.history), count))


def drawn_users(items: Sequence[str], length: int, count: int, seed: int = 1) -> list[RawUser]:
    """Users with histories drawn uniformly from items, where there are no real ones.

    Args:
      items: N ids.
      length: of a history, at most.
      count: users.
      seed: of the drawing.
    """
    drawn = np.random.default_rng(seed)
    lengths = drawn.integers(1, min(length, len(items)), count, endpoint=True)
    histories = [[items[row] for row in drawn.choice(len(items), size, replace=False)] for size in lengths]
    return [RawUser(history, [0] * len(history)) for history in histories]


def _users(files: Sequence[str], user_features: Mapping[str, str]) -> Iterator[RawUser]:
    for path in sorted(files):
        compression = "GZIP" if path.endswith(".gz") else ""
        for record in tf.data.TFRecordDataset(path, compression_type=compression).as_numpy_iterator():
            features = tf.train.Example.FromString(record).features.feature
            history = [item.decode() for item in features[schema.HISTORY].bytes_list.value]
            times = list(features[schema.HISTORY_TIME].int64_list.value)
            profile: dict[str, list[str] | list[float]] = {}
            for name, kind in user_features.items():
                value = features[schema.user_feature(name)]
                if kind == "categorical":
                    profile[name] = [entry.decode() for entry in value.bytes_list.value]
                else:
                    profile[name] = list(value.float_list.value)
            yield RawUser(history, times + [0] * (len(history) - len(times)), profile)


def as_tensors(
    users: Sequence[RawUser], user_features: Mapping[str, str]
) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
    """``history`` string [B, S], ``history_time`` int64 [B, S], and per profile feature [B, M], padded."""

    def padded(rows: Sequence[Sequence[object]], dtype: tf.DType, fill: object) -> tf.Tensor:
        width = max(map(len, rows), default=0)
        filled = [list(row) + [fill] * (width - len(row)) for row in rows]
        return tf.constant(filled, dtype, shape=[len(rows), width])

    profile = {
        name: padded(
            [user.features.get(name, []) for user in users],
            *((tf.string, "") if kind == "categorical" else (tf.float32, float("nan"))),
        )
        for name, kind in user_features.items()
    }
    history = padded([user.history for user in users], tf.string, "")
    return history, padded([user.times for user in users], tf.int64, 0), profile

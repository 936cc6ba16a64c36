"""What is known of a made-up log: who likes which tags, and how likely each click and conversion was."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from pipeline.data_sources.profile_world import make_world
from pipeline.data_sources.synthetic_profiles import LIKED


class Truth:
    """The world that wrote a log, made again from its seed.

    Args:
      directory: of the log's tables.
      users, items, tags, seed: what they were made with.
    """

    def __init__(self, directory: str, users: int, items: int, tags: int, seed: int) -> None:
        self._world = make_world(np.random.default_rng(seed), users, items, tags)
        table = pq.read_table(Path(directory) / "users.parquet")
        ids = table["user_id"].to_pylist()
        self._liked = {
            task: dict(zip(ids, table[f"liked_tags_{task}"].to_pylist(), strict=True))
            for task in ("click", "conversion")
        }

    def probabilities(self, users: np.ndarray, items: np.ndarray) -> dict[str, np.ndarray]:
        """Task -> the probability that the log was drawn with, of users and items [N] by their ids."""
        numbers = (np.array([int(name[1:]) for name in names]) for names in (users, items))
        return dict(zip(("click", "conversion"), self._world.probabilities(*numbers), strict=True))

    def recovered(
        self, model: Any, examples: np.ndarray, users: np.ndarray, kinds: Mapping[str, str]
    ) -> dict[str, float]:
        """How well the tags' scores tell the known liked tags from the others, of each task the model has.

        ``found_<task>`` is the part of a user's liked tags that is among as many best ones, ``auc_<task>`` the
        probability that a liked tag is above another; means over the users. ``popular_found_<task>`` is ``found`` of
        the tags that training saw most.

        Args:
          model: the exported model.
          examples: serialized raw examples, one a user, with the user's history and profile.
          users: their ids.
          kinds: profile feature -> ``categorical`` or ``numeric``.
        """
        names = [name.decode() for name in model.tag_names.numpy()]
        vectors, tags = _encoded(model, examples, kinds), model.tag_vectors.numpy()
        counts = np.broadcast_to(model.tag_counts.numpy(), (len(users), len(names)))
        metrics = {}
        for column, task in enumerate(model.task_names.numpy().astype(str)):
            liked = np.array([np.isin(names, self._liked[task][user]) for user in users])
            scores = vectors[:, column] @ tags[column].T
            metrics[f"found_{task}"] = found(scores, liked)
            metrics[f"popular_found_{task}"] = found(counts, liked)
            metrics[f"auc_{task}"] = auc_by_row(scores, liked)
        return metrics


def found(scores: np.ndarray, liked: np.ndarray) -> float:
    """Mean over rows of the part of the LIKED best-scored that is liked: scores and bool [U, N_tags].

    Of tags with equal scores, each is as likely as any other to be among the best.
    """
    better = (scores[:, np.newaxis, :] > scores[:, :, np.newaxis]).sum(axis=2)
    tied = (scores[:, np.newaxis, :] == scores[:, :, np.newaxis]).sum(axis=2)
    share = np.clip(LIKED - better, 0, tied) / tied
    return float(((share * liked).sum(axis=1) / LIKED).mean())


def auc_by_row(scores: np.ndarray, liked: np.ndarray) -> float:
    """Mean over rows of the part of the pairs (liked, not liked) that are in order; equal scores are half in order."""
    differences = scores[:, :, np.newaxis] - scores[:, np.newaxis]
    pairs = liked[:, :, np.newaxis] & ~liked[:, np.newaxis]
    in_order = (differences > 0) + 0.5 * (differences == 0)
    return float(np.mean((in_order * pairs).sum(axis=(1, 2)) / pairs.sum(axis=(1, 2))))


def _encoded(model: Any, examples: np.ndarray, kinds: Mapping[str, str]) -> np.ndarray:
    """The users' vectors [U, Y, D]."""
    import tensorflow as tf

    from trainer.data import schema

    dtypes = {name: tf.string if kind == "categorical" else tf.float32 for name, kind in kinds.items()}
    features = {schema.user_feature(name): tf.io.VarLenFeature(dtype) for name, dtype in dtypes.items()}
    history = {schema.HISTORY: tf.io.VarLenFeature(tf.string), schema.HISTORY_TIME: tf.io.VarLenFeature(tf.int64)}
    parsed = tf.io.parse_example(examples, features | history)
    profile = {}
    for name, dtype in dtypes.items():
        padding: Any = "" if dtype == tf.string else float("nan")
        profile[name] = tf.sparse.to_dense(parsed[schema.user_feature(name)], padding)
    items = tf.sparse.to_dense(parsed[schema.HISTORY], "")
    times = tf.sparse.to_dense(parsed[schema.HISTORY_TIME])
    return np.asarray(model.encode(items, times, profile)["vectors"].numpy())

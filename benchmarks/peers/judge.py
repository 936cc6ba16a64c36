"""One judge for all: recall and NDCG of the interests and item vectors that a runner wrote."""

import re
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.peers.data import Data
from trainer.metrics.ranking import rank_metrics
from trainer.ranking.fair_ranking import fair_ranking, kept, of_kept

CUTOFF = 50
METRICS = (f"recall_at_{CUTOFF}", f"ndcg_at_{CUTOFF}")
_USERS = 512

Metrics = dict[str, float]
"""Metric -> mean over users."""


def score(interests: np.ndarray, mask: np.ndarray, item_vectors: np.ndarray, targets: np.ndarray) -> Metrics:
    """Means over users: the maximum over interests, the whole catalogue, seen items kept.

    Args:
      interests: float [U, K, D].
      mask: bool [U, K].
      item_vectors: float [N, D].
      targets: int [U, M] as in :class:`Data`.
    """
    totals = dict.fromkeys(METRICS, 0.0)
    size = len(item_vectors)
    items = of_kept(kept(size, partial(tf.gather, tf.constant(item_vectors, tf.float32))))
    for start in range(0, len(targets), _USERS):
        part = slice(start, start + _USERS)
        users, wanted = tf.constant(interests[part], tf.float32), tf.constant(targets[part])
        ranking = fair_ranking(users, tf.constant(mask[part]), size, items, wanted, CUTOFF)
        values = rank_metrics(ranking.better, ranking.tied, wanted, (CUTOFF,))
        for name in METRICS:
            totals[name] += float(tf.reduce_sum(values[name]))
    return {name: total / len(targets) for name, total in totals.items()}


def checkpoints(directory: Path, data: Data) -> dict[float, dict[str, Metrics]]:
    """CPU-seconds of each checkpoint in ascending order -> split (``valid``, ``test``) -> metrics."""
    found = {}
    for path in directory.glob("checkpoint-*.npz"):
        match = re.fullmatch(r"checkpoint-(.+)\.npz", path.name)
        assert match is not None
        with np.load(path, allow_pickle=False) as file:
            found[float(match[1])] = {
                split: score(file[f"{split}_interests"], file[f"{split}_mask"], file["item_vectors"], targets)
                for split, targets in (("valid", data.valid_targets), ("test", data.test_targets))
            }
    return dict(sorted(found.items()))


def best_within(found: dict[float, dict[str, Metrics]], seconds: float) -> tuple[float, Metrics]:
    """Early stopping: of the checkpoints up to ``seconds`` the one with the best validation recall.

    Returns:
      its CPU-seconds and its test metrics.
    """
    at = max((spent for spent in found if spent <= seconds), key=lambda spent: found[spent]["valid"][METRICS[0]])
    return at, found[at]["test"]

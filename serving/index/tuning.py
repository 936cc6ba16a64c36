"""Tunes a ScaNN index: the cheapest sizes that reach a recall for real users."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serving.index.base import Index
from serving.index.recall import list_recalls, surely_reached

if TYPE_CHECKING:
    from serving.index.scann import ScannIndex

TUNING_USERS = 256
"""Users that sizes are found on."""

_REORDERED = (2, 3, 5, 10)
_BATCH = 32
_BETWEEN = 4
_POINTS_PER_REORDERED = 40
"""Hashed items that are scored in the time of one score of eight bits, which waits for memory (at a million)."""


@dataclass(frozen=True)
class Trial:
    """Sizes, and what they gave.

    Attributes:
      leaves_to_search: for each interest.
      reorder: candidates scored with eight bits a coordinate.
      recall: part of the exact list that was found, averaged over the users.
      cpu_ms: processor time of a user, milliseconds, in batches of 32.
      reaches: whether the recall is what was asked for, by a standard error at least.
      cost: of an interest's search, in scores of hashed items.
    """

    leaves_to_search: int
    reorder: int
    recall: float
    cpu_ms: float
    reaches: bool
    cost: float


class Tuned(NamedTuple):
    """What was tried, from few to many candidates and leaves, and the one that the index has now."""

    trials: list[Trial]
    chosen: Trial


def tune(
    index: "ScannIndex",
    exact: Index,
    interests: npt.NDArray[np.float32],
    interest_mask: npt.NDArray[np.bool_],
    k: int,
    target: float,
) -> Tuned:
    """Sets the sizes of ``index`` to the cheapest that reach the recall.

    For each number of reordered candidates, the number of leaves is doubled until the target is reached, and the last
    step halved; how many leaves there are stays as it is. Which of the settings that reach it is the cheapest is told
    by what they score, not by the measured time: the same model and users give the same index. Where none reaches it,
    the one with the best recall is taken.

    Args:
      index: with leaves; its sizes are changed in place.
      exact: an exact index of the same items.
      interests: [U, K, D] float32, users the index is meant for.
      interest_mask: [U, K] bool.
      k: length of the lists.
      target: the recall, 0 to 1.
    """
    parts = [slice(start, start + _BATCH) for start in range(0, len(interests), _BATCH)]
    batches = [(tf.constant(interests[part]), tf.constant(interest_mask[part])) for part in parts]
    expected = np.concatenate([exact.search(*batch, k).indices for batch in batches])
    index.search(*batches[0], k)  # The first search builds the index in memory.
    num_leaves, least, trials = index.sizes.num_leaves, index.least_leaves(k), []

    def cost(reorder: int, leaves: int) -> float:
        points: float = leaves * index.num_items / num_leaves + _POINTS_PER_REORDERED * reorder
        return points

    def reaches(reorder: int, leaves: int) -> bool:
        index.sizes = replace(index.sizes, leaves_to_search=leaves, reorder=reorder)
        started = time.process_time()
        found = np.concatenate([index.search(*batch, k).indices for batch in batches])
        cpu_ms = (time.process_time() - started) / len(interests) * 1000
        recalls = list_recalls(found, expected)
        mean = float(recalls.mean()) if len(recalls) else 1.0
        reached = surely_reached(recalls, target)
        trials.append(Trial(leaves, reorder, mean, cpu_ms, reached, cost(reorder, leaves)))
        return reached

    for factor in _REORDERED:
        reorder, too_few, leaves = min(factor * k, index.num_items), least - 1, least
        # What costs as much as a setting that reaches the target is not tried.
        while cost(reorder, leaves) < min((trial.cost for trial in trials if trial.reaches), default=math.inf):
            if reaches(reorder, leaves):
                _halve(too_few, leaves, partial(reaches, reorder))
            elif leaves < num_leaves:
                too_few, leaves = leaves, min(2 * leaves, num_leaves)
            else:
                break
    chosen = min(trials, key=_rank)
    index.sizes = replace(index.sizes, leaves_to_search=chosen.leaves_to_search, reorder=chosen.reorder)
    return Tuned(sorted(trials, key=lambda trial: (trial.reorder, trial.leaves_to_search)), chosen)


def _halve(too_few: int, enough: int, reaches: Callable[[int], bool]) -> None:
    """Tries numbers of leaves between one that misses the target and one that reaches it."""
    for _ in range(_BETWEEN):
        if enough - too_few < 2:
            return
        between = (too_few + enough) // 2
        if reaches(between):
            enough = between
        else:
            too_few = between


def _rank(trial: Trial) -> tuple[bool, float, float]:
    """The smaller the better: what reaches the target by its cost, and else by its recall."""
    return (False, trial.cost, 0.0) if trial.reaches else (True, -trial.recall, trial.cost)

"""Differences of rows, paired by user."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.retrieval.measured import Measured, Users
from benchmarks.retrieval.one_model import HALF
from benchmarks.retrieval.rows import ablations, at
from components.evaluation.paired import thirds
from trainer.metrics import table

SINGLE = "two_tower"
"""The row that others are compared with."""
CONTROL = "_one"
"""Behind the name of a row, its control with one interest."""
UNSEEN = "unseen "
"""In front of the heading of a metric of lists without the items of the history."""
RECALL_UNSEEN = table.RECALL + table.UNSEEN

_LONG = "recall_at_500"


class Difference(NamedTuple):
    """A mean difference of users.

    Attributes:
      mean: of all users of all seeds.
      error: its standard error over users; NaN for fewer than two.
      seeds: the mean of each seed.
    """

    mean: float
    error: float
    seeds: tuple[float, ...] = ()

    def __str__(self) -> str:
        return "" if np.isnan(self.mean) else f"{100 * self.mean:+.2f} ± {100 * self.error:.2f}"


def compared() -> dict[str, tuple[str, str]]:
    """Heading -> metric and slice (``all``, ``diverse`` or ``focused``), of the table of differences."""
    recall, long = table.title(table.RECALL), table.title(_LONG)
    return {
        recall: (table.RECALL, "all"),
        UNSEEN + recall: (RECALL_UNSEEN, "all"),
        "NDCG@50": ("ndcg_at_50", "all"),
        long: (_LONG, "all"),
        "Tail recall@50": ("tail_recall_at_50", "all"),
        "Shelf recall@10": ("shelf_recall_at_10", "all"),
        f"{recall}, diverse": (table.RECALL, "diverse"),
        f"{long}, diverse": (_LONG, "diverse"),
        f"{recall}, focused": (table.RECALL, "focused"),
        f"{HALF}{recall}": (HALF + table.RECALL, "all"),
        f"{HALF}{long}": (HALF + _LONG, "all"),
    }


def difference(
    ours: Sequence[Mapping[str, np.ndarray]],
    theirs: Sequence[Mapping[str, np.ndarray]],
    metric: str,
    chosen: Sequence[np.ndarray],
) -> Difference:
    """A metric's difference on the same users, of all seeds together.

    Args:
      ours: metric -> value of each user, a seed each.
      theirs: the same.
      metric: its name.
      chosen: bool of each user, whom to count, a seed each.
    """
    parts = [
        (a[metric].astype(np.float64) - b[metric])[users] for a, b, users in zip(ours, theirs, chosen, strict=True)
    ]
    parts = [part[~np.isnan(part)] for part in parts]
    together = np.concatenate(parts)
    if not len(together):
        return Difference(np.nan, np.nan)
    error = together.std(ddof=1) / np.sqrt(len(together)) if len(together) > 1 else np.nan
    return Difference(float(together.mean()), float(error), tuple(float(part.mean()) for part in parts if len(part)))


def _slices(rival: Users) -> dict[str, list[np.ndarray]]:
    focused, diverse = zip(*(thirds(users[table.HISTORY_DIVERSITY]) for users in rival), strict=True)
    return {"all": [np.ones(len(some), bool) for some in focused], "diverse": [*diverse], "focused": [*focused]}


def _compared(ours: Users, theirs: Users, rival: Users) -> dict[str, Difference]:
    """Heading of :func:`compared` -> the difference; the slices are by the histories of the rival's users."""
    slices = _slices(rival)
    return {heading: difference(ours, theirs, metric, slices[users]) for heading, (metric, users) in compared().items()}


def to_single(content: Measured, row: str) -> dict[str, Difference]:
    """Heading of :func:`compared`, ``equal temperature`` and ``one interest`` -> the difference of a row."""
    ours, rival = content.users[row], content.users[SINGLE]
    found, everybody = _compared(ours, rival, rival), _slices(rival)["all"]
    equal = [at(SINGLE, temperature) for temperature in content.temperatures(row)]
    if set(equal) <= set(content.jobs):
        theirs = [content.jobs[job][seed] for seed, job in enumerate(equal)]
        found["equal temperature"] = difference(ours, theirs, table.RECALL, everybody)
    if row + CONTROL in content.users:
        found["one interest"] = difference(ours, content.users[row + CONTROL], table.RECALL, everybody)
    return found


def to_whole(content: Measured) -> dict[str, dict[str, Difference]]:
    """Row without a part -> its differences to the row that has it, at the same temperature."""
    found = {}
    for row, whole in ablations().items():
        if row in content.users and SINGLE in content.users:
            jobs = [at(whole, temperature) for temperature in content.temperatures(row)]
            if set(jobs) <= set(content.jobs):
                theirs = [content.jobs[job][seed] for seed, job in enumerate(jobs)]
                found[row] = _compared(content.users[row], theirs, content.users[SINGLE])
    return found


def over_sets(differences: Sequence[Difference]) -> Difference:
    """The mean of data sets, each counting alike; of those that have a value."""
    known = [difference for difference in differences if not np.isnan(difference.mean)]
    if not known:
        return Difference(np.nan, np.nan)
    error = float(np.sqrt(np.sum([difference.error**2 for difference in known])) / len(known))
    return Difference(float(np.mean([difference.mean for difference in known])), error)

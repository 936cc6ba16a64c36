"""The table of metrics: evaluation, thresholds, results, benchmarks and TensorBoard know metrics from here alone.

A metric is a function of one user's lists (trainer/metrics/user_lists.py), averaged over users, or computed from what
all users are shown (trainer/metrics/exposure.py). A new one is a row of ``TABLE``.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.metrics.categories import category_recall, history_diversity
from trainer.metrics.category_diversity import category_diversity
from trainer.metrics.exposure import coverage, first_items, gini
from trainer.metrics.interest_health import (
    OWN_LENGTH,
    active_interests,
    effective_interests,
    interest_alone_share,
    interest_cosine,
    interest_overlap,
    interest_use,
)
from trainer.metrics.novelty import novelty
from trainer.metrics.ranking import hit_rate, ndcg, recall, tail_recall
from trainer.metrics.shelf import MOST_PLACES, SHELF_ROWS, shelf_recall
from trainer.metrics.user_lists import UserLists

UNSEEN = "_unseen"
"""Suffix of a metric computed with the items of the history removed from the candidates."""

FILTERED = "_filtered"
"""Suffix of a metric computed with the filter of the settings, the items of the history kept."""

POPULARITY = "popularity_"
"""Prefix of a metric of the popularity ranking, computed for the same users."""

SHOWN = "shown"
"""Output in place of metrics of all users together, ``shown_at_<N>``: int32 [B, N], the items that a user is shown."""

CATALOGUE_SIZE = "catalogue_size"
"""Output beside the metrics: int32 [B], items of the catalogue, which metrics of all users together need."""

HEADINGS = {"": "seen items kept", UNSEEN: "seen items removed", FILTERED: "with the filter"}
"""Suffix -> what was done to the candidates, in words."""


@dataclass(frozen=True)
class Metric:
    """A row of the table: a mean over the users who have a value or, with ``combine``, a number of all users together.

    Attributes:
      name: without cut-off.
      title: for tables.
      direction: which values are good; of ``neither``, no threshold can be set.
      function: from lists and cut-off (0 without one) to float32 [B], NaN for a user who has no value; left
        out with ``combine``.
      cutoffs: the N to report, as ``<name>_at_<N>``; empty for a metric without one.
      of: ``list``: computed with seen items kept, removed and with the filter, for the popularity ranking too and, as
        means over users, paired with the single vector's. ``interests``: of the model alone, seen items kept.
        ``history``: of the user.
      shown: cut-offs in the table that a run prints, and in those of benchmarks.
      combine: from how many users are shown each item among their first n, int64 [items of the catalogue], to the
        metric of the split or slice. It has no standard error over users, and depends on their number.
      bounds: the smallest and the largest possible value.
      grows: whether it never falls as the cut-off grows.
    """

    name: str
    title: str
    direction: Literal["higher", "lower", "neither"]
    function: Callable[[UserLists, int], tf.Tensor] = first_items
    cutoffs: tuple[int, ...] = ()
    of: Literal["list", "interests", "history"] = "list"
    shown: tuple[int, ...] = field(default=())
    combine: Callable[[npt.NDArray[np.int64]], float] | None = None
    bounds: tuple[float, float] = (0.0, 1.0)
    grows: bool = False

    @property
    def names(self) -> dict[str, int]:
        """Full name -> cut-off."""
        return {f"{self.name}_at_{n}": n for n in self.cutoffs} or {self.name: 0}


def _diversity(lists: UserLists, n: int) -> tf.Tensor:
    return category_diversity(lists.listed, lists.items.category, (n,))[f"diversity_at_{n}"]


def _category_recall(lists: UserLists, n: int) -> tf.Tensor:
    return category_recall(lists.places, lists.listed[:, :n], lists.items.category)


TABLE: tuple[Metric, ...] = (
    Metric(
        "recall",
        "Recall",
        "higher",
        lambda lists, n: recall(lists.places, n),
        (20, 50, 500),
        shown=(20, 50, 500),
        grows=True,
    ),
    Metric("hit_rate", "HR", "higher", lambda lists, n: hit_rate(lists.places, n), (20, 50), grows=True),
    Metric("ndcg", "NDCG", "higher", lambda lists, n: ndcg(lists.places, n), (20, 50), shown=(50,)),
    Metric(
        "tail_recall",
        "Tail recall",
        "higher",
        lambda lists, n: tail_recall(lists.places, n, lists.items.tail),
        (50,),
        shown=(50,),
        grows=True,
    ),
    Metric("category_recall", "Category recall", "higher", _category_recall, (50,), shown=(50,), grows=True),
    Metric("shelf_recall", "Shelf recall", "higher", shelf_recall, SHELF_ROWS, shown=SHELF_ROWS, grows=True),
    Metric("diversity", "Diversity", "higher", _diversity, (20, 50), shown=(50,)),
    Metric("novelty", "Novelty", "higher", novelty, (50,), bounds=(0.0, math.inf)),
    Metric("coverage", "Coverage", "higher", cutoffs=(50,), shown=(50,), combine=coverage, grows=True),
    Metric("gini", "Gini", "lower", cutoffs=(50,), shown=(50,), combine=gini),
    Metric("interest_overlap", "overlap", "lower", interest_overlap, (OWN_LENGTH,), of="interests"),
    Metric("interest_alone_share", "best alone", "lower", interest_alone_share, (OWN_LENGTH,), of="interests"),
    Metric("effective_interests", "effective", "higher", effective_interests, of="interests", bounds=(0.0, math.inf)),
    Metric("active_interests", "active", "higher", active_interests, of="interests", bounds=(0.0, math.inf)),
    Metric("interest_cosine", "cosine", "lower", interest_cosine, of="interests", bounds=(-1.0, 1.0)),
    Metric("interest_use", "use", "higher", interest_use, of="interests"),
    Metric("history_diversity", "history diversity", "neither", history_diversity, of="history", bounds=(0.0, 2.0)),
)

RECALL = "recall_at_50"
"""What validation watches and, by default, what is compared with the model blessed last."""

OVERLAP, ALONE, EFFECTIVE, ACTIVE = (
    *("interest_overlap_at_50", "interest_alone_share_at_50", "effective_interests", "active_interests"),
)
HISTORY_DIVERSITY = "history_diversity"


def names(*of: str) -> tuple[str, ...]:
    """Full names of the metrics of these kinds, seen items kept, in the order of the table."""
    return tuple(name for metric in TABLE if metric.of in of for name in metric.names)


def model_metrics(filtered: bool = False) -> tuple[str, ...]:
    """All that is computed of a model, but for the popularity ranking's.

    Args:
      filtered: whether there is a filter to compute with once more.
    """
    suffixes = ("", UNSEEN, *([FILTERED] if filtered else []))
    return (*(name + suffix for suffix in suffixes for name in names("list")), *names("interests", "history"))


def popularity_metrics(filtered: bool = False) -> tuple[str, ...]:
    """The metrics of the popularity ranking."""
    suffixes = ("", UNSEEN, *([FILTERED] if filtered else []))
    return tuple(POPULARITY + name + suffix for suffix in suffixes for name in names("list"))


def metric_of(name: str) -> Metric:
    """The row of a metric's full name, with or without one of the suffixes.

    Raises:
      KeyError: there is none.
    """
    bare = without_suffix(name)
    for metric in TABLE:
        if bare in metric.names:
            return metric
    raise KeyError(name)


def without_suffix(name: str) -> str:
    """The name with seen items kept and without a filter."""
    return name.removesuffix(UNSEEN).removesuffix(FILTERED)


def title(name: str) -> str:
    """``hit_rate_at_20_unseen`` as HR@20."""
    metric = metric_of(name)
    cutoff = metric.names[without_suffix(name)]
    return f"{metric.title}@{cutoff}" if cutoff else metric.title


def paired(name: str) -> bool:
    """Whether a metric is a mean over users of a list, whose difference between two models is one of each user."""
    metric = metric_of(name)
    return metric.of == "list" and metric.combine is None


def output_of(name: str) -> str:
    """Which output of a model a metric is computed from, with the prefix and the suffix of its full name."""
    bare = without_suffix(name.removeprefix(POPULARITY))
    metric = metric_of(bare)
    return name if metric.combine is None else name.replace(bare, f"{SHOWN}_at_{metric.names[bare]}")


def of_all_users(name: str) -> bool:
    """Whether this is the name of a metric of all users together."""
    return any(metric.combine is not None and without_suffix(name) in metric.names for metric in TABLE)


def together(name: str, exposure: npt.NDArray[np.int64]) -> float:
    """The value of a metric of all users together.

    Args:
      name: full name, of the popularity ranking's too.
      exposure: int64 [items of the catalogue], how many users are shown each; of none: NaN.
    """
    combine = metric_of(name.removeprefix(POPULARITY)).combine
    assert combine is not None, f"{name} is a mean over users"
    return combine(exposure) if exposure.any() else float("nan")


def shown(of_all: bool = False) -> tuple[str, ...]:
    """Full names of the list metrics in a printed table, seen items kept.

    Args:
      of_all: those of all users together instead of the means over users.
    """
    return tuple(
        f"{metric.name}_at_{n}"
        for metric in TABLE
        if metric.of == "list" and (metric.combine is not None) == of_all
        for n in metric.shown
    )


def longest_list() -> int:
    """How many items of a list the metrics look at."""
    return max((*(n for metric in TABLE if metric.of == "list" for n in metric.cutoffs), MOST_PLACES))


def longest_row() -> int:
    """Items of a row of the pages that shelf recall looks at."""
    return max(SHELF_ROWS)


def compute(lists: UserLists, of: Iterable[str]) -> dict[str, tf.Tensor]:
    """The metrics of these kinds, or what they are computed from: :func:`output_of` the full name -> [B] or [B, n]."""
    kinds = set(of)
    return {
        output_of(name): metric.function(lists, cutoff)
        for metric in TABLE
        if metric.of in kinds
        for name, cutoff in metric.names.items()
    }

"""The table of metrics: evaluation, thresholds, results, benchmarks and TensorBoard know metrics from here alone.

A metric is a function of one user's lists (trainer/metrics/user_lists.py). A new one is a row of ``TABLE``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

import tensorflow as tf

from trainer.metrics.categories import category_recall, history_diversity
from trainer.metrics.category_diversity import category_diversity
from trainer.metrics.interest_health import (
    OWN_LENGTH,
    active_interests,
    effective_interests,
    interest_alone_share,
    interest_cosine,
    interest_overlap,
    interest_use,
)
from trainer.metrics.ranking import hit_rate, ndcg, recall, tail_recall
from trainer.metrics.shelf import MOST_PLACES, SHELF_ROWS, shelf_recall
from trainer.metrics.user_lists import UserLists

UNSEEN = "_unseen"
"""Suffix of a metric computed with the items of the history removed from the candidates."""

FILTERED = "_filtered"
"""Suffix of a metric computed with the filter of the settings, the items of the history kept."""

POPULARITY = "popularity_"
"""Prefix of a metric of the popularity ranking, computed for the same users."""

HEADINGS = {"": "seen items kept", UNSEEN: "seen items removed", FILTERED: "with the filter"}
"""Suffix -> what was done to the candidates, in words."""


@dataclass(frozen=True)
class Metric:
    """A row of the table. All metrics are per user: their mean is taken over the users who have a value.

    Attributes:
      name: without cut-off.
      title: for tables.
      direction: which values are good; of ``neither``, no threshold can be set.
      function: from lists and cut-off (0 without one) to float32 [B], NaN for a user who has no value.
      cutoffs: the N to report, as ``<name>_at_<N>``; empty for a metric without one.
      of: ``list``: computed with seen items kept, removed and with the filter, for the popularity ranking too, and
        paired with the single vector's. ``interests``: of the model alone, seen items kept. ``history``: of the user.
      shown: cut-offs in the table that a run prints, and in those of benchmarks.
    """

    name: str
    title: str
    direction: Literal["higher", "lower", "neither"]
    function: Callable[[UserLists, int], tf.Tensor]
    cutoffs: tuple[int, ...] = ()
    of: Literal["list", "interests", "history"] = "list"
    shown: tuple[int, ...] = field(default=())

    @property
    def names(self) -> dict[str, int]:
        """Full name -> cut-off."""
        return {f"{self.name}_at_{n}": n for n in self.cutoffs} or {self.name: 0}


def _diversity(lists: UserLists, n: int) -> tf.Tensor:
    return category_diversity(lists.listed, lists.items.category, (n,))[f"diversity_at_{n}"]


def _category_recall(lists: UserLists, n: int) -> tf.Tensor:
    return category_recall(lists.places, lists.listed[:, :n], lists.items.category)


TABLE: tuple[Metric, ...] = (
    Metric("recall", "Recall", "higher", lambda lists, n: recall(lists.places, n), (20, 50, 500), shown=(20, 50, 500)),
    Metric("hit_rate", "HR", "higher", lambda lists, n: hit_rate(lists.places, n), (20, 50)),
    Metric("ndcg", "NDCG", "higher", lambda lists, n: ndcg(lists.places, n), (20, 50), shown=(50,)),
    Metric(
        "tail_recall",
        "Tail recall",
        "higher",
        lambda lists, n: tail_recall(lists.places, n, lists.items.tail),
        (50,),
        shown=(50,),
    ),
    Metric("category_recall", "Category recall", "higher", _category_recall, (50,), shown=(50,)),
    Metric("shelf_recall", "Shelf recall", "higher", shelf_recall, SHELF_ROWS, shown=SHELF_ROWS),
    Metric("diversity", "Diversity", "higher", _diversity, (20, 50), shown=(50,)),
    Metric("interest_overlap", "overlap", "lower", interest_overlap, (OWN_LENGTH,), of="interests"),
    Metric("interest_alone_share", "best alone", "lower", interest_alone_share, (OWN_LENGTH,), of="interests"),
    Metric("effective_interests", "effective", "higher", effective_interests, of="interests"),
    Metric("active_interests", "active", "higher", active_interests, of="interests"),
    Metric("interest_cosine", "cosine", "lower", interest_cosine, of="interests"),
    Metric("interest_use", "use", "higher", interest_use, of="interests"),
    Metric("history_diversity", "history diversity", "neither", history_diversity, of="history"),
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


def shown() -> tuple[str, ...]:
    """Full names of the list metrics in a printed table, seen items kept."""
    return tuple(f"{metric.name}_at_{n}" for metric in TABLE if metric.of == "list" for n in metric.shown)


def longest_list() -> int:
    """How many items of a list the metrics look at."""
    return max((*(n for metric in TABLE if metric.of == "list" for n in metric.cutoffs), MOST_PLACES))


def longest_row() -> int:
    """Items of a row of the pages that shelf recall looks at."""
    return max(SHELF_ROWS)


def compute(lists: UserLists, of: Iterable[str]) -> dict[str, tf.Tensor]:
    """The metrics of these kinds: full name -> float32 [B]."""
    kinds = set(of)
    return {
        name: metric.function(lists, cutoff)
        for metric in TABLE
        if metric.of in kinds
        for name, cutoff in metric.names.items()
    }

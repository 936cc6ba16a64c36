"""Metrics of all users together, from how often each item of the catalogue is in their lists."""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.metrics.user_lists import UserLists

_MOST_WAITING = 1 << 18
"""Items that wait to be counted (1 MB): it pays for many at a time."""


def first_items(lists: UserLists, n: int) -> tf.Tensor:
    """The first n items of each list: int32 [B, n], -1 where it has ended."""
    return lists.listed[:, :n]


def coverage(exposure: npt.NDArray[np.int64]) -> float:
    """The part of the catalogue that is shown to anybody.

    Reference: Ge et al., "Beyond Accuracy: Evaluating Recommender Systems by Coverage and Serendipity", RecSys 2010,
    catalog coverage.

    Args:
      exposure: [items of the catalogue], how many users are shown each.
    """
    return float(np.count_nonzero(exposure) / len(exposure))


def gini(exposure: npt.NDArray[np.int64]) -> float:
    """Gini index of the exposure: 0 where all items are shown equally often, 1 where one alone is.

    With the counts ``x`` of n items in ascending order, ``sum_j (2 j - n - 1) x_j / ((n - 1) sum_j x_j)``. Lists of
    distinct items cannot reach 1: if all users get the same N, it is ``(n - N) / (n - 1)``.

    Reference: Shani and Gunawardana, "Evaluating Recommendation Systems", Recommender Systems Handbook, 2011, on item
    space coverage.

    Args:
      exposure: [n], how many users are shown each item of the catalogue; of one at least, somebody.
    """
    total, n = int(exposure.sum()), len(exposure)
    weights = 2 * np.arange(1, n + 1) - n - 1
    return float(weights @ np.sort(exposure)) / (max(n - 1, 1) * total)


class Exposure:
    """Counts how many users are shown each item, of lists that come a few at a time.

    Holds the items that were shown and not the whole catalogue: 12 bytes for each, and 1 MB at most that waits.
    """

    def __init__(self) -> None:
        self._items: npt.NDArray[np.int32] = np.zeros(0, np.int32)
        self._counts: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._waiting: list[npt.NDArray[np.int32]] = []
        self._number = 0

    def add(self, items: npt.NDArray[np.integer[Any]]) -> None:
        """Counts lists of items, int of any shape; -1 is none."""
        self._waiting.append(np.asarray(items, np.int32).ravel())
        self._number += self._waiting[-1].size
        if self._number > _MOST_WAITING:
            self.compact()

    def compact(self) -> None:
        """Counts what waits, so that there is little to keep or to send."""
        if self._waiting:
            items = np.concatenate(self._waiting)
            counts = np.bincount(items[items >= 0])
            self._waiting, self._number = [], 0
            shown = np.flatnonzero(counts)
            self._include(shown.astype(np.int32), counts[shown])

    def merge(self, other: "Exposure") -> None:
        """Adds what another has counted."""
        other.compact()
        self._include(other._items, other._counts)

    def counts(self, size: int) -> npt.NDArray[np.int64]:
        """How often each item was shown: int64 [size].

        Args:
          size: items of the catalogue.
        """
        self.compact()
        counts = np.zeros(size, np.int64)
        counts[self._items] = self._counts
        return counts

    def _include(self, items: npt.NDArray[np.int32], counts: npt.NDArray[np.int64]) -> None:
        both = np.concatenate([self._items, items])
        self._items, place = np.unique(both, return_inverse=True)
        total = np.zeros(len(self._items), np.int64)
        np.add.at(total, place, np.concatenate([self._counts, counts]))
        self._counts = total

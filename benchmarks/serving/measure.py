"""What every index is measured by. Needs NumPy only."""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving.problem import TOP, Problem

BATCHES = (1, 32)
_LEAST_CALLS, _MOST_CALLS = 20, 500

Search = Callable[[np.ndarray], np.ndarray]
"""float32 [B, K, D] to the 100 best items of each user, integer [B, 100]."""


def recall(search: Search, problem: Problem) -> float:
    """The part of the best 100 that is found, averaged over the users."""
    found = [search(problem.interests[start : start + 32]) for start in range(0, len(problem.interests), 32)]
    pairs = zip(np.concatenate(found), problem.best, strict=True)
    return float(np.mean([np.isin(best, row).mean() for row, best in pairs]))


def cost(search: Search, interests: np.ndarray, seconds: float) -> dict[str, float]:
    """CPU milliseconds a user (``cpu_B``) and milliseconds of a call (``p50_B``, ``p99_B``) in batches of 1 and 32.

    Args:
      search: the index.
      interests: [U, K, D], U at least 32.
      seconds: for each of the two; at least 20 calls are made, and at most 500.
    """
    figures = {}
    for batch in BATCHES:
        starts = np.arange(0, len(interests) - batch + 1, batch)
        search(interests[:batch])
        walls: list[float] = []
        began = time.process_time()
        while len(walls) < _LEAST_CALLS or (len(walls) < _MOST_CALLS and sum(walls) < seconds):
            start = starts[len(walls) % len(starts)]
            before = time.perf_counter()
            search(interests[start : start + batch])
            walls.append(time.perf_counter() - before)
        figures[f"cpu_{batch}"] = (time.process_time() - began) / len(walls) / batch * 1000
        figures[f"p50_{batch}"], figures[f"p99_{batch}"] = np.percentile(walls, [50, 99]) * 1000
    return figures


def cheapest(searches: Iterable[tuple[Any, Search]], problem: Problem, target: float) -> Any:
    """The first setting, of settings from cheap to dear, that reaches the recall; the last if none does."""
    last = None
    for setting, search in searches:
        last = setting
        if recall(search, problem) >= target:
            break
    return last


def merge(indices: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """One list of K by the best score: indices and scores [B, K, n] to [B, 100], -1 where items are missing."""
    indices, scores = (values.reshape(len(values), -1) for values in (indices, scores))
    order = np.argsort(-scores, axis=1)
    indices = np.take_along_axis(indices, order, axis=1)
    by_item = np.argsort(indices, axis=1, kind="stable")
    ordered = np.take_along_axis(indices, by_item, axis=1)
    again = np.zeros(indices.shape, bool)
    np.put_along_axis(again, by_item[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    place = np.cumsum(~again, axis=1) - 1
    rows, columns = np.nonzero(~again & (place < TOP))
    best = np.full((len(indices), TOP), -1)
    best[rows, place[rows, columns]] = indices[rows, columns]
    return best


def resident_mb() -> float:
    """Memory of this process in RAM."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def size_mb(folder: Path) -> float:
    """Of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20


class Clock:
    """Wall and CPU seconds since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def seconds(self) -> dict[str, float]:
        """``build_s`` and ``build_cpu_s``."""
        return {
            "build_s": time.perf_counter() - self._wall,
            "build_cpu_s": time.process_time() - self._cpu,
        }

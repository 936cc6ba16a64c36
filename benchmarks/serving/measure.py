"""What every index is measured by. Needs NumPy only."""

import itertools
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving.problem import TOP, Problem

BATCHES = (1, 32)
_ROUNDS, _LEAST_CALLS, _MOST_CALLS = 5, 4, 100

Search = Callable[[np.ndarray], np.ndarray]
"""float32 [B, K, D] to the 100 best items of each user, integer [B, 100]."""


def recall(search: Search, problem: Problem) -> float:
    """The part of the best 100 that is found, averaged over the users."""
    return float(recalls(search, problem).mean())


def recalls(search: Search, problem: Problem) -> np.ndarray:
    """The same of each user."""
    found = [search(problem.interests[start : start + 32]) for start in range(0, len(problem.interests), 32)]
    pairs = zip(np.concatenate(found), problem.best, strict=True)
    return np.array([np.isin(best, row).mean() for row, best in pairs])


def cost(search: Search, interests: np.ndarray, seconds: float) -> dict[str, float]:
    """CPU milliseconds a user (``cpu_B``) and milliseconds of a call (``p50_B``, ``p99_B``) in batches of 1 and 32.

    CPU is that of the best of five rounds: other programs empty the caches, and only add to it.

    Args:
      search: the index.
      interests: [U, K, D], U at least 32.
      seconds: for each of the two; a round makes 4 calls at least, and 100 at most.
    """
    figures = {}
    for batch in BATCHES:
        starts = itertools.cycle(np.arange(0, len(interests) - batch + 1, batch))
        search(interests[:batch])
        walls: list[float] = []
        rounds = []
        for _ in range(_ROUNDS):
            began, before = time.process_time(), len(walls)
            until = time.perf_counter() + seconds / _ROUNDS
            while (calls := len(walls) - before) < _LEAST_CALLS or (
                calls < _MOST_CALLS and time.perf_counter() < until
            ):
                start = next(starts)
                started = time.perf_counter()
                search(interests[start : start + batch])
                walls.append(time.perf_counter() - started)
            rounds.append((time.process_time() - began) / calls)
        figures[f"cpu_{batch}"] = min(rounds) / batch * 1000
        figures[f"p50_{batch}"], figures[f"p99_{batch}"] = np.percentile(walls, [50, 99]) * 1000
    return figures


def cheapest(searches: Iterable[tuple[Any, Search]], problem: Problem, target: float) -> Any:
    """The first setting, of settings from cheap to dear, that reaches the recall; the last if none does.

    As :func:`serving.index.recall.surely_reached`, which these environments cannot import, it asks for a standard error
    to spare.
    """
    last = None
    for setting, search in searches:
        last = setting
        found = recalls(search, problem)
        if found.mean() - found.std() / np.sqrt(len(found)) >= target:
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

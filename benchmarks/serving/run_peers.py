"""faiss and hnswlib, in an environment of their own: see benchmarks/serving/runner.py.

K searches of a batch are one call of the library, and their lists are merged by NumPy. Of each index one number is
swept, from cheap to dear. The graphs hold the items with one more coordinate, which makes all of them equally long, so
that the nearest by distance is the largest inner product (Bachrach et al., RecSys 2014): the better way for vectors of
varying length in a trial on 20,000 items. Building takes 4 sqrt(N) lists; 32 neighbours a node, and 200 candidates when
it is inserted, chosen on those 20,000, too.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import hnswlib
import numpy as np

from benchmarks.serving.measure import Clock, Search, cheapest, merge
from benchmarks.serving.problem import DIMENSION, TOP, Problem
from benchmarks.serving.runner import run

_NEIGHBOURS, _INSERTION, _LISTS = 32, 200, 4
_PROBES = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
_CANDIDATES = (100, 150, 200, 300, 400, 600, 800, 1200, 1600, 2400, 3200)
_FILE = "index"


def build(kind: str, problem: Problem, target: float, folder: Path) -> dict[str, Any]:
    """Builds, finds the number for the recall, saves."""
    items, dimension = problem.items, problem.items.shape[1]
    clock = Clock()
    if kind == "hnswlib":
        index = hnswlib.Index("l2", dimension + 1)
        index.init_index(len(items), ef_construction=_INSERTION, M=_NEIGHBOURS)
        index.add_items(equally_long(items))
    elif kind == "faiss-hnsw":
        index = faiss.IndexHNSWFlat(dimension + 1, _NEIGHBOURS)
        index.hnsw.efConstruction = _INSERTION
        index.add(equally_long(items))
    else:
        coarse = faiss.IndexFlatIP(dimension)
        lists = round(_LISTS * math.sqrt(len(items)))
        index = faiss.IndexIVFFlat(coarse, dimension, lists, faiss.METRIC_INNER_PRODUCT)
        index.train(items)
        index.add(items)
    figures = clock.seconds()
    chosen = cheapest(_settings(kind, index), problem, target)
    if kind == "hnswlib":
        index.save_index(str(folder / _FILE))
    else:
        faiss.write_index(index, str(folder / _FILE))
    words = f"{index.nlist:,} lists, nprobe" if kind == "faiss-ivf" else f"M {_NEIGHBOURS}, ef"
    return {**figures, "settings": f"{words} {chosen}"}


def load(kind: str, folder: Path, settings: str) -> Search:
    """From disk, with the number that was found; a single thread."""
    if kind == "hnswlib":
        index = hnswlib.Index("l2", DIMENSION + 1)
        index.load_index(str(folder / _FILE))
    else:
        index = faiss.read_index(str(folder / _FILE))
    return _search(kind, index, int(settings.split()[-1]))


def equally_long(items: np.ndarray) -> np.ndarray:
    """The items [N, D] with one more coordinate, [N, D + 1]."""
    squares = (items**2).sum(axis=1, keepdims=True)
    return np.concatenate([items, np.sqrt(squares.max() - squares)], axis=1)


def _settings(kind: str, index: Any) -> Iterator[tuple[int, Search]]:
    for number in _PROBES if kind == "faiss-ivf" else _CANDIDATES:
        yield number, _search(kind, index, number)


def _search(kind: str, index: Any, number: int) -> Search:
    if kind == "hnswlib":
        index.set_ef(number)
        index.set_num_threads(1)
    else:
        faiss.omp_set_num_threads(1)
        if kind == "faiss-hnsw":
            index.hnsw.efSearch = number
        else:
            index.nprobe = number

    def search(interests: np.ndarray) -> np.ndarray:
        queries = interests.reshape(-1, interests.shape[-1])
        if kind == "faiss-ivf":
            scores, indices = index.search(queries, TOP)
        else:
            longer = np.pad(queries, [(0, 0), (0, 1)])
            indices, distances = (
                index.knn_query(longer, TOP) if kind == "hnswlib" else reversed(index.search(longer, TOP))
            )
            # A distance is |q|^2 - 2 q e and a constant: half of the difference is comparable between interests.
            scores = ((queries**2).sum(axis=1, keepdims=True) - distances) / 2
        shape = (*interests.shape[:2], TOP)
        return merge(indices.astype(np.int64).reshape(shape), scores.reshape(shape))

    return search


if __name__ == "__main__":
    run(build, load)

"""Recall and CPU of the two indexes on clustered vectors, by the size of the catalogue.

python -m benchmarks.retrieval_index --items 100000 1000000
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from serving.index import ExactIndex, Index, build_index
from serving.index.recall import ann_recall
from serving.settings import IndexSettings

_INTERESTS, _DIMENSION, _K, _EXCLUDED = 4, 64, 100, 50


def clustered(rng: np.random.Generator, centres: np.ndarray, count: int) -> np.ndarray:
    """``count`` vectors around ``centres``, float32 [count, D]."""
    noise = rng.normal(size=(count, centres.shape[1])).astype(np.float32)
    return centres[rng.integers(0, len(centres), count)] + 0.5 * noise


def searcher(index: Index) -> Callable[..., tf.Tensor]:
    """The search as a graph, as a server runs it."""
    return tf.function(lambda interests, mask, excluded: index.search(interests, mask, _K, excluded))


def cpu_ms_per_user(search: Callable[..., tf.Tensor], interests: np.ndarray, repeats: int) -> float:
    """Milliseconds of CPU for one user of a batch, after one call for warming up."""
    batch = len(interests)
    arguments = (
        tf.constant(interests),
        tf.fill(interests.shape[:2], True),
        tf.random.uniform([batch, _EXCLUDED], maxval=1000, dtype=tf.int64),
    )
    search(*arguments)
    start = time.process_time()
    for _ in range(repeats):
        search(*arguments)
    return (time.process_time() - start) / repeats / batch * 1000


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 100_000])
    sizes = parser.parse_args().items
    print(f"K = {_INTERESTS}, D = {_DIMENSION}, top {_K}, {_EXCLUDED} excluded; CPU in ms a user")
    print(f"{'items':>10} {'leaves':>7} {'searched':>8} {'build s':>8} {'recall':>7} ", end="")
    print(f"{'scann B=1':>10} {'B=32':>7} {'exact B=1':>10} {'B=32':>7}")
    for items in sizes:
        rng = np.random.default_rng(0)
        centres = rng.normal(size=(max(items // 200, 10), _DIMENSION)).astype(np.float32)
        vectors, users = clustered(rng, centres, items), clustered(rng, centres, 64 * _INTERESTS)
        users = users.reshape(64, _INTERESTS, _DIMENSION)
        start = time.perf_counter()
        scann = build_index(vectors, IndexSettings())
        seconds, exact = time.perf_counter() - start, ExactIndex(vectors)
        recall = ann_recall(scann, exact, tf.constant(users), tf.fill(users.shape[:2], True), _K)
        times = [
            cpu_ms_per_user(searcher(index), users[:batch], repeats)
            for index, repeats in ((scann, 20), (exact, 3))
            for batch in (1, 32)
        ]
        state = scann.sizes
        print(f"{items:>10,} {state.num_leaves:>7} {state.leaves_to_search:>8} {seconds:>8.1f} {recall:>7.3f} ", end="")
        print(f"{times[0]:>10.2f} {times[1]:>7.2f} {times[2]:>10.2f} {times[3]:>7.2f}")


if __name__ == "__main__":
    main()

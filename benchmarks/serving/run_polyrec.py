"""Our indexes, each in a process of its own: see benchmarks/serving/runner.py."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.serving.measure import Clock, Search
from benchmarks.serving.problem import DIMENSION, INTERESTS, TOP, Problem
from benchmarks.serving.runner import run
from serving.index import ExactIndex, Index, build_index
from serving.index.scann import SAVE_OPTIONS, ScannIndex
from serving.index.tuning import tune
from serving.runtime.servable import Servable
from serving.settings import IndexSettings

_SIGNATURE = "search"


class _Searcher(tf.Module):
    def __init__(self, index: Index) -> None:
        super().__init__()
        self.index = index

    @tf.function(input_signature=[tf.TensorSpec([None, INTERESTS, DIMENSION], name="interests")])
    def search(self, interests: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"indices": self.index.search(interests, tf.ones(tf.shape(interests)[:2], tf.bool), TOP).indices}


def build(kind: str, problem: Problem, target: float, folder: Path) -> dict[str, object]:
    """Builds, finds the sizes for the recall, saves."""
    clock, settings = Clock(), "every item scored"
    if kind == "exact":
        index: Index = ExactIndex(problem.items)
        figures = clock.seconds()
    else:
        index = build_index(problem.items, IndexSettings())
        figures = clock.seconds()
        if isinstance(index, ScannIndex):
            mask = np.ones(problem.interests.shape[:2], bool)
            tune(index, ExactIndex(problem.items), problem.interests, mask, TOP, target)
            sizes = index.sizes
            settings = f"{sizes.num_leaves:,} leaves, {sizes.leaves_to_search} searched, {sizes.reorder} reordered"
    model = _Searcher(index)
    tf.saved_model.save(model, str(folder), signatures={_SIGNATURE: model.search}, options=SAVE_OPTIONS)
    return {**figures, "settings": settings}


def load(kind: str, folder: Path, settings: str) -> Search:
    """As the server loads and runs it."""
    servable = Servable(folder)
    return lambda interests: servable.run(_SIGNATURE, {"interests": interests})["indices"]


if __name__ == "__main__":
    run(build, load)

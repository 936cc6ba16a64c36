"""Training against the processor's clock. Runs in every environment: standard library and NumPy only."""

import argparse
import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks.peers.data import Data

WARM_UP_STEPS = 3
_PREPARED = 16
_USERS = 512


class Model(Protocol):
    """What a library has to offer."""

    def batches(self, batch_size: int) -> Iterator[Any]:
        """Endless training batches, as :meth:`step` wants them: making them is not on the clock."""

    def step(self, batch: Any) -> int:
        """One update, finished when it returns; the number of targets trained."""

    def interests(self, history: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Interests [B, K, D] and which of them are active [B, K] for histories [B, T]."""

    def item_vectors(self) -> np.ndarray:
        """[N, D]."""


@dataclass
class Spent:
    """What training took: the steps alone, neither start-up, data nor checkpoints."""

    cpu: float = 0.0
    wall: float = 0.0
    targets: int = 0
    steps: int = 0

    def run(self, model: Model, batch: Any) -> None:
        """One step on the clock. The CPU time is the whole process's, all threads."""
        wall, cpu = time.perf_counter(), time.process_time()
        targets = model.step(batch)
        self.cpu += time.process_time() - cpu
        self.wall += time.perf_counter() - wall
        self.targets, self.steps = self.targets + targets, self.steps + 1

    def figures(self) -> dict[str, float]:
        """For the report."""
        return {
            "cpu_seconds": self.cpu, "wall_seconds": self.wall, "targets": self.targets, "steps": self.steps,
            "targets_per_cpu_second": self.targets / self.cpu, "targets_per_second": self.targets / self.wall,
        }  # fmt: skip


def measure_speed(model: Model, batch_size: int, seconds: float) -> dict[str, float]:
    """Steps for ``seconds`` of CPU time, after a warm-up, on batches made beforehand."""
    prepared = list(itertools.islice(model.batches(batch_size), _PREPARED))
    for batch in prepared[:WARM_UP_STEPS]:
        model.step(batch)
    spent = Spent()
    for batch in itertools.cycle(prepared):
        spent.run(model, batch)
        if spent.cpu >= seconds:
            return {"batch_size": batch_size} | spent.figures()
    raise AssertionError("an endless loop ended")


def train(model: Model, data: Data, batch_size: int, checkpoints: list[float], directory: Path) -> dict[str, float]:
    """Trains until the last checkpoint; at each, in CPU-seconds, writes interests and item vectors.

    The warm-up's steps train too, off the clock.
    """
    spent, batches, left = Spent(), model.batches(batch_size), sorted(checkpoints)
    for _ in range(WARM_UP_STEPS):
        model.step(next(batches))
    while left:
        batch = next(batches)
        spent.run(model, batch)
        if spent.cpu >= left[0]:
            write_checkpoint(model, data, directory / f"checkpoint-{left.pop(0):g}.npz")
    return {"batch_size": batch_size} | spent.figures()


def write_checkpoint(model: Model, data: Data, path: Path) -> None:
    """``item_vectors`` [N, D], and for each split interests [U, K, D] and their mask [U, K]."""
    arrays = {"item_vectors": model.item_vectors()}
    for split, history in (("valid", data.valid_history), ("test", data.test_history)):
        parts = [model.interests(history[start : start + _USERS]) for start in range(0, len(history), _USERS)]
        arrays[f"{split}_interests"] = np.concatenate([interests for interests, _ in parts])
        arrays[f"{split}_mask"] = np.concatenate([mask for _, mask in parts])
    np.savez(path, **arrays)


def arguments() -> argparse.Namespace:
    """The command line of all three runners."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="Data.save's file.")
    parser.add_argument("--output", type=Path, required=True, help="Folder for figures.json and the checkpoints.")
    parser.add_argument("--model", required=True)
    parser.add_argument("--dimension", type=int, default=64)
    parser.add_argument("--interests", type=int, default=4)
    parser.add_argument("--negatives", type=int, default=1280)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--initial-stddev", type=float, default=0.02, help="Of embeddings, where a peer lets choose.")
    parser.add_argument("--batch-size", type=int, nargs="+", required=True, help="The speed is measured at each.")
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--speed", type=float, help="CPU-seconds of measuring speed.")
    group.add_argument("--checkpoints", type=float, nargs="+", help="CPU-seconds at which to write checkpoints.")
    return parser.parse_args()


def main(build: Callable[[argparse.Namespace, Data], Model], options: argparse.Namespace) -> None:
    """Measures what the command line asks for and writes ``figures.json``: one entry a batch size."""
    data = Data.load(options.data)
    options.output.mkdir(parents=True, exist_ok=True)
    figures = []
    for batch_size in options.batch_size:
        model = build(options, data)
        if options.speed is not None:
            figures.append(measure_speed(model, batch_size, options.speed))
        else:
            figures.append(train(model, data, batch_size, options.checkpoints, options.output))
    (options.output / "figures.json").write_text(json.dumps(figures, indent=1))

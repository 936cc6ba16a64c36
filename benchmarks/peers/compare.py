"""Runs the contestants, and the two tables."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import judge
from benchmarks.peers.contestants import OURS, Contestant
from benchmarks.peers.data import Data

ROOT = Path(__file__).resolve().parents[2]
_ERROR_TAIL = 2000

Figures = dict[str, float]


@dataclass(frozen=True)
class Shape:
    """What is the same for everyone."""

    dimension: int
    interests: int
    negatives: int
    threads: int
    seed: int

    def __str__(self) -> str:
        return (
            f"d {self.dimension}, K {self.interests}, {self.negatives:,} shared log-uniform negatives, "
            f"{self.threads} threads, seed {self.seed}"
        )

    def arguments(self) -> list[str]:
        """For a runner."""
        return [part for name, value in vars(self).items() for part in (f"--{name}", str(value))]


@dataclass(frozen=True)
class Trained:
    """A contestant's training: what it took, and its metrics at each checkpoint (judge.checkpoints)."""

    contestant: Contestant
    figures: Figures
    found: dict[float, dict[str, judge.Metrics]]


def speed(
    contestants: Sequence[Contestant], pythons: Mapping[str, Path], data: Path, work: Path, shape: Shape, seconds: float
) -> list[tuple[Contestant, Figures]]:
    """The figures of each contestant at its fastest batch size."""
    results = []
    for contestant in contestants:
        sizes = ["--batch-size", *map(str, contestant.speed_batches)]
        figures = _run(contestant, pythons, data, work, shape, [*sizes, "--speed", str(seconds)])
        results.append((contestant, max(figures, key=lambda each: each["targets_per_cpu_second"])))
    return results


def recall(
    contestants: Sequence[Contestant], pythons: Mapping[str, Path], data: Data, path: Path, work: Path, shape: Shape,
    budgets: Sequence[float],
) -> list[Trained]:  # fmt: skip
    """Trains each contestant until the largest budget, with checkpoints at each and half-way to it."""
    at = sorted({part for budget in budgets for part in (budget / 2, budget)})
    results = []
    for contestant in contestants:
        settings = [part for name, value in contestant.training.items() for part in (f"--{name}", str(value))]
        checkpoints = ["--checkpoints", *(f"{each:g}" for each in at)]
        (figures,) = _run(contestant, pythons, path, work, shape, [*settings, *checkpoints])
        results.append(Trained(contestant, figures, judge.checkpoints(_folder(work, contestant), data)))
    return results


def speed_table(results: Sequence[tuple[Contestant, Figures]]) -> str:
    """Markdown; the ratio is to the fastest peer of the same family."""
    fastest: dict[str, float] = {}
    for contestant, figures in results:
        if contestant.peer != OURS:
            rate = figures["targets_per_cpu_second"]
            fastest[contestant.family] = max(rate, fastest.get(contestant.family, 0.0))
    lines = [
        "| family | model | batch | targets / CPU-second | targets / second | ratio to the fastest peer |",
        "|---|---|---|---|---|---|",
    ]
    for contestant, figures in results:
        rate, best = figures["targets_per_cpu_second"], fastest.get(contestant.family)
        lines.append(
            f"| {contestant.family} | {contestant.name} | {figures['batch_size']:g} {contestant.unit} | {rate:,.0f} | "
            f"{figures['targets_per_second']:,.0f} | {f'{rate / best:.1f}' if best else '-'} |"
        )
    return "\n".join(lines)


def recall_table(results: Sequence[Trained], budgets: Sequence[float]) -> str:
    """Markdown; % of the test users' mean at the checkpoint that is best on validation within each budget."""
    columns = [f"{metric} after {budget:g} s" for metric in ("R@50", "NDCG@50") for budget in sorted(budgets)]
    lines = [
        "| model | batch | " + " | ".join(columns) + " | targets / CPU-second | wall s |",
        "|---" * (len(columns) + 4) + "|",
    ]
    for trained in results:
        stopped = [judge.best_within(trained.found, budget)[1] for budget in sorted(budgets)]
        cells = [f"{100 * metrics[name]:.2f}" for name in judge.METRICS for metrics in stopped]
        figures, contestant = trained.figures, trained.contestant
        lines.append(
            f"| {contestant.name} | {figures['batch_size']:g} {contestant.unit} | {' | '.join(cells)} | "
            f"{figures['targets_per_cpu_second']:,.0f} | {figures['wall_seconds']:.0f} |"
        )
    return "\n".join(lines)


def _run(
    contestant: Contestant, pythons: Mapping[str, Path], data: Path, work: Path, shape: Shape, options: list[str]
) -> list[Figures]:
    """One process.

    Raises:
      SystemExit: it failed; the end of what it said is in the message.
    """
    output = _folder(work, contestant)
    python = str(pythons[contestant.peer]) if contestant.peer != OURS else sys.executable
    command = [python, "-m", f"benchmarks.peers.{contestant.runner}", "--model", contestant.model]
    command += ["--data", str(data.resolve()), "--output", str(output.resolve()), *shape.arguments(), *options]
    # Ours asks TensorFlow for Keras 2 as a package of its own, which deepmatch's environment does not have.
    environment = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    # Threads that wait in a loop would be charged for their waiting: torch's OpenMP threads do unless told.
    environment |= {"PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE"}
    print(f"{contestant.name} ...", file=sys.stderr, flush=True)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{contestant.name} failed ({' '.join(command)}):\n{done.stderr[-_ERROR_TAIL:]}")
    return json.loads((output / "figures.json").read_text())


def _folder(work: Path, contestant: Contestant) -> Path:
    return work / f"{contestant.peer}-{contestant.model.replace(':', '-')}"

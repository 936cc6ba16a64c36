"""Indexes beside each other: recall, CPU, latency, building, size on disk and memory."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import click

from benchmarks.peers.environments import environment
from benchmarks.serving.problem import TOP, Problem

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = Path(__file__).parent / "requirements-peers.txt"
OURS, PEERS = ("exact", "scann"), ("faiss-ivf", "faiss-hnsw", "hnswlib")
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"
)
_HEAD = (
    "| index | sizes | recall | CPU ms a user, B=1 | B=32 | of exact's CPU, B=1 | B=32 | p50 / p99 ms, B=1 | B=32 | "
    "build s (CPU) | disk MB | memory MB |\n|---|---|" + "---:|" * 10
)

Figures = dict[str, float]


@click.command()
@click.option("--items", multiple=True, type=int, default=(100_000, 1_000_000), show_default=True)
@click.option("--vectors", "kinds", multiple=True, type=click.Choice(["clustered", "trained"]),
              default=("clustered", "trained"), show_default=True)  # fmt: skip
@click.option("--index", "names", multiple=True, type=click.Choice([*OURS, *PEERS]), default=(*OURS, *PEERS))
@click.option(
    "--users",
    default=512,
    show_default=True,
    type=click.IntRange(min=64),
    help="Half to find the sizes on, half to measure.",
)
@click.option("--target", default=0.995, show_default=True, help="Recall, for which every index is tuned.")
@click.option("--root", type=click.Path(path_type=Path), default=Path("runs/serving"), show_default=True)
@click.option("--python", "interpreter", default=sys.executable, help="Makes the environment of faiss and hnswlib.")
@click.option("--again", is_flag=True, help="Build and tune anew; otherwise what is in ROOT is measured.")
def index(
    items: tuple[int, ...],
    kinds: tuple[str, ...],
    names: tuple[str, ...],
    users: int,
    target: float,
    root: Path,
    interpreter: str,
    again: bool,
) -> None:
    """Exact search, ScaNN, faiss and hnswlib on the same vectors, each tuned to the same recall.

    Each index is built in a process of its own, tuned on half of the users, and saved; another process loads and
    measures it on the other half, with one thread.
    """
    python = sys.executable
    if set(names) & set(PEERS):
        python = str(environment("serving-peers", REQUIREMENTS, root / "environments", interpreter))
    for kind in kinds:
        for count in items:
            file = _problem(root, kind, count, users)
            click.echo(f"\n{count:,} items, {kind} vectors, top {TOP}, tuned to recall {target:g}:\n\n{_HEAD}")
            exact: Figures | None = None
            for name in names:
                folder = root / "indexes" / f"{kind}-{count}-{users}-{target:g}" / name
                figures = measured(name, python, file, folder, target, again)
                exact = figures if name == "exact" else exact
                click.echo(row(name, figures, exact))


def measured(
    name: str, python: str, file: Path, folder: Path, target: float, again: bool, seconds: float = 20.0
) -> Figures:
    """What the processes of one index say.

    Args:
      name: of the index.
      python: of the peers' environment.
      file: the problem.
      folder: where the index is kept.
      target: recall.
      again: whether one that is there is built anew.
      seconds: of each measurement.
    """
    if again or not (folder / "built.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _run(name, python, "build", file, folder, target, {})
    return json.loads(_run(name, python, "serve", file, folder, seconds, _ONE_THREAD).splitlines()[-1])


def row(name: str, figures: Figures, exact: Figures | None) -> str:
    """A line of the table."""
    times = [f"{exact[f'cpu_{b}'] / figures[f'cpu_{b}']:.0f} x" if exact else "" for b in (1, 32)]
    latencies = [f"{figures[f'p50_{b}']:.2f} / {figures[f'p99_{b}']:.2f}" for b in (1, 32)]
    cells = [
        name,
        figures["settings"],
        f"{figures['recall']:.4f}",
        *(f"{figures[f'cpu_{b}']:.2f}" for b in (1, 32)),
        *times,
        *latencies,
        f"{figures['build_s']:.0f} ({figures['build_cpu_s']:.0f})",
        *(f"{figures[key]:.0f}" for key in ("disk_mb", "memory_mb")),
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def _problem(root: Path, kind: str, items: int, users: int) -> Path:
    file = root / "vectors" / f"{kind}-{items}-{users}.npz"
    if not file.exists():
        from benchmarks.serving import vectors

        made: Problem = getattr(vectors, kind)(items, users)
        made.save(file)
    return file


def _run(name: str, python: str, task: str, file: Path, folder: Path, number: float, variables: dict[str, str]) -> str:
    module = "benchmarks.serving.run_polyrec" if name in OURS else "benchmarks.serving.run_peers"
    interpreter = sys.executable if name in OURS else python
    command = [interpreter, "-m", module, task, name, str(file), str(folder), str(number)]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(command, check=True, env=variables, stdout=subprocess.PIPE, text=True).stdout

"""Peers beside ours in one run: python -m benchmarks.peers --examples DIR [--checkpoint 15 ...].

DIR is the output of InteractionExampleGen (Split-train, Split-valid, Split-test). Prints two Markdown tables: training
targets per CPU-second on full windows of random items, and recall on the test users after equal CPU time, on the same
windows with the same d, K, T and number of negatives. The peers (torch-rechub, deepmatch) run in environments of
their own, made on the first run. Item identities are all that any model sees.
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click

from benchmarks.baselines import examples_of
from benchmarks.peers.compare import Shape, recall, recall_table, speed, speed_table
from benchmarks.peers.contestants import CONTESTANTS, OURS
from benchmarks.peers.data import from_examples, synthetic
from benchmarks.peers.environments import environment

HERE = Path(__file__).resolve().parent


@click.command(help=__doc__)
@click.option("--examples", type=click.Path(exists=True, file_okay=False, path_type=Path), help="None: speed only.")
@click.option(
    "--cache", type=click.Path(file_okay=False, path_type=Path), default=Path("runs/peers"), show_default=True
)
@click.option("--python", "interpreter", default=sys.executable, help="Makes the environments (3.9 to 3.11).")
@click.option("--checkpoint", "budgets", type=float, multiple=True, default=(15.0, 30.0, 60.0), show_default=True,
              help="CPU-seconds after which recall is reported.")  # fmt: skip
@click.option("--speed-seconds", default=5.0, show_default=True, help="CPU-seconds of each measurement of speed.")
@click.option("--speed-items", default=10_000, show_default=True)
@click.option("--speed-history", default=50, show_default=True, help="T of the measurement of speed.")
@click.option("--dimension", default=64, show_default=True)
@click.option("--interests", default=4, show_default=True)
@click.option("--negatives", default=1280, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--only", multiple=True, help="Only the contestants whose name holds this.")
@click.option("--work", type=click.Path(file_okay=False, path_type=Path), help="Keep what the runners write here.")
def _command(
    examples: Path | None, cache: Path, interpreter: str, budgets: tuple[float, ...], speed_seconds: float,
    speed_items: int, speed_history: int, dimension: int, interests: int, negatives: int, threads: int, seed: int,
    only: tuple[str, ...], work: Path | None,
) -> None:  # fmt: skip
    chosen = [c for c in CONTESTANTS if not only or any(word in c.name for word in only)]
    pythons = {
        peer: environment(peer, HERE / f"requirements-{peer}.txt", cache, interpreter)
        for peer in sorted({c.peer for c in chosen} - {OURS})
    }
    shape = Shape(dimension, interests, negatives, threads, seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        random = folder / "random.npz"
        synthetic(speed_items, speed_history).save(random)
        print(
            f"\nTraining speed: full windows of {speed_history} of {speed_items:,} random items, {shape}.\n", flush=True
        )
        print(speed_table(speed(chosen, pythons, random, folder / "speed", shape, speed_seconds)), flush=True)
        if examples is None:
            return
        data = from_examples(*(examples_of(examples, split) for split in ("train", "valid", "test")))
        windows = folder / "windows.npz"
        data.save(windows)
        print(
            f"\nRecall after equal CPU time: {len(data.history):,} windows with {int((data.targets > 0).sum()):,} "
            f"targets, {data.num_items:,} items, {len(data.test_history):,} test users, T {data.history.shape[1]}, "
            f"{shape}; seen items kept.\n",
            flush=True,
        )
        print(recall_table(recall(chosen, pythons, data, windows, folder / "recall", shape, budgets), budgets))


if __name__ == "__main__":
    _command()

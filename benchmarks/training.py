"""Training speed: python -m benchmarks.training [--seconds 8].

Prints two tables. The first: training targets per CPU-second (user and system time of the whole process, all
threads) with all prefixes of a window in one pass and with one prefix a row. The second: the CPU cost of a step at
10 k, 100 k and 1 M items, which lazy embedding updates keep nearly constant. Data is random: full windows of T items.
"""

import os
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table

from trainer.data.catalogue import Catalogue
from trainer.data.sequences import one_prefix_a_row
from trainer.models import registry
from trainer.training.lazy_adam import LazyAdam

T, DIMENSION, INTERESTS, NEGATIVES = 50, 64, 4, 1280
WINDOWS, PREFIXES = 64, 128


def main(seconds: float, models: tuple[str, ...], read_outs: tuple[str, ...], split_negatives: bool) -> None:
    """Measures and prints."""
    console = Console()
    speed = Table(title=f"Training targets per CPU-second (T {T}, d {DIMENSION}, K {INTERESTS}, {NEGATIVES} negatives)")
    for column in ("model", "read-out", "all prefixes", "one by one", "ratio"):
        speed.add_column(column, justify="left" if column in ("model", "read-out") else "right")
    for name in models:
        for read_out in read_outs if name != "two_tower" else ("-",):
            rates = [
                targets_per_cpu_second(name, read_out, 10_000, every, seconds, split_negatives)[0]
                for every in (True, False)
            ]
            speed.add_row(name, read_out, f"{rates[0]:,.0f}", f"{rates[1]:,.0f}", f"{rates[0] / rates[1]:.1f}")
    console.print(speed)
    cost = Table(title=f"CPU milliseconds of a step ({WINDOWS} windows, all prefixes)")
    for column in ("model", "10 k items", "100 k items", "1 M items", "last / first"):
        cost.add_column(column, justify="left" if column == "model" else "right")
    for name in models:
        steps = [targets_per_cpu_second(name, "hard", n, True, seconds)[1] for n in (10_000, 100_000, 1_000_000)]
        cost.add_row(name, *(f"{1000 * step:.0f}" for step in steps), f"{steps[-1] / steps[0]:.2f}")
    console.print(cost)


def targets_per_cpu_second(
    name: str, read_out: str, items: int, all_prefixes: bool, seconds: float, split_negatives: bool = False
) -> tuple[float, float]:
    """Targets per CPU-second and CPU-seconds a step."""
    settings: dict[str, Any] = {"dimension": DIMENSION} | ({} if name == "two_tower" else {"num_interests": INTERESTS})
    if read_out != "-" and name != "two_tower":
        settings["read_out"] = read_out
    if split_negatives:
        settings["split_negatives"] = True
    catalogue = Catalogue([b""] * items, np.arange(items, 0, -1), np.zeros((items, 0), np.int32), [])
    model = registry.get(name)(registry.settings_class(name)(**settings), catalogue, T, {}, NEGATIVES)
    model.compile(optimizer=LazyAdam(1e-3))
    batches = [_batch(items, all_prefixes, seed) for seed in range(8)]
    step = tf.function(model.train_step, reduce_retracing=True)
    for batch in batches[:3]:
        step(batch)
    count, targets, started = 0, 0, time.process_time()
    while time.process_time() - started < seconds:
        batch = batches[count % len(batches)]
        float(step(batch)["loss"])
        count, targets = count + 1, targets + int(np.count_nonzero(batch["targets"]))
    spent = time.process_time() - started
    return targets / spent, spent / count


def _batch(items: int, all_prefixes: bool, seed: int) -> dict[str, tf.Tensor]:
    """Full windows of log-uniform items; one by one, prefixes of windows, in random order."""
    random = np.random.default_rng(seed)
    rows = WINDOWS if all_prefixes else PREFIXES
    history = np.minimum(np.exp(random.uniform(0, np.log(items), size=(rows, T))).astype(np.int64), items)
    batch = {
        "history": tf.constant(history),
        "history_mask": tf.ones((rows, T), tf.int64),
        "history_gap": tf.zeros((rows, T)),
        "targets": tf.constant(np.roll(history, 1, axis=1)),
    }
    if all_prefixes:
        return batch
    places = random.integers(0, T, size=rows)
    chosen = np.arange(T)[np.newaxis] == places[:, np.newaxis]
    return one_prefix_a_row({**batch, "targets": batch["targets"] * tf.constant(chosen.astype(np.int64))})


@click.command(help=__doc__)
@click.option("--seconds", default=8.0, show_default=True, help="CPU-seconds of each measurement.")
@click.option("--model", "models", multiple=True, default=("two_tower", "comirec_sa"), show_default=True)
@click.option("--read-out", "read_outs", multiple=True, default=("hard", "mixture", "max"), show_default=True)
@click.option("--split-negatives", is_flag=True, help="With read-out mixture, an interest scores a K-th of them.")
def _command(seconds: float, models: tuple[str, ...], read_outs: tuple[str, ...], split_negatives: bool) -> None:
    main(seconds, models, read_outs, split_negatives)


if __name__ == "__main__":
    _command()

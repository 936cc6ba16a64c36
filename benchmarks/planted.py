"""Planted interests: python -m benchmarks.planted [--users 20000 --interactions 600000].

Writes a made-up log whose users have one to four known interests, trains each model as the pipeline does (preset
synthetic, data prepared once a seed), and prints what several vectors a user are worth there, and how well the
interests of the exported model are the planted ones. An interest's vector stands for the category that most of its 20
nearest items have. Of a user, the planted interests with at least two items in the history can be found.

* found: share of the planted interests that some vector stands for;
* true: share of the vectors that stand for a planted interest.

The first row is what can be had: who is told every item's interest lists the items of the history's interests, by the
interest's share in the history times the item's frequency in training.
"""

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
import pyarrow.parquet as pq
from rich.console import Console

from benchmarks.alone import alone
from pipeline.config.run import load, with_absolute_paths
from pipeline.data_sources.synthetic import write
from trainer.analysis.prototypes import mean_cosine

NEAREST = 20
LEAST_ITEMS = 2

Variant = tuple[str, dict[str, str]]


def main(root: Path, users: int, interactions: int, planted: int, seeds: tuple[int, ...], runs: list[Variant]) -> None:
    """Measures and prints."""
    print(f"\n`python -m benchmarks.planted {' '.join(sys.argv[1:])}`\n")
    print("| model | K | R@20 | R@50 | users with 3-4 interests: R@50 | found | true | cosine |")
    print("|---|---|---|---|---|---|---|---|")
    for label, sets in [("planted interests known", {}), *runs]:
        rows = []
        for seed in seeds:
            folder = root / f"{users}-{interactions}-{planted}-{seed}"
            if not (folder / "data" / "interactions.parquet").exists():
                write(
                    folder / "data", users=users, items=5_000, interests=planted, interactions=interactions, seed=seed
                )
            # Training one of the models is also what prepares the data.
            model, examples = _trained(folder, seed, sets or runs[0][1])
            rows.append(_measured(_Log(folder / "data", examples), model if sets else None, model))
        *cells, cosine = zip(*rows, strict=True)
        written = ["" if np.isnan(values).any() else f"{100 * np.mean(values):.2f}{_error(values)}" for values in cells]
        written.append("" if np.isnan(cosine).any() else f"{np.mean(cosine):.2f}")
        print(f"| {label} | {sets.get('model.num_interests', '')} | " + " | ".join(written) + " |", flush=True)
    print(
        f"\n% on test users, seen items kept, mean ± standard error over seeds {', '.join(map(str, seeds))}; the mean "
        "cosine of a user's interests."
    )


def _error(values: tuple[float, ...]) -> str:
    return f" ± {100 * np.std(values, ddof=1) / np.sqrt(len(values)):.2f}" if len(values) > 1 else ""


def _trained(root: Path, seed: int, sets: dict[str, str]) -> tuple[Any, Path]:
    """The exported model and the folder of the examples."""
    from pipeline.runs.run import execute
    from pipeline.terminal.quiet import quiet

    everything = {
        "data.directory": str(root / "data"),
        "pipeline.root": str(root / "runs"),
        "pipeline.name": "planted",
        "training.seed": str(seed),
        **sets,
    }
    config = with_absolute_paths(load("synthetic", [f"{key}={value}" for key, value in everything.items()]))
    log = root / "runs" / "planted" / "log.txt"
    with quiet(log):
        outputs = execute(config, Console(file=sys.stderr), log, deliver=False)
        import tensorflow as tf

        model = tf.saved_model.load(os.path.join(outputs["Trainer"]["model"].uri, "Format-Serving"))
    return model, Path(outputs["InteractionExampleGen"]["examples"].uri)


class _Log:
    """The test users, and what was planted."""

    def __init__(self, data: Path, examples: Path) -> None:
        from benchmarks.baselines import examples_of

        table = pq.read_table(data / "items.parquet")
        self.interest_of = dict(zip(table["item_id"].to_pylist(), table["category"].to_pylist(), strict=True))
        table = pq.read_table(data / "users.parquet")
        self.planted_of = dict(zip(table["user_id"].to_pylist(), table["planted_interests"].to_pylist(), strict=True))
        self.users = examples_of(examples, "test")


def _measured(log: _Log, model: Any, catalogue: Any) -> tuple[float, ...]:
    """Recall@20, Recall@50, that of users with three or four interests, ``found``, ``true``, and the mean cosine.

    Without a model it is the user's planted interests that score.
    """
    import tensorflow as tf

    from benchmarks.baselines import expected_metrics

    ids = [item.decode() for item in catalogue.item_ids.numpy()]
    interest, counts = np.array([log.interest_of[item] for item in ids]), catalogue.item_counts.numpy()
    vectors, row_of = catalogue.item_vectors.numpy(), {item: row for row, item in enumerate(ids)}
    at_20, at_50, of_many, found, true, cosines = ([] for _ in range(6))
    for user, history, targets in log.users:
        planted, wanted = log.planted_of[user.decode()], {item.decode() for item in targets}
        seen = Counter(log.interest_of[item.decode()] for item in history)
        if model is None:
            best = counts * np.array([seen[name] for name in interest])
        else:
            answer = model.encode(tf.constant([history]), tf.zeros((1, len(history)), tf.int64), {})
            interests = answer["interests"][0].numpy()[answer["interest_mask"][0].numpy()]
            scores = interests @ vectors.T
            best = scores.max(axis=0)
            nearest = np.argpartition(-scores, NEAREST, axis=1)[:, :NEAREST]
            meant = {Counter(interest[row]).most_common(1)[0][0] for row in nearest}
            if findable := {name for name in planted if seen[name] >= LEAST_ITEMS}:
                found.append(len(meant & findable) / len(findable))
                true.append(len(meant & set(planted)) / len(meant))
            if len(interests) > 1:
                cosines.append(mean_cosine(interests))
        reached = expected_metrics(best, {row_of.get(item, -1 - n) for n, item in enumerate(wanted)})
        at_20.append(reached["recall_at_20"])
        at_50.append(reached["recall_at_50"])
        of_many += at_50[-1:] if len(planted) >= 3 else []
    return tuple(float(np.mean(values or [np.nan])) for values in (at_20, at_50, of_many, found, true, cosines))


@click.command(help=__doc__)
@click.option("--users", default=20_000, show_default=True)
@click.option("--interactions", default=600_000, show_default=True)
@click.option("--planted", default=50, show_default=True, help="Interests that there are.")
@click.option("--seed", "seeds", multiple=True, type=int, default=(1, 2, 3), show_default=True)
@click.option("--model", "models", multiple=True, default=("two_tower", "comirec_sa"), show_default=True)
@click.option("--interests", "counts", multiple=True, type=int, default=(1, 4), show_default=True, help="K.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE")
@click.option("--root", type=click.Path(path_type=Path), default=Path("runs/planted"), show_default=True)
def _command(
    users: int,
    interactions: int,
    planted: int,
    seeds: tuple[int, ...],
    models: tuple[str, ...],
    counts: tuple[int, ...],
    overrides: tuple[str, ...],
    root: Path,
) -> None:
    extra = dict(override.split("=", 1) for override in overrides)
    variants: list[Variant] = []
    for model in models:
        for k in (1,) if model == "two_tower" else counts:
            variants.append((model, {"model.name": model, "model.num_interests": str(k), **extra}))
    with alone(root):
        main(root, users, interactions, planted, seeds, variants)


if __name__ == "__main__":
    _command()

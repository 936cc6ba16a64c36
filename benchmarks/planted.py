"""Planted interests: python -m benchmarks.planted [--users 20000 --interactions 600000].

Writes a made-up log whose users have one to four known interests, runs the whole pipeline for each model, and prints
what several vectors a user are worth there, and how well the served interests are the planted ones. An interest's
vector stands for the category that most of its 20 nearest items have. Of a user, the planted interests with at least
two items in the history can be found.

* found: share of the planted interests that some vector stands for;
* true: share of the vectors that stand for a planted interest.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
import pyarrow.parquet as pq

from pipeline.data_sources.synthetic import write

NEAREST = 20
LEAST_ITEMS = 2

Variant = tuple[str, dict[str, str]]


def main(root: Path, users: int, interactions: int, seeds: tuple[int, ...], variants: list[Variant]) -> None:
    """Measures and prints."""
    print(f"\n`python -m benchmarks.planted --users {users} --interactions {interactions}`\n")
    print("| model | K | R@20 | R@50 | users with 3-4 interests: R@50 | found | true |")
    print("|---|---|---|---|---|---|---|")
    for label, sets in variants:
        rows = [_measure(root / f"seed-{seed}", label, sets, users, interactions, seed) for seed in seeds]
        cells = [f"{100 * np.mean(values):.2f}{_error(values)}" for values in zip(*rows, strict=True)]
        print(
            f"| {sets['model.name']} | {sets.get('model.num_interests', '1')} | " + " | ".join(cells) + " |", flush=True
        )
    print(f"\n% on test users, seen items kept, mean ± standard error over seeds {', '.join(map(str, seeds))}.")


def _error(values: tuple[float, ...]) -> str:
    return f" ± {100 * np.std(values, ddof=1) / np.sqrt(len(values)):.2f}" if len(values) > 1 else ""


def _measure(root: Path, label: str, sets: dict[str, str], users: int, interactions: int, seed: int) -> list[float]:
    data = root / "data"
    if not (data / "interactions.parquet").exists():
        write(data, users=users, items=5_000, interests=50, interactions=interactions, seed=seed)
    everything = {
        "data.directory": str(data),
        "pipeline.root": str(root / "runs"),
        "pipeline.name": label,
        "serving.directory": str(root / "served"),
        "serving.model_name": label,
        "evaluation.baseline": "false",
        "training.seed": str(seed),
        **sets,
    }
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "run", "synthetic"]
    command += [part for key, value in everything.items() for part in ("--set", f"{key}={value}")]
    subprocess.run(command, check=True, stdout=sys.stderr)
    results = json.loads((root / "runs" / label / "results.json").read_text())
    mixed, found, true = _recovered(Path(results["pushed"]), Path(results["examples"]), data)
    overall = results["model"]["overall"]
    return [overall["recall_at_20"], overall["recall_at_50"], mixed, found, true]


def _recovered(version: Path, examples: Path, data: Path) -> tuple[float, float, float]:
    """Recall@50 of users with three or four planted interests, and the shares ``found`` and ``true``."""
    import tensorflow as tf

    import trainer.keras_api  # noqa: F401  (decides on Keras before TensorFlow is imported)
    from benchmarks.baselines import examples_of

    table = pq.read_table(data / "items.parquet")
    category_of = dict(zip(table["item_id"].to_pylist(), table["category"].to_pylist(), strict=True))
    table = pq.read_table(data / "users.parquet")
    planted_of = dict(zip(table["user_id"].to_pylist(), table["planted_interests"].to_pylist(), strict=True))
    model = tf.saved_model.load(str(version))
    ids = [item.decode() for item in model.item_ids.numpy()]
    categories = np.array([category_of[item] for item in ids])
    vectors = model.index.item_vectors.numpy()
    recalls, found, true = [], [], []
    for user, history, targets in examples_of(examples, "test"):
        items = [item.decode() for item in history]
        wanted = {item.decode() for item in targets}
        inputs = {"history": tf.constant([items]), "history_time": tf.zeros((1, len(items)), tf.int64)}
        answer = model.signatures["user_interests"](**inputs)
        interests = answer["interests"][0].numpy()[answer["interest_mask"][0].numpy()]
        scores = interests @ vectors.T
        nearest = np.argsort(-scores, axis=1)[:, :NEAREST]
        meant = {Counter(categories[row]).most_common(1)[0][0] for row in nearest}
        seen = Counter(category_of[item] for item in items)
        planted = {interest for interest in planted_of[user.decode()] if seen[interest] >= LEAST_ITEMS}
        if planted:
            found.append(len(meant & planted) / len(planted))
            true.append(len(meant & set(planted_of[user.decode()])) / len(meant))
        if len(planted_of[user.decode()]) >= 3:
            best = [ids[row] for row in np.argsort(-scores.max(axis=0))[:50]]
            recalls.append(len(wanted & set(best)) / len(wanted))
    return float(np.mean(recalls)), float(np.mean(found)), float(np.mean(true))


@click.command(help=__doc__)
@click.option("--users", default=20_000, show_default=True)
@click.option("--interactions", default=600_000, show_default=True)
@click.option("--seed", "seeds", multiple=True, type=int, default=(1, 2, 3), show_default=True)
@click.option("--model", "models", multiple=True, default=("two_tower", "comirec_sa"), show_default=True)
@click.option("--interests", "counts", multiple=True, type=int, default=(1, 4), show_default=True, help="K.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE")
@click.option("--root", type=click.Path(path_type=Path), default=Path("runs/planted"), show_default=True)
def _command(
    users: int,
    interactions: int,
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
            sets = {"model.name": model, "model.num_interests": str(k), **extra}
            variants.append((f"{model}-{k}".replace("_", "-"), sets))
    main(root, users, interactions, seeds, variants)


if __name__ == "__main__":
    _command()

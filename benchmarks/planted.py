"""Planted interests: python -m benchmarks.planted [--users 20000 --interactions 600000].

Writes a made-up log whose users have one to four known interests, trains each model as the pipeline does (preset
synthetic, data prepared once a seed), and prints what several vectors a user are worth there, and how well the
interests of the exported model are the planted ones. An interest's vector stands for the category that most of its 20
nearest items have. Of a user, the planted interests with at least two items in the history can be found.

* found: share of the planted interests that some vector stands for;
* true: share of the vectors that stand for a planted interest.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
import pyarrow.parquet as pq
from rich.console import Console

from pipeline.config import load, with_absolute_paths
from pipeline.data_sources.synthetic import write

NEAREST = 20
LEAST_ITEMS = 2

Variant = tuple[str, dict[str, str]]


def main(root: Path, users: int, interactions: int, planted: int, seeds: tuple[int, ...], runs: list[Variant]) -> None:
    """Measures and prints."""
    print(f"\n`python -m benchmarks.planted {' '.join(sys.argv[1:])}`\n")
    print("| model | K | R@20 | R@50 | users with 3-4 interests: R@50 | found | true | cosine |")
    print("|---|---|---|---|---|---|---|---|")
    for label, sets in runs:
        rows = [
            _measure(root / f"{users}-{interactions}-{planted}-{seed}", sets, users, interactions, planted, seed)
            for seed in seeds
        ]
        *cells, cosine = zip(*rows, strict=True)
        written = [f"{100 * np.mean(values):.2f}{_error(values)}" for values in cells]
        written.append("" if np.isnan(cosine).any() else f"{np.mean(cosine):.2f}")
        print(f"| {label} | {sets['model.num_interests']} | " + " | ".join(written) + " |", flush=True)
    print(
        f"\n% on test users, seen items kept, mean ± standard error over seeds {', '.join(map(str, seeds))}; the mean "
        "cosine of a user's interests."
    )


def _error(values: tuple[float, ...]) -> str:
    return f" ± {100 * np.std(values, ddof=1) / np.sqrt(len(values)):.2f}" if len(values) > 1 else ""


def _measure(
    root: Path, sets: dict[str, str], users: int, interactions: int, planted: int, seed: int
) -> tuple[float, ...]:
    """Recall@20, Recall@50, that of users with three or four interests, ``found``, ``true`` and the mean cosine."""
    from pipeline.quiet import quiet
    from pipeline.run import execute

    data = root / "data"
    if not (data / "interactions.parquet").exists():
        write(data, users=users, items=5_000, interests=planted, interactions=interactions, seed=seed)
    everything = {
        "data.directory": str(data),
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
    examples = Path(outputs["InteractionExampleGen"]["examples"].uri)
    return _as_served(model, examples) + _recovered(model, examples, data)


def _as_served(model: Any, examples: Path) -> tuple[float, float]:
    import tensorflow as tf

    files = [str(path) for path in sorted((examples / "Split-test").iterdir())]
    batches = tf.data.TFRecordDataset(files, "GZIP").batch(64)
    parts = [model.evaluate(batch) for batch in batches]
    at_20, at_50 = (np.concatenate([part[f"recall_at_{n}"] for part in parts]).mean() for n in (20, 50))
    return float(at_20), float(at_50)


def _recovered(model: Any, examples: Path, data: Path) -> tuple[float, float, float, float]:
    """Recall@50 of users with three or four planted interests, the shares ``found`` and ``true``, the mean cosine."""
    table = pq.read_table(data / "items.parquet")
    category_of = dict(zip(table["item_id"].to_pylist(), table["category"].to_pylist(), strict=True))
    table = pq.read_table(data / "users.parquet")
    planted_of = dict(zip(table["user_id"].to_pylist(), table["planted_interests"].to_pylist(), strict=True))
    ids = [item.decode() for item in model.item_ids.numpy()]
    categories = np.array([category_of[item] for item in ids])
    vectors = model.item_vectors.numpy()
    recalls, found, true, cosines = [], [], [], []
    for user, items, wanted, interests in _users(model, examples):
        scores = interests @ vectors.T
        nearest = np.argpartition(-scores, NEAREST, axis=1)[:, :NEAREST]
        meant = {Counter(categories[row]).most_common(1)[0][0] for row in nearest}
        seen = Counter(category_of[item] for item in items)
        planted = {interest for interest in planted_of[user] if seen[interest] >= LEAST_ITEMS}
        if planted:
            found.append(len(meant & planted) / len(planted))
            true.append(len(meant & set(planted_of[user])) / len(meant))
        if len(planted_of[user]) >= 3:
            best = {ids[row] for row in np.argpartition(-scores.max(axis=0), 50)[:50]}
            recalls.append(len(wanted & best) / len(wanted))
        if (count := len(interests)) > 1:
            directions = interests / np.linalg.norm(interests, axis=1, keepdims=True)
            cosines.append((np.square(directions.sum(axis=0)).sum() - count) / (count * (count - 1)))
    return float(np.mean(recalls)), float(np.mean(found)), float(np.mean(true)), float(np.mean(cosines or [np.nan]))


def _users(model: Any, examples: Path) -> Iterator[tuple[str, list[str], set[str], np.ndarray]]:
    """User, history, targets and interests [K, D] of every test user."""
    import tensorflow as tf

    from benchmarks.baselines import examples_of

    for user, history, targets in examples_of(examples, "test"):
        answer = model.encode(tf.constant([history]), tf.zeros((1, len(history)), tf.int64), {})
        interests = answer["interests"][0].numpy()[answer["interest_mask"][0].numpy()]
        yield user.decode(), [item.decode() for item in history], {item.decode() for item in targets}, interests


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
    import trainer.keras_api  # noqa: F401  (decides on Keras before TensorFlow is imported)

    extra = dict(override.split("=", 1) for override in overrides)
    variants: list[Variant] = []
    for model in models:
        for k in (1,) if model == "two_tower" else counts:
            variants.append((model, {"model.name": model, "model.num_interests": str(k), **extra}))
    main(root, users, interactions, planted, seeds, variants)


if __name__ == "__main__":
    _command()

"""Pre-training on some shops, fine-tuning on another: python -m benchmarks.transfer TARGET --domain PATH --domain PATH.

TARGET and the domains are folders with interactions.parquet (user_id, item_id, timestamp) and items.parquet (item_id,
text). Prints two Markdown tables. The first: MIRACLE on ids only, with texts from scratch, and from a base model that
was pre-trained on the domains, the latter two with and without embeddings of ids, where a part of the target's training
users is there (validation and test users are the same for all parts). The second: the same models trained without a
tenth of the items; of the test users' targets only those new items count, and all items compete.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console

from benchmarks.alone import alone
from pipeline.config.run import Config, validate, with_absolute_paths

HELD_OUT_ITEMS = 0.1
MODEL = {"name": "miracle", "num_interests": 8}
WAYS: dict[str, dict[str, Any]] = {
    "ids only": {"text": False},
    "texts, from scratch": {},
    "texts, from scratch, no ids": {"item_ids": False},
    "texts, pre-trained": {"base_model": "base"},
    "texts, pre-trained, no ids": {"base_model": "base", "item_ids": False},
}
CUTOFF = 50


def main(
    target: str,
    domains: tuple[str, ...],
    root: str,
    text_model: str | None,
    shares: tuple[float, ...],
    steps: int,
    base_steps: int,
) -> None:
    """Measures and prints."""
    root = os.path.abspath(root)
    text = {"encoder": "transformer", "model": text_model} if text_model else {"encoder": "tfidf"}
    base = _base(domains, root, text, base_steps)
    log, items = (pq.read_table(os.path.join(target, f"{name}.parquet")) for name in ("interactions", "items"))
    training = _training_users(target, root)
    print(f"\n`python -m benchmarks.transfer {' '.join(sys.argv[1:])}`\n")
    print("| Recall@50, seen items kept | " + " | ".join(f"{share:.0%} of training users" for share in shares) + " |")
    print("|---" * (len(shares) + 1) + "|")
    folders = {share: _with_users(log, items, training, share, f"{root}/data/{share}") for share in shares}
    for name, options in WAYS.items():
        cells = [_recall(_train(folders[share], f"part-{share}", options, base, text, root, steps)) for share in shares]
        print(f"| {name} | " + " | ".join(f"{100 * cell:.2f}" for cell in cells) + " |", flush=True)
    new = _held_out(items)
    folder = _without_items(log, items, training, new, f"{root}/data/cold")
    print(
        f"\n| {len(new):,} of {len(items):,} items new | Recall@50 of new items | the most by chance |\n|---|---|---|"
    )
    for name, options in list(WAYS.items())[1:]:
        recall, known = _recall_of_new(_train(folder, "cold", options, base, text, root, steps), new)
        print(f"| {name} | {100 * recall:.2f} | {100 * CUTOFF / known:.2f} |", flush=True)


def _sections(directory: str, name: str, root: str, steps: int) -> dict[str, Any]:
    return {
        # Items are few already; thinning the users must not thin what validation and test can ask for.
        "data": {
            **{"directory": directory, "interactions": "interactions.parquet", "items": "items.parquet"},
            **{"item_columns": {"text": "text"}, "min_item_count": 1, "min_user_count": 2},
        },
        "transform": {"max_history": 20},
        "training": {"batch_size": 128, "max_steps": steps, "evaluate_every": steps // 6, "patience": 2},
        "pipeline": {"name": name, "root": f"{root}/runs"},
    }


def _base(domains: tuple[str, ...], root: str, text: dict[str, Any], steps: int) -> str:
    """The base model's folder; taken as it is if it is there."""
    import yaml

    from pipeline.config.pretraining import load
    from pipeline.runs.pretrain import pretrain

    base = f"{root}/base"
    if not os.path.exists(f"{base}/base.json"):
        tables = {"interactions": "interactions.parquet", "items": "items.parquet", "item_columns": {"text": "text"}}
        sections = _sections("", "pretraining", root, steps)
        sections |= {
            **{"data": {"min_user_count": 5}, "base": base, "model": MODEL, "text": text},
            "domains": {Path(path).name: {**tables, "directory": os.path.abspath(path)} for path in domains},
        }
        file = Path(root, "pretraining.yaml")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(sections))
        pretrain(load(str(file)))
    return base


def _train(
    directory: str, name: str, options: dict[str, Any], base: str, text: dict[str, Any], root: str, steps: int
) -> tuple[Any, str]:
    """The trained model, and the folder of the test examples."""
    from pipeline.runs.run import execute
    from pipeline.terminal.quiet import quiet

    sections = _sections(directory, name, root, steps)
    sections["model"] = {**MODEL, **options, **({"base_model": base} if "base_model" in options else {})}
    if sections["model"].get("text", True):
        sections["text"] = text
    config: Config = with_absolute_paths(validate(sections, "benchmark"))
    log = Path(root, "runs", name, "log.txt")
    with quiet(log):
        outputs = execute(config, Console(file=sys.stderr), log, deliver=False)
        import tensorflow as tf

        model = tf.saved_model.load(os.path.join(outputs["Trainer"]["model"].uri, "Format-Serving"))
    return model, os.path.join(outputs["InteractionExampleGen"]["examples"].uri, "Split-test")


def _recall(trained: tuple[Any, str]) -> float:
    model, folder = trained
    return float(np.mean(np.concatenate([model.evaluate(batch)[f"recall_at_{CUTOFF}"] for batch in _examples(folder)])))


def _recall_of_new(trained: tuple[Any, str], new: set[str]) -> tuple[float, int]:
    """The mean, over users with new items among their targets, of the part of those that is found; and N."""
    import tensorflow as tf

    from benchmarks.baselines import expected_metrics

    model, folder = trained
    row_of = {item.decode(): row for row, item in enumerate(model.item_ids.numpy())}
    vectors, recalls = model.item_vectors.numpy(), []
    spec = {name: tf.io.RaggedFeature(kind) for name, kind in
            (("history", tf.string), ("history_time", tf.int64), ("targets", tf.string))}  # fmt: skip
    for batch in _examples(folder):
        features = tf.io.parse_example(batch, spec)
        encoded = model.encode(features["history"].to_tensor(""), features["history_time"].to_tensor(0), {})
        scores = np.einsum("bkd,nd->bkn", encoded["interests"], vectors)
        scores = np.where(encoded["interest_mask"].numpy()[:, :, np.newaxis], scores, -np.inf).max(axis=1)
        for row, targets in zip(scores, features["targets"].to_list(), strict=True):
            wanted = {target.decode() for target in targets} & new
            if wanted:
                places = {row_of.get(item, -1 - number) for number, item in enumerate(wanted)}
                recalls.append(expected_metrics(row, places, (CUTOFF,))[f"recall_at_{CUTOFF}"])
    return float(np.mean(recalls)), len(row_of)


def _examples(folder: str) -> Any:
    import tensorflow as tf

    files = [str(path) for path in sorted(Path(folder).iterdir())]
    return tf.data.TFRecordDataset(files, compression_type="GZIP").batch(64)


def _training_users(target: str, root: str) -> list[str]:
    """The users that the split by hash puts into training."""
    import apache_beam as beam
    import tensorflow as tf

    from components.ingestion.flow import ingest_interactions
    from components.settings import DataSettings

    out = Path(root, "data", "split")
    shutil.rmtree(out, ignore_errors=True)
    settings = DataSettings(**_sections(os.path.abspath(target), "", root, 6)["data"])
    options = beam.options.pipeline_options.PipelineOptions(["--direct_running_mode=in_memory"])
    ingest_interactions(settings, 20, str(out), lambda: beam.Pipeline(options=options))
    files = [str(path) for path in (out / "Split-train").iterdir()]
    users = set()
    for batch in tf.data.TFRecordDataset(files, compression_type="GZIP").batch(4096):
        found = tf.io.parse_example(batch, {"user_id": tf.io.FixedLenFeature([], tf.string)})["user_id"]
        users |= {user.decode() for user in found.numpy()}
    return sorted(users)


def _with_users(log: pa.Table, items: pa.Table, training: list[str], share: float, folder: str) -> str:
    """The log without all but a share of the training users."""
    left_out = np.random.default_rng(0).permutation(training)[max(1, round(share * len(training))) :]
    kept = log.filter(pc.invert(pc.is_in(log["user_id"], pa.array(left_out.tolist(), pa.string()))))
    return _write(kept, items, folder)


def _held_out(items: pa.Table) -> set[str]:
    ids = np.array(items["item_id"].to_pylist())
    return set(np.random.default_rng(1).choice(ids, round(HELD_OUT_ITEMS * len(ids)), replace=False).tolist())


def _without_items(log: pa.Table, items: pa.Table, training: list[str], new: set[str], folder: str) -> str:
    """The log without the training users' interactions with new items."""
    of_training = pc.is_in(log["user_id"], pa.array(training, pa.string()))
    with_new = pc.is_in(log["item_id"], pa.array(sorted(new), pa.string()))
    return _write(log.filter(pc.invert(pc.and_(of_training, with_new))), items, folder)


def _write(log: pa.Table, items: pa.Table, folder: str) -> str:
    # Left alone where it is the same: a file written again would count as new data.
    os.makedirs(folder, exist_ok=True)
    for name, table in (("interactions", log), ("items", items)):
        path = os.path.join(folder, f"{name}.parquet")
        if not os.path.exists(path) or not pq.read_table(path).equals(table):
            pq.write_table(table, path)
    return folder


@click.command(help=__doc__)
@click.argument("target")
@click.option("--domain", "domains", multiple=True, required=True, metavar="PATH")
@click.option("--root", default="runs/transfer", show_default=True, help="Where the runs and the base model are kept.")
@click.option("--text-model", help="Of Hugging Face, a folder or a name; wants a ROOT of its own. Default: words, SVD.")
@click.option("--share", "shares", multiple=True, type=float, default=(0.01, 0.1, 1.0), show_default=True)
@click.option("--steps", default=600, show_default=True, help="Of fine-tuning, at most.")
@click.option("--base-steps", default=1500, show_default=True, help="Of pre-training.")
def _command(**options: Any) -> None:
    with alone(Path(options["root"])):
        main(**options)


if __name__ == "__main__":
    _command()

"""Memory of training: python -m benchmarks.memory [--items 1000000 --users 1000000].

Runs the training loop (trainer.training.loop: steps, validation, checkpoints, best weights) over a made-up log that is
streamed from TFRecord files, one window a user, and prints the peak of the process's resident memory.
"""

import os
import resource
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
import tensorflow as tf

from trainer.data.catalogue import Catalogue
from trainer.data.sequences import evaluation_dataset, training_dataset
from trainer.models import registry
from trainer.settings import TrainingSettings
from trainer.training.loop import fit

T, DIMENSION, WRITTEN_AT_ONCE = 50, 64, 10_000
SPEC = {
    "history": tf.io.FixedLenFeature([T], tf.int64),
    "history_mask": tf.io.FixedLenFeature([T], tf.int64),
    "history_gap": tf.io.FixedLenFeature([T], tf.float32),
    "targets": tf.io.VarLenFeature(tf.int64),
}


def main(name: str, items: int, users: int, steps: int) -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory() as folder:
        files = {split: os.path.join(folder, split) for split in ("train", "valid")}
        _write(files["train"], items, users)
        _write(files["valid"], items, 500)
        before = _peak()
        catalogue = Catalogue([b""] * items, np.arange(items, 0, -1), np.zeros((items, 0), np.int32), [])
        settings = TrainingSettings(max_steps=steps, evaluate_every=steps // 2)
        model_settings = registry.settings_class(name)(name=name, dimension=DIMENSION)
        model = registry.get(name)(model_settings, catalogue, T, {}, settings.num_negatives, settings.seed)
        started = time.monotonic()
        report = fit(
            model,
            training_dataset([files["train"]], SPEC, settings.batch_size, settings.seed),
            evaluation_dataset([files["valid"]], SPEC, 64),
            settings,
            os.path.join(folder, "state"),
        )
        print("| model | items | users | steps | GiB before | peak GiB | s |\n|---|---|---|---|---|---|---|")
        print(
            f"| {name} | {items:,} | {users:,} | {report.steps} | {before:.2f} | {_peak():.2f} | "
            f"{time.monotonic() - started:.0f} |"
        )


def _write(path: str, items: int, users: int) -> None:
    random = np.random.default_rng(1)
    with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions("GZIP", compression_level=1)) as writer:
        for start in range(0, users, WRITTEN_AT_ONCE):
            rows = min(WRITTEN_AT_ONCE, users - start)
            drawn = np.minimum(np.exp(random.uniform(0, np.log(items), size=(rows, T + 1))).astype(np.int64), items)
            for row in drawn:
                values = {"history": row[:-1], "history_mask": np.ones(T, np.int64), "targets": row[1:]}
                features = {key: tf.train.Feature(int64_list={"value": value}) for key, value in values.items()}
                features["history_gap"] = tf.train.Feature(float_list={"value": np.zeros(T)})
                writer.write(tf.train.Example(features={"feature": features}).SerializeToString())


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


@click.command(help=__doc__)
@click.option("--model", default="comirec_sa", show_default=True)
@click.option("--items", default=1_000_000, show_default=True)
@click.option("--users", default=1_000_000, show_default=True)
@click.option("--steps", default=200, show_default=True)
def _command(model: str, items: int, users: int, steps: int) -> None:
    main(model, items, users, steps)


if __name__ == "__main__":
    _command()

"""One vector or several under other settings, on validation users: python -m benchmarks.defaults --data DIRECTORY.

Reads, cuts and trains with the product's own functions, but in memory and without TFX, so that a setting is tried in
the time that its training takes. DIRECTORY holds the folders of benchmarks/retrieval/configs and ``lastfm``; only the
log is read, no categories. Prints one Markdown row a training; --override is for settings of any section. --rankings
adds what the trained weights give when items are ranked by log-sum-exp over interests instead of by their maximum.
"""

import itertools
import os
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
import pandas as pd
import pyarrow as pa
import tensorflow as tf

from components.ingestion.cut.partition import ORDER, USER
from components.ingestion.cut.sequences import ITEM, NANOSECONDS, TIME, Sequences, group_by_user
from components.ingestion.cut.windows import Windows, cut
from components.settings import DataSettings
from pipeline.config.run import load
from trainer.data import schema
from trainer.data.catalogue import Catalogue
from trainer.data.sequences import evaluation_dataset, training_dataset
from trainer.metrics.ranking import rank_metrics
from trainer.models import registry
from trainer.models.retrieval.base import RetrievalModel
from trainer.ranking.fair_ranking import fair_ranking, kept, of_kept
from trainer.training.loop import Fitting
from trainer.training.validation import Validator

LOGS = {
    **dict.fromkeys(("amazon_beauty", "amazon_toys", "amazon_sports", "lastfm"), ("interactions.parquet", None)),
    "movielens_latest_small": ("ratings.csv", ["userId", "movieId", "timestamp"]),
}
VALIDATED = 64
RANKINGS, COMPARED = ("max", "log_sum_exp"), (50, 500)


@dataclass(frozen=True)
class Log:
    """What training reads.

    Attributes:
      files: split -> TFRecord file of transformed examples.
      spec: how they are parsed.
      catalogue: the items of the training split.
      users: split -> number of users.
      targets: number of training targets.
    """

    files: dict[str, str]
    spec: dict[str, Any]
    catalogue: Catalogue
    users: dict[str, int]
    targets: int


def prepare(log: pd.DataFrame, settings: DataSettings, max_history: int, folder: str) -> Log:
    """Sequences, windows and a vocabulary as ingestion and Transform make them."""
    counts = log[ITEM].value_counts()
    kept = pa.array(counts.index[counts >= settings.min_item_count], pa.string())
    events = pa.RecordBatch.from_arrays(
        [
            pa.array(log[USER], pa.string()),
            pa.array(np.arange(len(log))),
            pa.array(log[ITEM], pa.string()),
            pa.array(log[TIME].to_numpy(np.int64)),
            pa.array(np.zeros(len(log), np.int32)),
        ],
        names=[USER, ORDER, ITEM, TIME, NANOSECONDS],
    )
    sequences, _ = group_by_user(events, kept, settings.min_user_count, settings.max_user_events)
    windows, _ = cut(sequences.offsets, sequences.hashes, settings, max_history)
    seen = np.zeros(len(sequences.items), bool)
    for start, end in zip(windows[schema.TRAIN_SPLIT].start, windows[schema.TRAIN_SPLIT].end, strict=True):
        seen[start:end] = True
    frequency = np.bincount(sequences.items[seen], minlength=len(sequences.item_ids))
    order = np.argsort(-frequency, kind="stable")[: np.count_nonzero(frequency)]
    number = np.zeros(len(frequency), np.int64)
    number[order] = 1 + np.arange(len(order))
    files = {name: os.path.join(folder, name) for name in windows}
    for name, part in windows.items():
        _write(files[name], part, sequences, number, max_history)
    spec = {
        schema.HISTORY: tf.io.FixedLenFeature([max_history], tf.int64),
        schema.HISTORY_MASK: tf.io.FixedLenFeature([max_history], tf.int64),
        schema.HISTORY_GAP: tf.io.FixedLenFeature([max_history], tf.float32),
        schema.USER: tf.io.FixedLenFeature([1], tf.int64),
        schema.TARGETS: tf.io.VarLenFeature(tf.int64),
    }
    ids = [str(row).encode() for row in order]
    catalogue = Catalogue(ids, frequency[order], np.zeros((len(order), 0), np.int32), [])
    train = windows[schema.TRAIN_SPLIT]
    users = {name: len(np.unique(part.user)) for name, part in windows.items()}
    return Log(files, spec, catalogue, users, int(np.sum(train.end - train.target)))


def _write(path: str, windows: Windows, sequences: Sequences, number: np.ndarray, max_history: int) -> None:
    training = os.path.basename(path) == schema.TRAIN_SPLIT
    with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions("GZIP", compression_level=1)) as writer:
        for row in range(len(windows)):
            window = windows.take(slice(row, row + 1))
            past = number[sequences.items[window.start[0] : window.stop[0]]]
            past = past[past > 0][-max_history:]
            targets = number[sequences.items[window.target[0] : window.end[0]]]
            unknown = -2 - sequences.items[window.target[0] : window.end[0]].astype(np.int64)
            history = np.zeros(max_history, np.int64)
            history[: len(past)] = past
            values = {
                schema.HISTORY: history,
                schema.HISTORY_MASK: (history > 0).astype(np.int64),
                schema.USER: window.user,
                schema.TARGETS: targets if training else np.where(targets > 0, targets, unknown),
            }
            features = {name: tf.train.Feature(int64_list={"value": value}) for name, value in values.items()}
            features[schema.HISTORY_GAP] = tf.train.Feature(float_list={"value": np.zeros(max_history)})
            writer.write(tf.train.Example(features={"feature": features}).SerializeToString())


def read(data: Path, name: str) -> pd.DataFrame:
    """The log of a data set: user, item and time."""
    file, columns = LOGS[name]
    path = data / name / file
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    frame = frame[columns or ["user_id", "item_id", "timestamp"]]
    frame.columns = [USER, ITEM, TIME]
    return frame.astype({USER: str, ITEM: str})


@click.command(help=__doc__)
@click.option("--data", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--set", "data_sets", multiple=True, type=click.Choice(list(LOGS)), default=list(LOGS))
@click.option("--model", "models", multiple=True, default=("two_tower",), show_default=True)
@click.option("--seed", "seeds", multiple=True, type=int, default=(1,), show_default=True)
@click.option("--override", "changes", multiple=True, metavar="KEY=VALUE")
@click.option("--test", is_flag=True, help="Print the test users' Recall@50 as well.")
@click.option("--rankings", is_flag=True, help="Compare both values of model.ranking, paired over validation users.")
@click.option("--verbose", is_flag=True, help="Every validation to stderr.")
def main(
    data: Path,
    data_sets: tuple[str, ...],
    models: tuple[str, ...],
    seeds: tuple[int, ...],
    changes: tuple[str, ...],
    test: bool,
    rankings: bool,
    verbose: bool,
) -> None:
    """The command."""
    if verbose:
        import logging

        logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
        logging.getLogger("polyrec.progress").setLevel(logging.INFO)
    head = ["data set", "model", "seed", "temperature", "validation R@50", *(["test R@50"] if test else [])]
    head += ["best step", "steps", "targets", "training CPU s"]
    head += (
        [*(f"{what} R@{n}" for n in COMPARED for what in (*RANKINGS, "difference in")), *RANKINGS] if rankings else []
    )
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for name, seed, model in itertools.product(data_sets, seeds, models):
        row = measure(data, name, model, seed, changes, test, rankings)
        print("| " + " | ".join(row) + " |", flush=True)


def measure(
    data: Path, name: str, model: str, seed: int, changes: tuple[str, ...], test: bool, rankings: bool
) -> list[str]:
    """Trains once: the cells of a row."""
    from trainer.training.temperature import train_at_the_best

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "configuration.yaml")
        file.write_text(f"data: {{interactions: log}}\nmodel: {{name: {model}}}\n")
        overrides = [f"data.split.seed={seed}", f"training.seed={seed}", *changes]
        config = load(str(file), overrides)
        training, max_history, given = config.training, config.transform.max_history, config.model
        log = prepare(read(data, name), config.data, max_history, folder)

        def fitting(temperature: float) -> Fitting:
            settings = given.model_copy(update={"temperature": temperature})
            built: Any = registry.get(model)(
                settings, log.catalogue, max_history, {}, training.num_negatives, training.seed
            )
            batches = training_dataset(
                [log.files[schema.TRAIN_SPLIT]], log.spec, training.batch_size, training.seed, training.all_prefixes,
                training.sampling == "users",
            )  # fmt: skip
            state, title = os.path.join(folder, f"state-{temperature}"), f"{name} {model} {temperature:g}"
            return Fitting(built, batches, held_out(schema.VALID_SPLIT), training, state, title=title)

        def held_out(split: str) -> tf.data.Dataset:
            return evaluation_dataset([log.files[split]], log.spec, VALIDATED)

        temperatures = given.temperatures  # type: ignore[attr-defined]
        done, choice = train_at_the_best(fitting, temperatures, training, f"{name} {model}")
        report = done.finish()
        cells = [name, model, str(seed), f"{choice.temperature:g}", f"{100 * report.best:.2f}"]
        if test:
            cells.append(f"{100 * Validator(done.model).evaluate(held_out(schema.TEST_SPLIT))['recall_at_50']:.2f}")
        cells += [str(report.best_step), str(report.steps), f"{report.targets:,}", f"{report.training_cpu_seconds:.0f}"]
        cells += _rankings(done.model, held_out(schema.VALID_SPLIT)) if rankings else []
    return cells


def _rankings(model: RetrievalModel, validation: tf.data.Dataset) -> list[str]:
    """Recall by each ranking, the model choosing for each what it chooses after training, and their difference.

    The difference is that of the same users, with its standard error over them. What was chosen stands last.
    """
    found: dict[tuple[str, int], np.ndarray] = {}
    choices = []
    for ranking in RANKINGS:
        model.settings = model.settings.model_copy(update={"ranking": ranking})
        validator = Validator(model)
        evaluated = partial(_watched, validator, validation)
        chosen = model.choose_after_training(evaluated, 0, validator.title)
        choices.append(", ".join(f"{name} {value:g}" for name, value in chosen.items()) or "-")
        for n, values in _recalls(model, validation).items():
            found[ranking, n] = 100 * values
    cells = []
    for n in COMPARED:
        both = [found[ranking, n] for ranking in RANKINGS]
        gain = both[1] - both[0]
        cells += [f"{values.mean():.2f}" for values in both]
        cells.append(f"{gain.mean():+.2f} +- {gain.std(ddof=1) / np.sqrt(len(gain)):.2f}")
    return cells + choices


def _watched(validator: Validator, validation: tf.data.Dataset) -> float:
    return validator.evaluate(validation)[validator.watched]


def _recalls(model: RetrievalModel, batches: tf.data.Dataset) -> dict[int, np.ndarray]:
    """Recall of each user by cut-off."""
    columns, parts = of_kept(kept(model.num_items, model.candidates)), []
    for batch in batches:
        encoding, targets = model.encode_last(batch), batch[schema.TARGETS]
        users = encoding.interests[:, 0], encoding.interest_mask[:, 0]
        ranking = fair_ranking(
            *users, model.num_items, columns, targets, max(COMPARED), temperature=model.ranking_temperature
        )
        parts.append(rank_metrics(ranking.better, ranking.tied, targets, COMPARED))
    return {n: np.concatenate([part[f"recall_at_{n}"] for part in parts]) for n in COMPARED}


if __name__ == "__main__":
    main()

"""A real Transform of a small log, shared by the tests of the trainer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

from trainer.data.preprocessing import preprocessing_fn

RAW_SPEC = {
    "user_id": tf.io.VarLenFeature(tf.string),
    "history": tf.io.VarLenFeature(tf.string),
    "history_time": tf.io.VarLenFeature(tf.int64),
    "history_overlap": tf.io.VarLenFeature(tf.int64),
    "targets": tf.io.VarLenFeature(tf.string),
    "user_job": tf.io.VarLenFeature(tf.string),
    "user_age": tf.io.VarLenFeature(tf.float32),
}
USER_FEATURES = {"job": "categorical", "age": "numeric"}


@dataclass
class Transformed:
    """Where things are, and the transformed training rows as a list of dicts."""

    output: tft.TFTransformOutput
    train_files: list[str]
    valid_files: list[str]
    rows: list[dict[str, Any]]


def raw(user: str, history: str, targets: str, overlap: int = 0, job: str = "", age: float | None = None) -> dict:
    """One raw example; a letter is an item, events are a second, two seconds, ... apart."""
    times = [n * (n + 1) // 2 for n in range(len(history))]
    return {
        "user_id": [user.encode()],
        "history": [item.encode() for item in history],
        "history_time": times,
        "history_overlap": [overlap],
        "targets": [item.encode() for item in targets],
        "user_job": [job.encode()] if job else [],
        "user_age": [] if age is None else [age],
    }


def raw_impression(
    user: str, item: str, history: str, targets: str = "", job: str = "", age: float | None = None, **labels: Any
) -> dict:
    """One raw example of an impression; ``labels`` are pairs task=(label, weight)."""
    row = raw(user, history, targets, job=job, age=age) | {"item": [item.encode()]}
    del row["history_overlap"]
    for task, (label, weight) in labels.items():
        row |= {f"label_{task}": [float(label)], f"weight_{task}": [float(weight)]}
    return row


def raw_spec(labels: Sequence[str] = ()) -> dict[str, Any]:
    """The raw features of users' sequences, or with ``labels`` of impressions."""
    if not labels:
        return RAW_SPEC
    spec = {name: kind for name, kind in RAW_SPEC.items() if name != "history_overlap"}
    names = [f"{kind}_{task}" for task in labels for kind in ("label", "weight")]
    return {**spec, "item": tf.io.VarLenFeature(tf.string), **dict.fromkeys(names, tf.io.VarLenFeature(tf.float32))}


def transform(
    directory: Path, train: list[dict], valid: list[dict], max_history: int, labels: Sequence[str] = ()
) -> Transformed:
    """Runs Transform on Beam and writes what TFX's component would."""
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(raw_spec(labels)))
    config = {"transform": {"max_history": max_history}, "user_features": USER_FEATURES, "labels": list(labels)}
    with tft_beam.Context(temp_dir=str(directory / "tmp")):
        (rows, transformed_metadata), transform_fn = (train, metadata) | tft_beam.AnalyzeAndTransformDataset(
            lambda inputs: preprocessing_fn(inputs, config)
        )
        valid_rows, _ = ((valid, metadata), transform_fn) | tft_beam.TransformDataset()
        transform_fn | tft_beam.WriteTransformFn(str(directory / "graph"))
    metadata_io.write_metadata(metadata, str(directory / "graph" / tft.TFTransformOutput.RAW_METADATA_DIR))
    coder = tft.coders.ExampleProtoCoder(transformed_metadata.schema)
    files = {}
    for split, split_rows in (("train", rows), ("valid", valid_rows)):
        files[split] = str(directory / f"{split}.gz")
        with tf.io.TFRecordWriter(files[split], "GZIP") as writer:
            for row in split_rows:
                writer.write(coder.encode(row))
    output = tft.TFTransformOutput(str(directory / "graph"))
    return Transformed(output, [files["train"]], [files["valid"]], rows)


def serialized(rows: list[dict], labels: Sequence[str] = ()) -> list[bytes]:
    """Raw rows as serialized tf.Examples."""
    coder = tft.coders.ExampleProtoCoder(schema_utils.schema_from_feature_spec(raw_spec(labels)))
    return [coder.encode(row) for row in rows]

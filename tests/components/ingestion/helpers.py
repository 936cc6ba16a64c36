"""Small logs on disk, real ingestion of them, and their examples read back with TensorFlow."""

from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions

from components.ingestion.files.report import Report
from components.ingestion.flow import ingest_interactions
from components.settings import DataSettings

Example = dict[str, list[Any]]

EVERYTHING = {"min_item_count": 1, "min_user_count": 2, "min_history": 1}


def write_log(
    path: Path, rows: list[tuple[Any, Any, Any]], names: tuple[str, str, str] = ("user_id", "item_id", "timestamp")
) -> Path:
    columns = [list(column) for column in zip(*rows, strict=True)]
    pq.write_table(pa.table(dict(zip(names, columns, strict=True))), path)
    return path


def log_of(sequences: dict[str, str]) -> list[tuple[str, str, int]]:
    """User -> one letter an item, in the order of time."""
    return [(user, item, 100 + place) for user, items in sequences.items() for place, item in enumerate(items)]


def settings_for(directory: Path, **values: Any) -> DataSettings:
    return DataSettings.model_validate(
        {"directory": str(directory), "interactions": "log.parquet", **EVERYTHING, **values}
    )


def ingest(settings: DataSettings, out: Path, max_history: int = 50, *beam_args: str) -> Report:
    options = PipelineOptions(list(beam_args) or ["--direct_running_mode=in_memory", "--direct_num_workers=1"])
    return ingest_interactions(settings, max_history, str(out), lambda: beam.Pipeline(options=options))


def examples(out: Path, split: str) -> list[Example]:
    """The examples of a split, features as plain lists (bytes decoded)."""
    found = []
    for path in sorted((out / f"Split-{split}").iterdir()):
        for record in tf.data.TFRecordDataset(str(path), "GZIP").as_numpy_iterator():
            features = tf.train.Example.FromString(record).features.feature
            found.append({name: _values(feature) for name, feature in features.items()})
    return found


def _values(feature: tf.train.Feature) -> list[Any]:
    kind = feature.WhichOneof("kind")
    values = list(getattr(feature, kind).value)
    return [value.decode() for value in values] if kind == "bytes_list" else values


def of_user(found: list[Example], user: str) -> list[Example]:
    """The examples of one user, by the first time in them."""
    return sorted((e for e in found if e["user_id"] == [user]), key=lambda e: e["history_time"])

"""Examples of impressions in TFX's own statistics, schema and validation, and in the gate behind them."""

from pathlib import Path

import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tfx.components.example_validator.executor import Executor as Validator
from tfx.components.schema_gen.executor import Executor as SchemaGen
from tfx.components.statistics_gen.executor import Executor as Statistics
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import io_utils

from components.ingestion.cut.hashing import SPLITS
from components.nodes.data_gate import DataGate
from components.validation.anomalies import anomalies_in_words
from tests.components.artifacts import execute
from tests.components.ingestion.helpers import ingest
from tests.components.ingestion.impression_helpers import impressions_of
from trainer.errors import GateRefused


def artifact(kind, folder: Path):
    made = kind()
    made.uri = str(folder)
    return made


def validated(folder: Path, often: bool, schema=None):
    """Ingests a log of which one of eight impressions was clicked, or all but one, and validates it."""
    folder.mkdir()
    rows = [
        (
            f"u{user}",
            "abcdefgh"[(user + time) % 8],
            time,
            ((user + time) % 8 == 5) != often,
            float(1 + (user * time) % 5),
        )
        for user in range(60)
        for time in range(8)
    ]
    ingest(impressions_of(folder, rows), folder / "examples")
    examples = artifact(standard_artifacts.Examples, folder / "examples")
    examples.split_names = artifact_utils.encode_split_names(list(SPLITS))
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(examples, "tfrecords_gzip")
    statistics = artifact(standard_artifacts.ExampleStatistics, folder / "statistics")
    all_splits = {"exclude_splits": "[]"}
    Statistics().Do({"examples": [examples]}, {"statistics": [statistics]}, dict(all_splits))
    if schema is None:
        schema = artifact(standard_artifacts.Schema, folder / "schema")
        SchemaGen().Do({"statistics": [statistics]}, {"schema": [schema]}, {**all_splits, "infer_feature_shape": 0})
    anomalies = artifact(standard_artifacts.ExampleAnomalies, folder / "anomalies")
    Validator().Do({"statistics": [statistics], "schema": [schema]}, {"anomalies": [anomalies]}, dict(all_splits))
    return statistics, schema, anomalies


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    return validated(tmp_path_factory.mktemp("validation") / "first", often=False)


def accept(folder: Path, statistics, schema, anomalies, previous=None):
    accepted = artifact(standard_artifacts.ExampleStatistics, folder)
    inputs = {"statistics": [statistics], "schema": [schema], "anomalies": [anomalies]}
    inputs["previous"] = [previous] if previous else []
    execute(DataGate, inputs, {"accepted": [accepted]}, {"max_drift": 0.3})
    return accepted


def test_every_feature_has_a_type_and_no_anomaly(first):
    """Also ``targets``, of which no training example has any, and ``history``, which may be empty."""
    _, schema, anomalies = first
    found = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema.uri))
    types = {feature.name: feature.type for feature in found.feature}
    labels = [f"{kind}_{task}" for kind in ("label", "weight") for task in ("click", "conversion")]
    assert types == {
        **dict.fromkeys(["user_id", "item", "history", "history_bucket", "targets"], schema_pb2.BYTES),
        "history_time": schema_pb2.INT,
        **dict.fromkeys(labels, schema_pb2.FLOAT),
    }
    buckets = next(domain for domain in found.string_domain if domain.name == "history_bucket")
    assert "000" in buckets.value
    for split in SPLITS:
        found = Path(anomalies.uri, f"Split-{split}", "SchemaDiff.pb").read_bytes()
        assert anomalies_in_words(split, anomalies_pb2.Anomalies.FromString(found)) == []


def test_the_gate_accepts_them_and_sees_that_clicks_became_frequent(first, tmp_path):
    statistics, schema, anomalies = first
    accepted = accept(tmp_path / "accepted", statistics, schema, anomalies)
    accept(tmp_path / "again", statistics, schema, anomalies, accepted)
    later = validated(tmp_path / "later", often=True, schema=schema)
    with pytest.raises(GateRefused, match="label_click"):
        accept(tmp_path / "refused", *later, accepted)

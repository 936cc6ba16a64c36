"""A schema that was frozen on one day, held by TFDV and the gate against the data of another."""

import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.example_validator.executor import Executor as Validator
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import io_utils

from components.nodes.data_gate import DataGate
from components.nodes.data_schema import CuratedSchema, InferredSchema
from tests.components.artifacts import execute
from trainer.errors import GateRefused


def statistics_of(longest, bucket, items="i", plans=("free", "paid"), ages=(20.0, 60.0), users=60, **columns):
    """Statistics of users with histories of up to ``longest`` items, all in one bucket."""
    lengths = [3 + row % (longest - 2) for row in range(users)]
    frame = pd.DataFrame(
        {
            "user_id": [f"u{row}" for row in range(users)],
            "history": [[f"{items}{n}" for n in range(length)] for length in lengths],
            "history_time": [list(range(length)) for length in lengths],
            "history_bucket": [bucket] * users,
            "targets": [[f"{items}{n}" for n in range(length // 2 + 1)] for length in lengths],
            "user_plan": [plans[row % len(plans)] for row in range(users)],
            "user_age": [ages[row % len(ages)] for row in range(users)],
            **columns,
        }
    )
    return tfdv.generate_statistics_from_dataframe(frame)


DAY_1 = {"longest": 8, "bucket": "005-009"}
DAY_2 = {"longest": 40, "bucket": "020-049", "items": "new"}


@pytest.fixture
def run(tmp_path):
    """Statistics and schema file through the components; the previous statistics are those of the first call."""
    count, accepted = 0, []

    def artifact(kind, splits=()):
        nonlocal count
        count += 1
        made = kind()
        made.uri = str(tmp_path / str(count))
        if splits:
            made.split_names = artifact_utils.encode_split_names(list(splits))
        return made

    def go(statistics, schema_file=None, max_drift=None):
        held = artifact(standard_artifacts.ExampleStatistics, ["train"])
        io_utils.write_bytes_file(f"{held.uri}/Split-train/FeatureStats.pb", statistics.SerializeToString())
        schema = artifact(standard_artifacts.Schema)
        if schema_file is None:
            execute(InferredSchema, {"statistics": [held]}, {"schema": [schema]})
        else:
            execute(CuratedSchema, {}, {"schema": [schema]}, {"schema_file": str(schema_file)})
        anomalies = artifact(standard_artifacts.ExampleAnomalies)
        Validator().Do({"statistics": [held], "schema": [schema]}, {"anomalies": [anomalies]}, {})
        inputs = {"statistics": [held], "schema": [schema], "anomalies": [anomalies], "previous": accepted[:1]}
        result = artifact(standard_artifacts.ExampleStatistics)
        execute(DataGate, inputs, {"accepted": [result]}, {"max_drift": max_drift})
        accepted.append(result)
        return f"{schema.uri}/schema.pbtxt"

    return go


@pytest.fixture
def edited(tmp_path):
    """A schema file as TFDV infers it from the first day, changed by ``change(feature name -> Feature, Schema)``."""

    def write(change=lambda features, schema: None):
        schema = tfdv.infer_schema(statistics_of(**DAY_1), infer_feature_shape=False)
        features = {feature.name: feature for feature in schema.feature}
        for name in ("history", "history_time"):  # which it does for some distributions of lengths, and not for others
            features[name].value_count.min, features[name].value_count.max = 3, 8
        change(features, schema)
        path = tmp_path / "edited.pbtxt"
        path.write_text(text_format.MessageToString(schema))
        return path

    return write


def test_the_inferred_schema_can_be_frozen(run):
    frozen = run(statistics_of(**DAY_1))
    run(statistics_of(**DAY_2), frozen)
    # Of values that an inferred schema has seen, it says nothing: another is growth.
    run(statistics_of(**DAY_2, plans=("free", "gold"), ages=(10.0, 99.0)), frozen)


def test_a_schema_that_was_frozen_as_tfdv_infers_it_survives(run, edited):
    file = edited()
    bounds = text_format.Parse(file.read_text(), schema_pb2.Schema())
    assert any(f.name == "history" and f.value_count.max == 8 for f in bounds.feature)
    assert any(domain.name == "history_bucket" for domain in bounds.string_domain)
    run(statistics_of(**DAY_1), file)
    run(statistics_of(**DAY_2), file)


def test_what_is_structural_stays_strict(run, edited):
    file = edited()
    for columns, words in (
        ({"ages": ("young", "old")}, "user_age: .*Expected data of type: FLOAT but got STRING"),
        ({"plans": ("free", None)}, "feature user_plan: Column dropped"),
        ({"user_country": ["jp"] * 60}, "feature user_country: New column.*describe it in validation.schema_path"),
    ):
        with pytest.raises(GateRefused, match=words):
            run(statistics_of(**DAY_1, **columns), file)


def test_domains_that_somebody_wrote_are_kept(run, edited):
    def write(features, schema):
        del features["user_plan"].string_domain.value[:]
        features["user_plan"].string_domain.value.append("free")
        features["user_age"].float_domain.max = 50
        features["history_time"].int_domain.max = 100

    file = edited(write)
    with pytest.raises(GateRefused) as error:
        run(statistics_of(**DAY_2), file)
    assert "user_plan: Unexpected string values" in str(error.value)
    assert "add them to the feature's domain in validation.schema_path" in str(error.value)
    assert "user_age: Out-of-range values" in str(error.value)
    assert "history" not in str(error.value)
    run(statistics_of(**DAY_2, plans=("free",), ages=(20.0, 30.0)), file)
    with pytest.raises(GateRefused, match="history_time: Out-of-range values"):
        run(statistics_of(150, "050+", plans=("free",), ages=(20.0,), users=160), file)


def test_longer_histories_are_no_drift_and_shorter_ones_are(run):
    frozen = run(statistics_of(20, "010-019"))
    run(statistics_of(40, "020-049"), frozen, max_drift=0.3)
    with pytest.raises(GateRefused, match="feature history_bucket: drift"):
        run(statistics_of(8, "005-009"), frozen, max_drift=0.3)


def test_outliers_are_told(run, caplog):
    with caplog.at_level("WARNING", "polyrec.progress"):
        run(statistics_of(**DAY_1, ages=tuple(map(float, range(60)))))
        assert not caplog.records
        run(statistics_of(**DAY_1, ages=(*map(float, range(59)), 1e30)))
    (record,) = caplog.records
    assert "profile feature 'age': values from 0 to 1e+30" in record.getMessage()
    assert "are outliers and clipped to these bounds" in record.getMessage()


def test_a_column_is_named_as_it_is_spelt(run, edited):
    columns = {"user_Age_x0020_Group": ["old"] * 60}
    with pytest.raises(GateRefused, match=r"feature user_Age_x0020_Group \(column 'Age Group'\): New column"):
        run(statistics_of(**DAY_1, **columns), edited())

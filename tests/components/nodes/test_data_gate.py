"""The gate on statistics and anomalies that TFDV itself computed."""

import numpy as np
import pandas as pd
import pytest
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0.statistics_pb2 import DatasetFeatureStatisticsList
from tfx.components.example_validator.executor import Executor as Validator
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import io_utils

from components.nodes.data_gate import DataGate
from tests.components.artifacts import execute
from trainer.errors import GateRefused, InputError


def _statistics(prefix="i", ages=30.0, buckets=("001-004", "005-009")):
    numbers = np.random.default_rng(3)
    return tfdv.generate_statistics_from_dataframe(
        pd.DataFrame(
            {
                "history": [f"{prefix}{n}" for n in numbers.zipf(1.5, 3000) % 500],
                "history_bucket": numbers.choice(buckets, 3000),
                "history_time": numbers.integers(0, 100, 3000),
                "user_age": numbers.normal(ages, 5.0, 3000),
            }
        )
    )


@pytest.fixture
def gate(tmp_path):
    """Runs the gate as TFX does: ``gate(statistics, schema, previous artifact or None) -> accepted artifact``."""
    count = 0

    def artifact(kind, splits=None):
        nonlocal count
        count += 1
        result = kind()
        result.uri = str(tmp_path / f"{kind.TYPE_NAME}-{count}")
        if splits:
            result.split_names = artifact_utils.encode_split_names(splits)
        return result

    def run(statistics, schema, previous=None, max_drift=0.3, **other_splits):
        splits = {"train": statistics, **other_splits}
        inputs = {
            "statistics": [artifact(standard_artifacts.ExampleStatistics, list(splits))],
            "schema": [artifact(standard_artifacts.Schema)],
            "anomalies": [artifact(standard_artifacts.ExampleAnomalies)],
            "previous": [previous] if previous else [],
        }
        for split, content in splits.items():
            file = f"{inputs['statistics'][0].uri}/Split-{split}/FeatureStats.pb"
            io_utils.write_bytes_file(file, content.SerializeToString())
        io_utils.write_pbtxt_file(inputs["schema"][0].uri + "/schema.pbtxt", schema)
        Validator().Do(
            {"statistics": inputs["statistics"], "schema": inputs["schema"]}, {"anomalies": inputs["anomalies"]}, {}
        )
        accepted = artifact(standard_artifacts.ExampleStatistics)
        execute(DataGate, inputs, {"accepted": [accepted]}, {"max_drift": max_drift})
        return accepted

    return run


def test_good_data_passes_and_becomes_what_the_next_is_compared_with(gate):
    statistics = _statistics()
    schema = tfdv.infer_schema(statistics)
    accepted = gate(statistics, schema)
    assert tfdv.load_stats_binary(f"{accepted.uri}/Split-train/FeatureStats.pb") == statistics
    gate(statistics, schema, accepted)


def test_an_anomaly_is_refused_in_words(gate):
    schema = tfdv.infer_schema(_statistics())
    with pytest.raises(GateRefused, match=r"split train, feature history_bucket: Unexpected string values.*050\+"):
        gate(_statistics(buckets=("001-004", "050+")), schema)


def test_a_missing_feature_is_refused(gate):
    schema = tfdv.infer_schema(_statistics())
    schema.feature.add(name="user_country", type="BYTES").presence.min_fraction = 1.0
    with pytest.raises(GateRefused, match="feature user_country: Column dropped"):
        gate(_statistics(), schema)


def test_a_split_of_which_nothing_was_sampled_is_an_error_in_words(gate):
    statistics, nothing = _statistics(), DatasetFeatureStatisticsList(datasets=[{}])
    schema = tfdv.update_schema(tfdv.infer_schema(statistics), nothing)
    with pytest.raises(InputError, match=r"no statistics of split test: .* Raise validation.statistics_sample_rate"):
        gate(statistics, schema, test=nothing)


def test_a_feature_that_the_schema_takes_out_of_use_is_refused(gate):
    statistics, without = _statistics(), tfdv.generate_statistics_from_dataframe(pd.DataFrame({"history": ["i1"]}))
    schema = tfdv.update_schema(tfdv.infer_schema(statistics), without)
    with pytest.raises(GateRefused, match=r"feature user_age: the schema marks it as deprecated.*sample_rate") as error:
        gate(statistics, schema, test=without)
    assert "feature history:" not in str(error.value)


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ({"prefix": "j"}, "feature history: drift. The Jensen-Shannon divergence .* is 1.000"),
        ({"ages": 60.0}, "feature user_age: drift. .* allows 0.3"),
    ],
)
def test_drift_is_refused_and_null_allows_it(gate, now, words):
    before = _statistics()
    schema = tfdv.infer_schema(before)
    schema.ClearField("string_domain")
    for feature in schema.feature:
        feature.ClearField("domain_info")
    accepted = gate(before, schema)
    with pytest.raises(GateRefused, match=words):
        gate(_statistics(**now), schema, accepted)
    gate(_statistics(**now), schema, accepted, max_drift=None)

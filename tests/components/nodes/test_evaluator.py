"""A model that TFX's Evaluator blesses has to gain enough over the single vector as well."""

import os

import pytest
import tensorflow as tf
from tensorflow_model_analysis.proto import validation_result_pb2
from tfx.components.evaluator.executor import Executor
from tfx.types import standard_artifacts
from tfx.utils import io_utils, json_utils

from components.evaluation.paired import Comparison, Paired
from components.nodes.evaluator import ModelEvaluatorExecutor
from tests.components.artifacts import artifact

GAINED, TOO_LOW = "recall_at_50_over_baseline", "recall_at_50 is 0.2100, and at least 0.3 is wanted."
GAIN = Comparison(50, 4, {"all": {"recall_at_50": Paired(50, 0.21, 0.2, 0.01, 0.004)}})


def _blesses(blessed):
    def do(self, input_dict, output_dict, exec_properties):
        blessing = output_dict["blessing"][0]
        blessing.set_int_custom_property("blessed", int(blessed))
        io_utils.write_string_file(os.path.join(blessing.uri, "BLESSED" if blessed else "NOT_BLESSED"), "")
        verdict = validation_result_pb2.ValidationResult(validation_ok=blessed)
        if not blessed:
            failure = verdict.metric_validations_per_slice.add().failures.add()
            failure.metric_key.name = "recall_at_50"
            failure.metric_value.double_value.value = 0.21
            failure.metric_threshold.value_threshold.lower_bound.value = 0.3
        file = os.path.join(output_dict["evaluation"][0].uri, "validations.tfrecord")
        with tf.io.TFRecordWriter(file) as writer:
            writer.write(verdict.SerializeToString())

    return do


@pytest.mark.parametrize(
    ("thresholds", "by_tfx", "blessed", "reason"),
    [
        ({}, True, True, None),
        ({"recall_at_50_over_baseline": 0.01}, True, True, None),
        ({"recall_at_50_over_baseline": 0.011}, True, False, f"{GAINED} misses the 0.011 of evaluation.thresholds."),
        ({"recall_at_50_over_baseline": 0.01}, False, False, TOO_LOW),
        ({"recall_at_50_over_baseline": 0.02}, False, False, f"{TOO_LOW} {GAINED} misses the 0.02 of evaluation.thr"),
    ],
)
def test_the_blessing(thresholds, by_tfx, blessed, reason, tmp_path, monkeypatch):
    # What TFX's own executor does is held by test_evaluation.py; here it is what it has decided.
    monkeypatch.setattr(Executor, "Do", _blesses(by_tfx))
    blessing = artifact(standard_artifacts.ModelBlessing, tmp_path / "blessing")
    evaluation = artifact(standard_artifacts.ModelEvaluation, tmp_path / "evaluation")
    comparison = artifact(standard_artifacts.ModelEvaluation, tmp_path / "comparison")
    io_utils.write_string_file(os.path.join(comparison.uri, "comparison.json"), GAIN.to_json())
    ModelEvaluatorExecutor().Do(
        {"comparison": [comparison]},
        {"blessing": [blessing], "evaluation": [evaluation]},
        {"over_baseline": json_utils.dumps(thresholds)},
    )
    assert blessing.get_int_custom_property("blessed") == int(blessed)
    assert os.listdir(blessing.uri) == ["BLESSED" if blessed else "NOT_BLESSED"]
    found = blessing.get_string_custom_property("reason")
    assert found.startswith(reason) if reason else not found

import pytest
from google.protobuf import text_format
from tensorflow_model_analysis.proto import validation_result_pb2

from components.evaluation.over_baseline import Missed
from components.evaluation.paired import Paired
from components.settings import EvaluationSettings
from pipeline.results.evaluator_refusals import refusals, too_little_gained

VALUE = """
metric_validations_per_slice { failures {
  metric_key { name: "recall_at_20" } metric_threshold { value_threshold { lower_bound { value: 0.2 } } }
  metric_value { double_value { value: 0.125 } } } }
"""
CHANGE = """
metric_validations_per_slice { failures {
  metric_key { name: "recall_at_50" is_diff: true } metric_value { double_value { value: -0.05 } }
  metric_threshold { change_threshold { relative { value: -0.1 } } } } }
"""
MISSING = """
metric_validations_per_slice { failures { metric_key { name: "ndcg_at_20" } message: "Metric not found." } }
missing_slices {}
"""


@pytest.mark.parametrize(
    ("verdict", "settings", "words"),
    [
        (VALUE, {"thresholds": {"recall_at_20": 0.2}}, ["is 0.1250, and evaluation.thresholds wants at least 0.2."]),
        (VALUE, {}, ["recall_at_20 is 0.1250: no test user gets a right item"]),
        (CHANGE, {"max_regression": 0.1}, ["recall_at_50 is 0.1500, 25.0% below the 0.2000", "allows 10.0%"]),
        (MISSING, {}, ["ndcg_at_20: Metric not found.", "no example in the test split"]),
        ("", {}, ["gave no reason"]),
    ],
)
def test_a_refusal_says_what_was_measured_and_what_was_wanted(verdict, settings, words):
    message = text_format.Parse(verdict, validation_result_pb2.ValidationResult())
    said = " ".join(refusals(message, {"recall_at_50": 0.2}, EvaluationSettings(**settings)))
    for part in words:
        assert part in said


def test_too_small_a_gain_says_how_sure_it_is():
    missed = [
        Missed("recall_at_50_over_baseline", 0.005, Paired(97, 0.2021, 0.2, 0.0021, 0.0043)),
        Missed("ndcg_at_50_focused_over_baseline", 0.0, None),
    ]
    assert too_little_gained(missed) == [
        "recall_at_50_over_baseline is 0.0021 ± 0.0043 (0.2021 against 0.2000 of the baseline, 97 users), and "
        "evaluation.thresholds wants at least 0.005.",
        "ndcg_at_50_focused_over_baseline: no test user has a value, and evaluation.thresholds wants at least 0.",
    ]

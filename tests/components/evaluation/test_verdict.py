"""A verdict's failures as sentences."""

from google.protobuf import text_format
from tensorflow_model_analysis.proto import validation_result_pb2

from components.evaluation.verdict import verdict_in_words

VERDICT = """
metric_validations_per_slice {
  failures {
    metric_key { name: "popularity_share" }
    metric_threshold { value_threshold { upper_bound { value: 0.5 } } }
    metric_value { double_value { value: 0.625 } }
  }
  failures {
    metric_key { name: "auc" output_name: "click" }
    metric_threshold { value_threshold { lower_bound { value: 0.6 } } }
    metric_value { double_value { value: 0.5 } }
  }
  failures {
    metric_key { name: "recall_at_50" }
    metric_threshold { change_threshold { absolute { value: -0.01 } } }
    metric_value { double_value { value: -0.04 } }
  }
  failures { metric_key { name: "ndcg_at_50" } message: "Metric not found. " }
}
missing_slices {}
"""


def test_a_sentence_each():
    verdict = text_format.Parse(VERDICT, validation_result_pb2.ValidationResult())
    assert verdict_in_words(verdict) == [
        "popularity_share is 0.6250, and at most 0.5 is wanted.",
        "auc_click is 0.5000, and at least 0.6 is wanted.",
        "recall_at_50 changed by -0.0400 against the model blessed last, more than is allowed.",
        "ndcg_at_50: Metric not found.",
        "There is no example in the test split to evaluate.",
    ]
    assert verdict_in_words(validation_result_pb2.ValidationResult(validation_ok=True)) == []

"""A model that TFX's Evaluator blesses has to gain enough over the single vector as well."""

import os

import pytest
from tfx.components.evaluator.executor import Executor
from tfx.types import standard_artifacts
from tfx.utils import io_utils, json_utils

from components.evaluation.paired import Comparison, Paired
from components.nodes.evaluator import ModelEvaluatorExecutor
from tests.components.artifacts import artifact

GAIN = Comparison(50, 4, {"all": {"recall_at_50": Paired(50, 0.21, 0.2, 0.01, 0.004)}})


def _blesses(blessed):
    def do(self, input_dict, output_dict, exec_properties):
        blessing = output_dict["blessing"][0]
        blessing.set_int_custom_property("blessed", int(blessed))
        io_utils.write_string_file(os.path.join(blessing.uri, "BLESSED" if blessed else "NOT_BLESSED"), "")

    return do


@pytest.mark.parametrize(
    ("thresholds", "by_tfx", "blessed"),
    [
        ({}, True, True),
        ({"recall_at_50_over_baseline": 0.01}, True, True),
        ({"recall_at_50_over_baseline": 0.011}, True, False),
        ({"recall_at_50_over_baseline": 0.01}, False, False),
    ],
)
def test_the_blessing(thresholds, by_tfx, blessed, tmp_path, monkeypatch):
    # What TFX's own executor does is held by test_evaluation.py; here it is what it has decided.
    monkeypatch.setattr(Executor, "Do", _blesses(by_tfx))
    blessing = artifact(standard_artifacts.ModelBlessing, tmp_path / "blessing")
    comparison = artifact(standard_artifacts.ModelEvaluation, tmp_path / "comparison")
    io_utils.write_string_file(os.path.join(comparison.uri, "comparison.json"), GAIN.to_json())
    ModelEvaluatorExecutor().Do(
        {"comparison": [comparison]}, {"blessing": [blessing]}, {"over_baseline": json_utils.dumps(thresholds)}
    )
    assert blessing.get_int_custom_property("blessed") == int(blessed)
    assert os.listdir(blessing.uri) == ["BLESSED" if blessed else "NOT_BLESSED"]

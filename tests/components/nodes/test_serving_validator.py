"""The ServingValidator's blessing is one that TFX's Pusher reads, and says why."""

import json
import os

import numpy as np
import pytest
from tfx.components.util import model_utils
from tfx.types import standard_artifacts

from components.nodes.serving_validator import ServingValidator
from serving.settings import ServingSettings
from tests.components.artifacts import artifact, examples_artifact, execute, toy_artifacts


@pytest.mark.parametrize(
    ("settings", "blessed", "reason"),
    [
        ({}, True, "All checks passed."),
        ({"max_latency_ms": 1e-6}, False, "Median milliseconds of one user's query"),
    ],
)
def test_the_blessing_says_yes_or_why_not(settings, blessed, reason, tmp_path):
    model, bundle = toy_artifacts(tmp_path)
    histories = np.random.default_rng(0).integers(0, 300, size=(6, 12))
    examples = examples_artifact(tmp_path / "examples", histories)
    blessing = artifact(standard_artifacts.InfraBlessing, tmp_path / "blessing")
    serving = ServingSettings(default_k=5, validation_users=4, **settings)
    execute(
        ServingValidator,
        {"model": [model], "bundle": [bundle], "examples": [examples]},
        {"blessing": [blessing]},
        {"serving": serving.model_dump_json()},
    )
    assert model_utils.is_infra_validated(blessing) is blessed
    assert reason in blessing.get_string_custom_property("reason")
    with open(os.path.join(blessing.uri, "report.json")) as file:
        report = json.load(file)
    assert report["blessed"] is blessed
    assert [check["passed"] for check in report["checks"]].count(False) == (0 if blessed else 1)
    marker = "INFRA_BLESSED" if blessed else "INFRA_NOT_BLESSED"
    assert sorted(os.listdir(blessing.uri)) == [marker, "report.json"]


def test_an_empty_test_split_is_refused(tmp_path):
    model, bundle = toy_artifacts(tmp_path)
    blessing = artifact(standard_artifacts.InfraBlessing, tmp_path / "blessing")
    execute(
        ServingValidator,
        {"model": [model], "bundle": [bundle], "examples": [examples_artifact(tmp_path / "examples", [[]])]},
        {"blessing": [blessing]},
        {"serving": ServingSettings().model_dump_json()},
    )
    assert not model_utils.is_infra_validated(blessing)
    assert "the test split is empty" in blessing.get_string_custom_property("reason")

"""Reads the results of a run from its artifacts."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import tensorflow_model_analysis as tfma

from components.evaluation.over_baseline import missed, over_baseline
from components.evaluation.paired import FILE as COMPARISON
from components.evaluation.paired import Comparison
from components.evaluation.paired import read as read_comparison
from components.nodes.pusher import UNCHANGED
from components.nodes.serving_validator import REPORT
from components.settings import EvaluationSettings
from pipeline.engines.local import Output, Outputs
from pipeline.graph.component_code import BASELINE_EVALUATOR
from pipeline.results.evaluator_refusals import metric_name, refusals, too_little_gained

Metrics = Mapping[str, float]


@dataclass(frozen=True)
class Evaluation:
    """Metrics of a model on the test split.

    Attributes:
      overall: metric -> mean over the users who have it, left out where none has; ``example_count`` is their number.
      slices: length of the history -> the same of those users.
    """

    overall: Metrics
    slices: Mapping[str, Metrics]


@dataclass(frozen=True)
class RunResult:
    """The end of a run.

    Attributes:
      model: of the trained model.
      baseline: of the two-tower beside it, if one was trained.
      blessed_before: of the model that was blessed last, if there was one.
      refusals: why the Evaluator does not bless the model, in words; empty if it does.
      serving_blessed: whether serving validation passed.
      serving_reason: why not, or that it did.
      pushed: the version folder, or None.
      unchanged: whether that version was there already, the same to the byte.
      comparison: of the model and the two-tower, paired by user, if one was trained.
      family: name of the model's family.
    """

    model: Evaluation
    baseline: Evaluation | None
    blessed_before: Evaluation | None
    refusals: list[str]
    serving_blessed: bool
    serving_reason: str
    pushed: str | None
    unchanged: bool
    comparison: Comparison | None = None
    family: str = field(kw_only=True)


def read(outputs: Outputs, settings: EvaluationSettings, family: str) -> RunResult:
    """Reads the result of a run that went through.

    Args:
      outputs: of :func:`pipeline.engines.local.run`.
      settings: of the evaluation, to explain refusals.
      family: name of the model's family.
    """
    evaluation = outputs["Evaluator"]["evaluation"]
    models = _evaluations(evaluation)
    baseline = outputs.get(BASELINE_EVALUATOR, {}).get("evaluation")
    blessed = outputs["Evaluator"]["blessing"].properties.get("blessed") == 1
    before = models.get("baseline")
    compared = outputs.get("Comparison", {}).get("comparison")
    comparison = read_comparison(str(Path(compared.uri) / COMPARISON)) if compared else None
    why = []
    if not blessed:
        verdict = tfma.load_validation_result(evaluation.uri)
        if comparison is not None:
            why = too_little_gained(missed(comparison, over_baseline(settings.thresholds)))
        if not (why and verdict.validation_ok):
            why = refusals(verdict, before.overall if before else None, settings) + why
    serving = json.loads((Path(outputs["ServingValidator"]["blessing"].uri) / REPORT).read_text())
    return RunResult(
        model=models["candidate"],
        baseline=_evaluations(baseline)["candidate"] if baseline else None,
        blessed_before=before,
        refusals=why,
        serving_blessed=serving["blessed"],
        serving_reason=serving["reason"],
        pushed=pushed_version(outputs["Pusher"]["pushed_model"]),
        unchanged=outputs["Pusher"]["pushed_model"].properties.get(UNCHANGED) == 1,
        comparison=comparison,
        family=family,
    )


def pushed_version(pushed_model: Output) -> str | None:
    """The version folder that the Pusher wrote, or None if it refused."""
    if pushed_model.properties.get("pushed") != 1:
        return None
    return str(pushed_model.properties["pushed_destination"])


def _evaluations(evaluation: Output) -> dict[str, Evaluation]:
    """By role, ``candidate`` and ``baseline`` (the model blessed last)."""
    specs = json.loads((Path(evaluation.uri) / "eval_config.json").read_text())["evalConfig"]["modelSpecs"]
    names = {"baseline" if spec.get("isBaseline") else "candidate": spec.get("name", "") for spec in specs}
    return {role: _evaluation(evaluation.uri, name) for role, name in names.items()}


def _evaluation(uri: str, model_name: str) -> Evaluation:
    by_slice = {}
    for key, metrics in tfma.load_eval_result(uri, model_name=model_name).slicing_metrics:
        name = ",".join(str(value) for _, value in key)
        values = {
            metric_name(metric, output): float(value["doubleValue"])
            for output, by_class in metrics.items()
            for metric, value in by_class[""].items()
        }
        by_slice[name] = {metric: value for metric, value in values.items() if not math.isnan(value)}
    return Evaluation(by_slice.pop(""), dict(sorted(by_slice.items())))

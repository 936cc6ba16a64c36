"""Reasons why the Evaluator refused a model, as sentences."""

import math
from collections.abc import Mapping, Sequence

from tensorflow_model_analysis.proto import validation_result_pb2

from components.evaluation.over_baseline import Missed
from components.evaluation.retrieval import LEAST_GATE_VALUE
from components.evaluation.tag_profiles import AUC
from components.settings import EvaluationSettings


def metric_name(metric: str, output: str) -> str:
    """The name of a metric in thresholds and results: ``auc`` of the output ``click`` is ``auc_click``."""
    return f"{metric}_{output}" if output else metric


def refusals(
    verdict: validation_result_pb2.ValidationResult,
    blessed: Mapping[str, float] | None,
    settings: EvaluationSettings,
) -> list[str]:
    """A sentence for every threshold that was missed.

    Args:
      verdict: of the Evaluator.
      blessed: metrics of the model that was blessed last, if there is one.
      settings: the thresholds.
    """
    sentences = []
    for per_slice in verdict.metric_validations_per_slice:
        for failure in per_slice.failures:
            key, value = failure.metric_key, failure.metric_value.double_value.value
            name = metric_name(key.name, key.output_name)
            if failure.message:
                sentences.append(f"{name}: {failure.message.strip()}")
            elif failure.metric_threshold.HasField("change_threshold"):
                sentences.append(_regression(name, value, (blessed or {}).get(name, 0.0), settings))
            else:
                upper = failure.metric_threshold.value_threshold.HasField("upper_bound")
                sentences.append((_too_high if upper else _too_low)(name, value, settings))
    if verdict.missing_slices:
        sentences.append("There is no example in the test split to evaluate.")
    return sentences or ["The Evaluator refused the model and gave no reason; see the log."]


def too_little_gained(misses: Sequence[Missed]) -> list[str]:
    """A sentence for every threshold on the difference to the baseline that was missed."""
    return [
        f"{miss.name}: no test user has a value, and evaluation.thresholds wants at least {miss.least:g}."
        if miss.found is None
        else f"{miss.name} is {miss.found.difference:.4f}"
        f"{'' if miss.found.error is None else f' ± {miss.found.error:.4f}'} "
        f"({miss.found.model:.4f} against {miss.found.baseline:.4f} of the baseline, {miss.found.users:,} users), and "
        f"evaluation.thresholds wants at least {miss.least:g}."
        for miss in misses
    ]


def _too_high(name: str, value: float, settings: EvaluationSettings) -> str:
    if math.isnan(value):
        return f"{name}: no test user has a value, and evaluation.thresholds wants one."
    return f"{name} is {value:.4f}, and evaluation.thresholds wants at most {settings.thresholds[name]:g}."


def _too_low(name: str, value: float, settings: EvaluationSettings) -> str:
    if math.isnan(value):
        return f"{name}: no test user has a value, and a threshold wants one."
    if name not in settings.thresholds:
        nothing = "nothing was learned" if name.startswith(AUC) else "no test user gets a right item"
        return f"{name} is {value:.4f}: {nothing} (at least {LEAST_GATE_VALUE:g} is wanted)."
    return f"{name} is {value:.4f}, and evaluation.thresholds wants at least {settings.thresholds[name]:g}."


def _regression(name: str, difference: float, before: float, settings: EvaluationSettings) -> str:
    change = f"{abs(difference / before):.1%}" if before else "an unknown part"
    side = "above" if difference > 0 else "below"
    return (
        f"{name} is {before + difference:.4f}, {change} {side} the {before:.4f} of the model that was blessed last; "
        f"evaluation.max_regression allows {settings.max_regression or 0:.1%}."
    )

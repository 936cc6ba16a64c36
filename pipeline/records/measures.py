"""Counts, metrics and verdicts of a run, as its record keeps them."""

from collections.abc import Mapping
from typing import Any

from components.evaluation.paired import EVERYBODY, HISTORY, Paired
from components.ingestion.files.report import has_report, read_report, rows_used
from pipeline.engines.local import Output
from pipeline.families.base import Family
from pipeline.families.lookup import FAMILIES
from pipeline.records.record import Data, Gate, Metric
from pipeline.results.run_result import Evaluation, Metrics, RunResult
from trainer.metrics.table import POPULARITY, of_all_users

_COUNT = "example_count"
_AGAINST_BLESSED = "_diff"
"""Suffix of TFMA for the difference to the model that was blessed last."""

_NOTHING: Metrics = {}


def facts(result: RunResult) -> dict[str, Any]:
    """Fields of :class:`pipeline.records.record.RunRecord`, and ``unchanged``."""
    family = FAMILIES[result.family]
    pairs = result.comparison.slices if result.comparison else {}
    by_history = {
        name: _metrics(metrics, _of_slice(result.baseline, name), None, pairs.get(HISTORY + name, {}), family)
        for name, metrics in result.model.slices.items()
    }
    # Thirds of the users that only the comparison knows.
    others = {
        name: _metrics(_NOTHING, _NOTHING, None, paired, family)
        for name, paired in pairs.items()
        if name != EVERYBODY and not name.startswith(HISTORY)
    }
    return {
        "test_examples": int(result.model.overall[_COUNT]),
        "baseline": family.baseline if result.baseline else None,
        "headline": family.headline(result.model.overall),
        "metrics": _metrics(
            result.model.overall,
            result.baseline.overall if result.baseline else _NOTHING,
            result.blessed_before.overall if result.blessed_before else None,
            pairs.get(EVERYBODY, {}),
            family,
        ),
        "slices": by_history | others,
        "gates": [
            Gate(name="Evaluator", passed=not result.refusals, reasons=result.refusals),
            Gate(
                name="ServingValidator",
                passed=result.serving_blessed,
                reasons=[] if result.serving_blessed else [result.serving_reason],
            ),
        ],
        "pushed": result.pushed,
        "unchanged": result.unchanged,
    }


def data_counts(outputs: Mapping[str, Output]) -> Data | None:
    """What a component that reads tables counted, with the fingerprint of the tables.

    Args:
      outputs: output -> artifact.

    Returns:
      None for a component that reads no tables.
    """
    examples = outputs.get("examples")
    if examples is None or not has_report(examples.uri):
        return None
    report = read_report(examples.uri)
    fingerprint = examples.properties.get("input_fingerprint")
    return Data(
        fingerprint=None if fingerprint is None else str(fingerprint),
        rows={name: table.rows for name, table in report.tables.items()},
        used={name: rows_used(report, name) for name in report.tables},
        counts=dict(report.counts),
        examples=dict(report.examples),
        targets=dict(report.targets),
    )


def _of_slice(evaluation: Evaluation | None, name: str) -> Metrics:
    return _NOTHING if evaluation is None else evaluation.slices.get(name, _NOTHING)


def _metrics(
    model: Metrics, baseline: Metrics, before: Metrics | None, paired: Mapping[str, Paired], family: Family
) -> dict[str, Metric]:
    names = [
        name
        for name in model
        if name != _COUNT and not name.startswith(POPULARITY) and not name.endswith(_AGAINST_BLESSED)
    ]
    names += [name for name in paired if name not in model]
    found = {}
    for name in names:
        pair = paired.get(name)
        metric = Metric(
            title=family.title(name),
            value=model.get(name, pair.model if pair else None),
            popularity=model.get(POPULARITY + name),
            # With as many places on a page as the model has, where the two are paired.
            baseline=pair.baseline if pair else baseline.get(name),
            difference=pair.difference if pair else None,
            error=pair.error if pair else None,
            users=pair.users if pair else None,
            blessed_before=before.get(name) if before else None,
        )
        found[name] = _of_all_users(metric, model) if of_all_users(name) else metric
    return found


def _of_all_users(metric: Metric, model: Metrics) -> Metric:
    """With the number of users, which the metric depends on, and a difference, which has no error."""
    difference = None if metric.value is None or metric.baseline is None else metric.value - metric.baseline
    return metric.model_copy(update={"users": int(model[_COUNT]), "difference": difference})

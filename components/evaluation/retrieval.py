"""EvalConfig of a retrieval model, and the metric that averages per-user values.

The trainer's ``evaluate`` signature already returns every metric for every user, so all that is left to
TensorFlow Model Analysis is the mean, over all users and over each slice, and the comparison with thresholds. What
all users together make up, components/evaluation/all_users.py computes.
"""

import json
import math
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types, metric_util
from tensorflow_model_analysis.proto import config_pb2

from components.evaluation.all_users import AllUsersMetrics
from components.evaluation.metric_names import DEFAULT_GATE, check_metric, check_threshold, gated_metrics
from components.evaluation.over_baseline import over_baseline
from components.settings import EvaluationSettings
from trainer.data import schema
from trainer.metrics import table

SIGNATURE = "evaluate"
"""The signature of the trainer's SavedModel that the Evaluator calls."""

LEAST_GATE_VALUE = 1e-6
"""What ``gate_metric`` has to reach when no threshold is configured for it."""

_Accumulator = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]


class PerExampleMeans(metric_types.Metric):
    """The mean over examples of each of several outputs of a signature that returns one number per example.

    One computation serves all outputs, so that an example costs one call and not one per metric. With a
    baseline every model gets its own keys: that is what ``merge_per_key_computations`` is for, without which
    the metric works until the first model is blessed and then fails with a KeyError.
    """

    def __init__(self, outputs: list[str], name: str = "per_example_means") -> None:
        """Takes the names of the outputs; each becomes a metric of that name."""
        super().__init__(metric_util.merge_per_key_computations(_computations), outputs=outputs, name=name)


def _computations(outputs: list[str], name: str, model_name: str = "", output_name: str = "") -> list[Any]:
    del name  # The keys are named after the outputs.
    keys = [
        # Not False: thresholds given to a MetricsSpec by name look for keys with None.
        metric_types.MetricKey(name=output, model_name=model_name, output_name=output_name, example_weighted=None)
        for output in outputs
    ]
    return [
        metric_types.MetricComputation(
            keys=keys,
            preprocessors=None,
            combiner=_VectorMean(keys, model_name),
        )
    ]


class _VectorMean(beam.CombineFn):
    """Sums of the outputs ``[M]`` and how many examples have each; the means at the end, NaN where none has.

    An example lacks an output that is NaN, or that the model does not compute: one that was blessed long ago.
    """

    def __init__(self, keys: list[metric_types.MetricKey], model_name: str) -> None:
        self._keys, self._model_name = keys, model_name

    def create_accumulator(self) -> _Accumulator:
        return np.zeros(len(self._keys)), np.zeros(len(self._keys), np.int64)

    def add_input(self, accumulator: _Accumulator, element: metric_types.StandardMetricInputs) -> _Accumulator:
        predictions = element.get_predictions(self._model_name)
        values = np.array([np.asarray(predictions.get(key.name, np.nan), np.float64).item() for key in self._keys])
        return accumulator[0] + np.nan_to_num(values), accumulator[1] + ~np.isnan(values)

    def merge_accumulators(self, accumulators: Any) -> _Accumulator:
        total, count = self.create_accumulator()
        for values, counts in accumulators:
            total, count = total + values, count + counts
        return total, count

    def extract_output(self, accumulator: _Accumulator) -> dict[metric_types.MetricKey, float]:
        total, count = accumulator
        means = np.divide(total, count, out=np.full(len(self._keys), np.nan), where=count > 0)
        return dict(zip(self._keys, means.tolist(), strict=True))


def eval_config(settings: EvaluationSettings, gated: bool = True) -> config_pb2.EvalConfig:
    """The EvalConfig of the Evaluator component: all metrics, overall and by length of the history.

    Args:
      settings: least values by metric, and the largest relative loss of ``gate_metric`` against the last
        blessed model.
      gated: whether the model has to pass; the two-tower baseline is measured only.

    Raises:
      InputError: a threshold or ``gate_metric`` is not a metric's name.
    """
    filtered = bool(settings.allow or settings.deny)
    gates = gated_metrics(filtered)
    for name in settings.thresholds:
        check_threshold(name, filtered)
    thresholds = {
        name: within(name, bound)
        for name, bound in settings.thresholds.items()
        if name not in over_baseline(settings.thresholds)
    }
    watched = settings.gate_metric or DEFAULT_GATE
    check_metric(watched, "evaluation.gate_metric", gates)
    lower = table.metric_of(watched).direction == "lower"
    gate = thresholds.setdefault(
        watched,
        # Without any value threshold the Evaluator blesses nothing, not even a first model. And a model that
        # scores zero must not become the one that relative losses are measured against.
        at_most(math.inf) if lower else at_least(LEAST_GATE_VALUE),
    )
    if settings.max_regression is not None:
        directions = config_pb2.MetricDirection
        gate.change_threshold.CopyFrom(
            config_pb2.GenericChangeThreshold(
                direction=directions.LOWER_IS_BETTER if lower else directions.HIGHER_IS_BETTER,
                relative={"value": settings.max_regression if lower else -settings.max_regression},
            )
        )
    means: list[str] = []
    of_all: list[str] = []
    for prefix, names in (("", table.model_metrics(filtered)), (table.POPULARITY, table.popularity_metrics(filtered))):
        for name in names:
            (of_all if table.of_all_users(name.removeprefix(prefix)) else means).append(name)
    return config_pb2.EvalConfig(
        model_specs=[config_pb2.ModelSpec(signature_name=SIGNATURE, model_type=tfma.TF_GENERIC)],
        slicing_specs=[config_pb2.SlicingSpec(), config_pb2.SlicingSpec(feature_keys=[schema.HISTORY_BUCKET])],
        metrics_specs=[
            config_pb2.MetricsSpec(
                metrics=[
                    _configured(PerExampleMeans, means),
                    _configured(AllUsersMetrics, of_all),
                    config_pb2.MetricConfig(class_name="ExampleCount"),
                ],
                per_slice_thresholds=overall(thresholds) if gated else {},
            )
        ],
    )


def _configured(metric: type[metric_types.Metric], outputs: list[str]) -> config_pb2.MetricConfig:
    return config_pb2.MetricConfig(
        class_name=metric.__name__, module=metric.__module__, config=json.dumps({"outputs": outputs})
    )


def within(name: str, bound: float) -> config_pb2.MetricThreshold:
    """A metric has to reach its bound, or may not exceed it where less is better."""
    return at_most(bound) if table.metric_of(name).direction == "lower" else at_least(bound)


def at_most(value: float) -> config_pb2.MetricThreshold:
    """A metric may not exceed ``value``."""
    return config_pb2.MetricThreshold(value_threshold=config_pb2.GenericValueThreshold(upper_bound={"value": value}))


def at_least(value: float) -> config_pb2.MetricThreshold:
    """A metric has to reach ``value``."""
    return config_pb2.MetricThreshold(value_threshold=config_pb2.GenericValueThreshold(lower_bound={"value": value}))


def overall(thresholds: dict[str, config_pb2.MetricThreshold]) -> dict[str, Any]:
    """The thresholds, for all examples together."""
    # A threshold that names no slice holds for each of them, and a slice may be three users.
    return {
        name: config_pb2.PerSliceMetricThresholds(
            thresholds=[
                config_pb2.PerSliceMetricThreshold(threshold=threshold, slicing_specs=[config_pb2.SlicingSpec()])
            ]
        )
        for name, threshold in thresholds.items()
    }

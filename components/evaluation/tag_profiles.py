"""What the Evaluator computes and demands of a model of profiles: AUC, log loss and calibration of each task by
TensorFlow Model Analysis, and Precision@k of the tags.

A task's label counts where its weight is 1 (trainer/data/schema.py); an impression whose label is unknown is no example
of that task.
"""

import json
from collections.abc import Sequence

import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from components.evaluation.metric_names import AUC as AUC
from components.evaluation.metric_names import check_metric
from components.evaluation.retrieval import LEAST_GATE_VALUE, SIGNATURE, PerExampleMeans, at_least, overall
from components.settings import EvaluationSettings
from trainer.data import schema
from trainer.metrics.table import POPULARITY
from trainer.metrics.tags import TAG_CUTOFFS

LOG_LOSS, CALIBRATION = "log_loss", "calibration"
TASK_METRICS = (AUC, LOG_LOSS, CALIBRATION)
"""Metrics of a task; ``<metric>_<task>`` in thresholds and results."""

PRECISIONS = tuple(f"precision_at_{k}" for k in TAG_CUTOFFS)
"""Of the first task's tags, against the tags of the items that a user came to like after."""

_CLASSES = {AUC: "AUC", LOG_LOSS: "BinaryCrossEntropy", CALIBRATION: "Calibration"}


def profile_eval_config(
    settings: EvaluationSettings, tasks: Sequence[str], gated: bool = True
) -> config_pb2.EvalConfig:
    """The EvalConfig of the Evaluator component for a model of profiles.

    Args:
      settings: least values by metric (``auc_<task>``, ``precision_at_<k>``), and the largest relative loss of
        ``gate_metric``, by default the AUC of the first task, against the last blessed model.
      tasks: that the model was trained for.
      gated: whether the model has to pass; a baseline is measured only.

    Raises:
      InputError: a threshold or ``gate_metric`` is not a metric's name.
    """
    gates = tuple(f"{AUC}_{task}" for task in tasks) + PRECISIONS
    watched = settings.gate_metric or gates[0]
    for name in settings.thresholds:
        check_metric(name, f"evaluation.thresholds.{name}", gates)
    check_metric(watched, "evaluation.gate_metric", gates)
    thresholds = {name: at_least(least) for name, least in settings.thresholds.items()}
    gate = thresholds.setdefault(watched, at_least(LEAST_GATE_VALUE))
    if settings.max_regression is not None:
        gate.change_threshold.CopyFrom(
            config_pb2.GenericChangeThreshold(
                direction=config_pb2.MetricDirection.HIGHER_IS_BETTER, relative={"value": -settings.max_regression}
            )
        )
    if not gated:
        thresholds = {}
    outputs = [*PRECISIONS, *(POPULARITY + name for name in PRECISIONS)]
    of_tags = config_pb2.MetricsSpec(
        metrics=[
            config_pb2.MetricConfig(
                class_name=PerExampleMeans.__name__,
                module=PerExampleMeans.__module__,
                config=json.dumps({"outputs": outputs}),
            ),
            config_pb2.MetricConfig(class_name="ExampleCount"),
        ],
        per_slice_thresholds=overall({name: value for name, value in thresholds.items() if name in PRECISIONS}),
    )
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                signature_name=SIGNATURE,
                model_type=tfma.TF_GENERIC,
                label_keys={task: schema.label_feature(task) for task in tasks},
                example_weight_keys={task: schema.weight_feature(task) for task in tasks},
            )
        ],
        slicing_specs=[config_pb2.SlicingSpec(), config_pb2.SlicingSpec(feature_keys=[schema.HISTORY_BUCKET])],
        metrics_specs=[*(_of_task(task, thresholds) for task in tasks), of_tags],
    )


def _of_task(task: str, thresholds: dict[str, config_pb2.MetricThreshold]) -> config_pb2.MetricsSpec:
    metrics = []
    for name, class_name in _CLASSES.items():
        metric = config_pb2.MetricConfig(class_name=class_name, config=json.dumps({"name": name}))
        # Not in the MetricsSpec: thresholds given there by name are not found for weighted metrics.
        if (threshold := thresholds.get(f"{name}_{task}")) is not None:
            metric.per_slice_thresholds.append(
                config_pb2.PerSliceMetricThreshold(threshold=threshold, slicing_specs=[config_pb2.SlicingSpec()])
            )
        metrics.append(metric)
    weights = config_pb2.ExampleWeightOptions(weighted=True)
    return config_pb2.MetricsSpec(output_names=[task], example_weights=weights, metrics=metrics)

"""Metric names that thresholds accept."""

import difflib
from collections.abc import Sequence

from components.evaluation.over_baseline import OVER_BASELINE, over_baseline_names
from trainer.errors import InputError
from trainer.metrics import table

DEFAULT_GATE = table.RECALL
"""What is compared with the model blessed last where the settings name nothing."""

AUC = "auc"
"""Of a task of a model of profiles: ``auc_<task>``."""


def gated_metrics(filtered: bool = False) -> tuple[str, ...]:
    """What a threshold can ask for.

    Args:
      filtered: whether there is a filter to compute with once more.
    """
    return tuple(name for name in table.model_metrics(filtered) if table.metric_of(name).direction != "neither")


def check_threshold(name: str, filtered: bool = False) -> None:
    """Refuses a threshold on something that is no metric of a model that recommends items.

    Args:
      name: of the metric, or of its difference to the baseline.
      filtered: whether the settings have a filter, and so metrics with it.

    Raises:
      InputError: there is no such metric.
    """
    key, gates = f"evaluation.thresholds.{name}", gated_metrics(filtered)
    if name.endswith(OVER_BASELINE):
        check_metric(name, key, over_baseline_names(filtered), listed=gates)
    else:
        check_metric(name, key, gates)


def check_metric(name: str, where: str, gates: Sequence[str], listed: Sequence[str] = ()) -> None:
    """Refuses the name of something that is no metric.

    Args:
      name: the metric.
      where: the setting that names it.
      gates: the metrics that there are.
      listed: which of them to list; by default all.

    Raises:
      InputError: it is none of ``gates``.
    """
    if name not in gates:
        nearest = difflib.get_close_matches(name, gates, n=1)
        hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
        behind = f" Behind a metric of lists, {OVER_BASELINE}: the least difference to the baseline." if listed else ""
        raise InputError(f"{where}: {name!r} is not a metric.{hint} Metrics: {', '.join(listed or gates)}.{behind}")

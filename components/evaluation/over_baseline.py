"""Thresholds on the difference to the baseline: ``recall_at_50_over_baseline``."""

from collections.abc import Mapping
from dataclasses import dataclass

from components.evaluation.paired import DIVERSE, EVERYBODY, FOCUSED, Comparison, Paired
from trainer.metrics import table

OVER_BASELINE = "_over_baseline"
"""Suffix of the least difference to the single vector that a threshold asks for."""

_OF_SLICES = {f"_{DIVERSE}": DIVERSE, f"_{FOCUSED}": FOCUSED}


@dataclass(frozen=True)
class Missed:
    """A threshold that was missed.

    Attributes:
      name: of the threshold.
      least: what it asks for.
      found: what was measured; None if no user has a value.
    """

    name: str
    least: float
    found: Paired | None


def over_baseline(thresholds: Mapping[str, float]) -> dict[str, float]:
    """The thresholds on differences among all."""
    return {name: least for name, least in thresholds.items() if name.endswith(OVER_BASELINE)}


def over_baseline_names(filtered: bool = False) -> tuple[str, ...]:
    """All thresholds on differences that there are.

    Args:
      filtered: whether there is a filter to compute with once more.
    """
    lists = [name for name in table.model_metrics(filtered) if table.paired(name)]
    return tuple(name + of + OVER_BASELINE for name in lists for of in ("", *_OF_SLICES))


def missed(comparison: Comparison, thresholds: Mapping[str, float]) -> list[Missed]:
    """The thresholds that the model does not reach.

    Args:
      comparison: of the model and the single vector.
      thresholds: of :func:`over_baseline`.
    """
    misses = []
    for name, least in thresholds.items():
        metric, users = name.removesuffix(OVER_BASELINE), EVERYBODY
        for suffix, of in _OF_SLICES.items():
            if metric.endswith(suffix):
                metric, users = metric.removesuffix(suffix), of
        found = comparison.slices.get(users, {}).get(metric)
        if found is None or not found.difference >= least:
            misses.append(Missed(name, least, found))
    return misses

"""Recall and category diversity over the weight of diversity."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from matplotlib.figure import Figure

from trainer.metrics.category_diversity import category_diversity
from trainer.metrics.ranking import CUTOFFS, ranking_metrics

WEIGHTS = (0.0, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)

Recommend = Callable[[Mapping[str, tf.Tensor], float], tf.Tensor]
"""From a batch's inputs and a weight to item ids, string [B, N], best first, "" where the list has ended."""


class Batch(NamedTuple):
    """Users with what they came to take.

    Attributes:
      inputs: of the recommend signature, without the request's options.
      targets: held-out item ids of each user.
    """

    inputs: Mapping[str, tf.Tensor]
    targets: Sequence[Sequence[str]]


def diversity_curve(
    recommend: Recommend,
    batches: Iterable[Batch],
    item_ids: Sequence[str],
    item_category: npt.NDArray[np.integer[Any]],
    weights: Sequence[float] = WEIGHTS,
) -> list[dict[str, float]]:
    """Mean metrics of the lists that are served with each weight, ties as served: the lower index first.

    Reference: table 5 of Cen et al., KDD 2020.

    Args:
      recommend: see :data:`Recommend`; N at least the largest of the cutoffs.
      batches: of users.
      item_ids: the catalogue.
      item_category: int [N items], -1 for none.
      weights: lambda, one or more.

    Returns:
      for each weight: ``weight``, and the metrics of trainer/metrics/ranking.py and category_diversity.py.
    """
    place = {item: number for number, item in enumerate(item_ids)}
    sums: list[dict[str, npt.NDArray[np.float64]]] = [{} for _ in weights]
    for batch in batches:
        targets = tf.ragged.constant(
            [[place.get(item, -2 - items.index(item)) for item in items] for items in batch.targets],
            tf.int64,
            ragged_rank=1,
        ).to_tensor(-1)
        for weight, row in zip(weights, sums, strict=True):
            listed = recommend(batch.inputs, weight).numpy()
            ranked = tf.constant([[place.get(item.decode(), -1) for item in items] for items in listed], tf.int64)
            found = {
                **ranking_metrics(ranked, targets, CUTOFFS),
                **category_diversity(ranked, tf.constant(item_category)),
            }
            for name, values in found.items():
                row[name] = np.append(row.get(name, np.zeros(0)), values.numpy())
    return [
        {"weight": weight, **{name: float(np.nanmean(values)) for name, values in row.items()}}
        for weight, row in zip(weights, sums, strict=True)
    ]


def plot_diversity(curve: Sequence[Mapping[str, float]], title: str) -> Figure:
    """Draws recall over diversity, a line a cutoff, each point with its weight.

    Args:
      curve: of :func:`diversity_curve`.
      title: above the drawing.
    """
    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for n, marker in zip(CUTOFFS, "os", strict=True):
        x, y = ([point[f"{name}_at_{n}"] for point in curve] for name in ("diversity", "recall"))
        axes.plot(x, y, marker=marker, label=f"N = {n}")
        for point, across, up in zip(curve, x, y, strict=True):
            axes.annotate(f"{point['weight']:g}", (across, up), xytext=(4, 4), textcoords="offset points", fontsize=8)
    axes.set_xlabel("Diversity@N (share of pairs of different categories)")
    axes.set_ylabel("Recall@N")
    axes.margins(0.08)
    axes.set_ylim(bottom=0)
    axes.legend()
    figure.suptitle(title, wrap=True)
    return figure

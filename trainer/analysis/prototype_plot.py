"""Plot of prototypes against categories."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from trainer.analysis.figures import save_figure

MOST_PROTOTYPES, MOST_CATEGORIES = 40, 30


def plot_categories(counts: npt.NDArray[np.integer[Any]], names: Sequence[str], title: str, path: str) -> None:
    """Draws which share of each prototype's items has which category.

    Columns are the categories with the most items; rows are the prototypes with the most items, in the order of
    the category that stands out most in them, so that prototypes with a meaning of their own form a diagonal.

    Args:
      counts: int [L, C], items of each prototype and category.
      names: of the C categories.
      title: above the drawing.
      path: where to; the ending says the format (png, svg, pdf). Written whole or not at all.

    Raises:
      ValueError: there are no items or not C names.
    """
    if len(names) != counts.shape[1] or not counts.sum():
        raise ValueError(f"There should be items and {counts.shape[1]} names. Received: {counts.sum()}, {len(names)}.")
    columns = np.argsort(-counts.sum(axis=0), kind="stable")[:MOST_CATEGORIES]
    columns = columns[counts[:, columns].sum(axis=0) > 0]
    rows = np.argsort(-counts.sum(axis=1), kind="stable")[:MOST_PROTOTYPES]
    rows = rows[counts[rows].sum(axis=1) > 0]
    shares = counts[np.ix_(rows, columns)] / counts[rows].sum(axis=1, keepdims=True)
    # Against the share in all items, else the most frequent category would stand out everywhere.
    lift = shares / (counts[:, columns].sum(axis=0) / counts.sum())
    order = np.lexsort((-lift.max(axis=1), lift.argmax(axis=1)))
    shares, rows = shares[order], rows[order]

    figure = Figure(figsize=(max(6.0, 3 + 0.35 * len(columns)), 2.5 + 0.22 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, aspect="auto", cmap="viridis", vmin=0)
    axes.set_xticks(range(len(columns)), [names[column] for column in columns], rotation=90)
    axes.set_yticks(range(len(rows)), [f"{row} ({counts[row].sum():,})" for row in rows])
    axes.set_xlabel("category")
    axes.set_ylabel("prototype (its items)")
    # Of the figure, not of the axes: those can be narrower than the words.
    figure.suptitle(title, wrap=True)
    figure.colorbar(image, label="share of the prototype's items")
    save_figure(figure, path)

"""Markdown tables and a picture of what was measured."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.retrieval.differences import (
    CONTROL,
    RECALL_UNSEEN,
    SINGLE,
    UNSEEN,
    Difference,
    compared,
    over_sets,
    to_single,
    to_whole,
)
from benchmarks.retrieval.measured import Measured, Runs, read
from benchmarks.retrieval.one_model import HALF
from benchmarks.retrieval.rows import ablations
from trainer.metrics import table

BASELINES = ("popularity", "item-kNN", "EASE")
PICTURE = "difference.png"


def columns() -> dict[str, str]:
    """Heading -> metric, of the table of quality."""
    quality = {table.title(name): name for name in (*table.shown(), *table.shown(of_all=True))}
    return quality | {UNSEEN + table.title(table.RECALL): RECALL_UNSEEN}


def health() -> dict[str, str]:
    """Heading -> metric, of the table of interests."""
    return {table.title(name): name for name in table.names("interests")}


def show(measured: Path, data_sets: tuple[str, ...], seeds: tuple[int, ...]) -> None:
    """Prints quality, differences, interests and ablations of each data set, and the means over data sets."""
    everything = {name: read(measured / name, seeds) for name in data_sets}
    everything = {name: content for name, content in everything.items() if content.runs}
    differences, parts = {}, {}
    for name, content in everything.items():
        print(f"\n### {name}")
        _quality(content)
        if SINGLE in content.users:
            others = set(content.users) - {SINGLE} - set(ablations())
            differences[name] = {row: to_single(content, row) for row in others}
            _ahead(differences[name])
        _health(content)
        parts[name] = to_whole(content)
        _ablations(parts[name], content.runs)
    _means(differences, f"Difference to `{SINGLE}`")
    _means(parts, "Difference to the whole model")
    _picture(differences, measured / PICTURE)


def _quality(content: Measured) -> None:
    parts = ablations()
    models = sorted(set(content.users) - set(parts), key=lambda row: -_mean(content.runs[row], table.RECALL))
    order = [*models, *(row for row in BASELINES if row in content.runs)]
    # Without those of metrics that came after the measurement.
    measured = {metric for row in order for run in content.runs[row] for metric in run["metrics"]}
    shown = {head: metric for head, metric in columns().items() if metric in measured}
    heads = ["model", "temperature", *shown, f"{HALF}{table.title(table.RECALL)}", "training CPU s"]
    _head([*heads, "steps", "targets / CPU s", "parameters"])
    for row in order:
        runs = content.runs[row]
        cells = [_percent([run["metrics"].get(metric, np.nan) for run in runs]) for metric in shown.values()]
        if row in BASELINES:
            _line([row, "", *cells, *[""] * 5])
            continue
        reports = [run["report"] for run in runs]
        cells.append(_percent([float(np.nanmean(users[HALF + table.RECALL])) for users in content.users[row]]))
        once = float(np.mean([report["training_cpu_seconds"] for report in reports]))
        cells.append(f"{once:.0f} of {content.cpu_seconds[row]:.0f}" if row not in parts else f"{once:.0f}")
        cells.append(f"{np.mean([report['steps'] for report in reports]):,.0f}")
        cells.append(f"{np.mean([report['targets'] / report['training_cpu_seconds'] for report in reports]):,.0f}")
        cells.append(f"{reports[0]['parameters']:,}")
        _line([row, ", ".join(f"{value:g}" for value in content.temperatures(row)), *cells])


def _ahead(differences: Mapping[str, Mapping[str, Difference]]) -> None:
    """The differences to the single vector, models in the order of the first."""
    print(f"\nDifference to `{SINGLE}`:")
    heads = [*compared(), "equal temperature", "one interest"]
    _head(["model", *heads, "each seed"])
    first = next(iter(compared()))
    for row in sorted(differences, key=lambda row: -differences[row][first].mean):
        seeds = ", ".join(f"{100 * value:+.1f}" for value in differences[row][first].seeds)
        _line([row, *(str(differences[row].get(head, "")) for head in heads), seeds])


def _ablations(found: Mapping[str, Mapping[str, Difference]], runs: Runs) -> None:
    if not found:
        return
    print("\nDifference to the whole model at the same temperature:")
    _head(["changed", *compared(), table.title(table.OVERLAP)])
    for row, differences in found.items():
        overlap = _mean(runs[row], table.OVERLAP)
        _line([row, *map(str, differences.values()), "" if np.isnan(overlap) else f"{overlap:.2f}"])


def _health(content: Measured) -> None:
    """A table of what the interests do in the lists of the test users; rows that serve one vector have none."""
    several = {row: content.runs[row] for row in content.users if row not in ablations()}
    several = {row: runs for row, runs in several.items() if np.isfinite(_mean(runs, table.OVERLAP))}
    if not several:
        return
    _head(["model", *health()])
    for row in sorted(several, key=lambda row: _mean(several[row], table.OVERLAP)):
        _line([row, *(f"{_mean(several[row], metric):.2f}" for metric in health().values())])


def _means(differences: Mapping[str, Mapping[str, Mapping[str, Difference]]], what: str) -> None:
    """The mean over data sets of each difference, of the rows that all data sets have."""
    rows = set.intersection(*map(set, differences.values())) if len(differences) > 1 else set()
    if not rows:
        return
    means = {
        row: {head: over_sets([of[row][head] for of in differences.values()]) for head in compared()} for row in rows
    }
    print(f"\n### {what}, mean of {len(differences)} data sets")
    _head(["model", *compared()])
    first = next(iter(compared()))
    for row in sorted(rows, key=lambda row: -means[row][first].mean):
        _line([row, *map(str, means[row].values())])


def _mean(runs: list[dict[str, Any]], metric: str) -> float:
    return float(np.mean([run["metrics"][metric] for run in runs]))


def _percent(values: list[float]) -> str:
    return "" if np.isnan(values).all() else f"{100 * np.mean(values):.2f}"


def _head(names: Sequence[str]) -> None:
    print()
    _line(names)
    print("|---" * len(names) + "|")


def _line(cells: Sequence[str]) -> None:
    print("| " + " | ".join(cells) + " |")


def _picture(differences: Mapping[str, Mapping[str, Mapping[str, Difference]]], file: Path) -> None:
    """The difference of Recall@50 and two standard errors, a panel a data set."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    if not differences:
        return
    first = next(iter(compared()))
    figure, axes = plt.subplots(1, len(differences), figsize=(4 * len(differences), 4.5), squeeze=False)
    for axis, (name, found) in zip(axes[0], differences.items(), strict=True):
        order = sorted(found, key=lambda row: found[row][first].mean)
        for place, row in enumerate(order):
            mean, error, _ = found[row][first]
            colour = "tab:grey" if row.endswith(CONTROL) or row.startswith(SINGLE) else "tab:blue"
            axis.errorbar(100 * mean, place, xerr=200 * error, fmt="o", color=colour, capsize=3)
        axis.axvline(0, color="black", linewidth=0.8)
        axis.set_yticks(range(len(order)), order)
        axis.set_title(name)
        axis.set_xlabel("Recall@50 - two_tower, points")
        axis.grid(axis="x", alpha=0.3)
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    plt.close(figure)
    click.echo(f"The picture: {file}", err=True)

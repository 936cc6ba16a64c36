"""Markdown tables and a picture of what was measured."""

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from trainer.metrics import table

BASELINES = ("popularity", "item-kNN", "EASE")
TWO_TOWER = "two_tower"
PICTURE = "recall_at_50.png"

_UNSEEN = "unseen "

Runs = dict[str, list[dict[str, Any]]]


def columns() -> dict[str, str]:
    """Heading -> metric, of the table of quality."""
    suffixes = {"": "", _UNSEEN: table.UNSEEN}
    return {before + table.title(name): name + suffix for before, suffix in suffixes.items() for name in table.shown()}


def health() -> dict[str, str]:
    """Heading -> metric, of the table of interests."""
    return {table.title(name): name for name in table.names("interests")}


def show(measured: Path, data_sets: tuple[str, ...], seeds: tuple[int, ...]) -> None:
    """Prints a table of quality and one of the interests a data set; writes the picture beside the measurements."""
    everything = {name: _runs(measured / name, seeds) for name in data_sets}
    for name, runs in everything.items():
        if runs:
            _table(name, runs)
            _health(runs)
    _picture(everything, measured / PICTURE)


def _runs(folder: Path, seeds: tuple[int, ...]) -> Runs:
    """Row -> one measurement a seed; rows that lack a seed are left out."""
    rows: Runs = {}
    for seed in seeds:
        for file in sorted(folder.glob(f"*-{seed}.json")):
            content = json.loads(file.read_text())
            if file.stem.startswith("baselines-"):
                for row, metrics in content.items():
                    rows.setdefault(row, []).append({"metrics": metrics})
            else:
                rows.setdefault(file.stem.removesuffix(f"-{seed}"), []).append(content)
    return {row: runs for row, runs in rows.items() if len(runs) == len(seeds)}


def _table(name: str, runs: Runs) -> None:
    models = [row for row in runs if row not in BASELINES]
    order = sorted(models, key=lambda row: -_mean(runs[row], table.RECALL)) + [b for b in BASELINES if b in runs]
    rivals = [row for row in (*BASELINES, TWO_TOWER) if row in runs]
    best = max(rivals, key=lambda row: _mean(runs[row], table.RECALL)) if rivals else None
    print(f"\n### {name}\n")
    heads = [*columns(), f"R@50 - {best}", "CPU s", "targets / CPU s", "parameters"]
    print("| model | " + " | ".join(heads) + " |")
    print("|---" * (len(heads) + 1) + "|")
    for row in order:
        cells = [_cell([run["metrics"].get(metric, np.nan) for run in runs[row]]) for metric in columns().values()]
        cells.append("" if best is None or row == best else _cell(_ahead(runs[row], runs[best])))
        reports = [run["report"] for run in runs[row] if "report" in run]
        if reports:
            cpu = np.mean([report["training_cpu_seconds"] for report in reports])
            speed = np.mean([report["targets"] / report["training_cpu_seconds"] for report in reports])
            cells += [f"{cpu:.0f}", f"{speed:,.0f}", f"{reports[0]['parameters']:,}"]
        else:
            cells += ["", "", ""]
        print(f"| {row} | " + " | ".join(cells) + " |")


def _health(runs: Runs) -> None:
    """A table of what the interests do in the lists of the test users; rows that serve one vector have none."""
    several = {row: of for row, of in runs.items() if all(set(health().values()) <= set(run["metrics"]) for run in of)}
    several = {row: of for row, of in several.items() if np.isfinite(_mean(of, table.OVERLAP))}
    if not several:
        return
    print("\n| model | " + " | ".join(health()) + " |")
    print("|---" * (len(health()) + 1) + "|")
    for row in sorted(several, key=lambda row: _mean(several[row], table.OVERLAP)):
        cells = [_plain([run["metrics"][metric] for run in several[row]]) for metric in health().values()]
        print(f"| {row} | " + " | ".join(cells) + " |")


def _ahead(runs: list[dict[str, Any]], of: list[dict[str, Any]]) -> list[float]:
    """Difference of Recall@50 on the same users, a number a seed."""
    return [a["metrics"][table.RECALL] - b["metrics"][table.RECALL] for a, b in zip(runs, of, strict=True)]


def _mean(runs: list[dict[str, Any]], metric: str) -> float:
    return float(np.mean([run["metrics"][metric] for run in runs]))


def _cell(values: list[float]) -> str:
    return _plain([100 * value for value in values])


def _plain(values: list[float]) -> str:
    if not np.isfinite(values).any():
        return ""
    error = f" ± {np.std(values, ddof=1) / np.sqrt(len(values)):.2f}" if len(values) > 1 else ""
    return f"{np.mean(values):.2f}{error}"


def _picture(everything: dict[str, Runs], file: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = {name: runs for name, runs in everything.items() if runs}
    if not shown:
        return
    figure, axes = plt.subplots(1, len(shown), figsize=(4 * len(shown), 4), squeeze=False)
    for axis, (name, runs) in zip(axes[0], shown.items(), strict=True):
        rows = sorted(runs, key=lambda row: _mean(runs[row], table.RECALL))
        for place, row in enumerate(rows):
            values = 100 * np.array([run["metrics"][table.RECALL] for run in runs[row]])
            error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
            colour = "tab:grey" if row in BASELINES else "tab:orange" if row == TWO_TOWER else "tab:blue"
            axis.errorbar(values.mean(), place, xerr=error, fmt="o", color=colour, capsize=3)
        axis.set_yticks(range(len(rows)), rows)
        axis.set_title(name)
        axis.set_xlabel("Recall@50, %")
        axis.grid(axis="x", alpha=0.3)
    figure.tight_layout()
    figure.savefig(file, dpi=120)
    plt.close(figure)
    click.echo(f"The picture: {file}", err=True)

"""Markdown tables of what was measured."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tag_profiles.measure import CUTOFFS

TASKS = ("click", "conversion")
PAIRS = {
    "mvke": ("mvke_click", "mvke_conversion", "mvke_linear_tags", "mmoe", "shared_bottom", "utpm"),
    "utpm": ("utpm_mean", "utpm_no_cross", "utpm_no_attention", "shared_bottom"),
}
POPULARITY, CEILING = "popularity", "known preferences"

Run = dict[str, Any]
Runs = dict[str, list[Run]]
Value = Callable[[Run], float]


def show(measured: Path, data_sets: tuple[str, ...], seeds: tuple[int, ...]) -> None:
    """Prints a table of quality, one of paired differences, and one of recovered preferences a data set."""
    for name in data_sets:
        runs = _runs(measured / name, seeds)
        if runs:
            _quality(name, runs)
            _differences(runs)
            _recovered(runs)


def _runs(folder: Path, seeds: tuple[int, ...]) -> Runs:
    """Row -> one measurement a seed; rows that lack a seed are left out."""
    rows: Runs = {}
    for seed in seeds:
        for file in sorted(folder.glob(f"*-{seed}.json")):
            rows.setdefault(file.stem.removesuffix(f"-{seed}"), []).append(json.loads(file.read_text()))
    return {row: runs for row, runs in rows.items() if len(runs) == len(seeds)}


def _quality(name: str, runs: Runs) -> None:
    tasks = [task for task in TASKS if any(f"auc_{task}" in of[0]["metrics"] for of in runs.values())]
    heads = [f"AUC {task}" for task in tasks] + [f"P@{k}" for k in CUTOFFS] + [f"log loss {task}" for task in tasks]
    print(f"\n### {name}\n")
    _line(["model", *heads, "impressions / CPU s", "parameters", "best step"])
    _line(["---"] * (len(heads) + 4))
    wanted = [f"auc_{task}" for task in tasks] + [f"precision_at_{k}" for k in CUTOFFS]
    wanted += [f"log_loss_{task}" for task in tasks]
    for row, of in runs.items():
        reports = [run["report"] for run in of]
        speed = np.mean([report["targets"] / report["training_cpu_seconds"] for report in reports])
        steps = np.mean([report["best_step"] for report in reports])
        cells = [f"{speed:,.0f}", f"{reports[0]['parameters']:,}", f"{steps:.0f}"]
        # Precision is that of a model's first task: of a model of a later one it is not the table's.
        shown = [m if task_in(of[0], tasks[0]) or not m.startswith("precision") else "" for m in wanted]
        _line([row, *(_metric([run["metrics"] for run in of], metric) for metric in shown), *cells])
    first = next(iter(runs.values()))
    popular = [{f"precision_at_{k}": run["metrics"][f"popularity_precision_at_{k}"] for k in CUTOFFS} for run in first]
    _line([POPULARITY, *(_metric(popular, metric) for metric in wanted), "", "", ""])
    if "ceiling" in first[0]:
        _line([CEILING, *(_metric([run["ceiling"] for run in first], metric) for metric in wanted), "", "", ""])
    for task in tasks:
        positives = [run["metrics"][f"positive_{task}"] for of in runs.values() for run in of if task_in(run, task)]
        print(f"\nPositive test impressions of {task}: {min(positives):,.0f} to {max(positives):,.0f}.")


def task_in(run: Run, task: str) -> bool:
    """Whether the run's model was trained for the task."""
    return f"auc_{task}" in run["metrics"]


def _differences(runs: Runs) -> None:
    """A table of the differences of AUC on the same impressions, a number a seed."""
    pairs = [(row, other) for row, others in PAIRS.items() for other in others if row in runs and other in runs]
    if not pairs:
        return
    tasks = [task for task in TASKS if any(task_in(of[0], task) for of in runs.values())]
    print()
    _line(["difference", *(f"AUC {task}" for task in tasks), "P@5"])
    _line(["---"] * (len(tasks) + 2))
    for row, other in pairs:
        cells = []
        for metric in [*(f"auc_{task}" for task in tasks), "precision_at_5"]:
            both = metric in runs[row][0]["metrics"] and metric in runs[other][0]["metrics"]
            both &= metric != "precision_at_5" or task_in(runs[other][0], tasks[0])
            values = [a["metrics"][metric] - b["metrics"][metric] for a, b in _pairs(runs, row, other)] if both else []
            cells.append(_cell(values, signed=True))
        _line([f"{row} - {other}", *cells])


def _recovered(runs: Runs) -> None:
    """A table of how well the known preferences are recovered."""
    known = {row: [run["recovered"] for run in of] for row, of in runs.items() if "recovered" in of[0]}
    if not known:
        return
    print()
    heads = [f"{task}: {what}" for task in TASKS for what in ("found", "AUC")]
    _line(["model", *heads])
    _line(["---"] * (len(heads) + 1))
    wanted = [f"{what}_{task}" for task in TASKS for what in ("found", "auc")]
    for row, of in known.items():
        _line([row, *(_metric(of, metric) for metric in wanted)])
    first = next(iter(known.values()))
    cells = [_metric([{m: run.get(f"popular_{m}", float("nan")) for m in wanted} for run in first], m) for m in wanted]
    _line([POPULARITY, *(cell if "nan" not in cell else "" for cell in cells)])
    multi, singles = known.get("mvke"), {task: known.get(f"mvke_{task}") for task in TASKS}
    for task, single in singles.items():
        if multi and single:
            for metric, name in ((f"found_{task}", "found"), (f"auc_{task}", "AUC")):
                values = [a[metric] - b[metric] for a, b in zip(multi, single, strict=True)]
                print(f"\n{task}, {name}: mvke - mvke_{task} = {_cell(values, signed=True)}")


def _pairs(runs: Runs, row: str, other: str) -> list[tuple[Run, Run]]:
    return list(zip(runs[row], runs[other], strict=True))


def _metric(of: list[dict[str, float]], metric: str) -> str:
    if metric not in of[0]:
        return ""
    if metric.startswith("log_loss"):
        return _cell([metrics[metric] for metrics in of], factor=1.0, digits=4)
    return _cell([metrics[metric] for metrics in of])


def _cell(values: list[float], factor: float = 100.0, digits: int = 2, signed: bool = False) -> str:
    if not values:
        return ""
    scaled = factor * np.array(values)
    error = f" ± {scaled.std(ddof=1) / np.sqrt(len(scaled)):.{digits}f}" if len(scaled) > 1 else ""
    return f"{scaled.mean():{'+' if signed else ''}.{digits}f}{error}"


def _line(cells: list[str]) -> None:
    print("| " + " | ".join(cells) + " |")

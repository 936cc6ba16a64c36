"""Markdown tables and a picture of what was measured."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

from benchmarks.retrieval.one_model import HALF
from benchmarks.retrieval.rows import ablations, at, rows
from components.evaluation.paired import thirds
from trainer.metrics import table
from trainer.models.retrieval.settings import TEMPERATURES

BASELINES = ("popularity", "item-kNN", "EASE")
SINGLE = "two_tower"
"""The row that others are compared with."""
CONTROL = "_one"
"""Behind the name of a row, its control with one interest."""
PICTURE = "difference.png"

_UNSEEN, _HALF = "unseen ", "half "
_RECALL_UNSEEN = table.RECALL + table.UNSEEN
_LONG = "recall_at_500"

Runs = dict[str, list[dict[str, Any]]]
Users = list[dict[str, np.ndarray]]


class Difference(NamedTuple):
    """A mean difference of users.

    Attributes:
      mean: of all users of all seeds.
      error: its standard error over users; NaN for fewer than two.
      seeds: the mean of each seed.
    """

    mean: float
    error: float
    seeds: tuple[float, ...] = ()

    def __str__(self) -> str:
        return "" if np.isnan(self.mean) else f"{100 * self.mean:+.2f} ± {100 * self.error:.2f}"


@dataclass(frozen=True)
class Measured:
    """The rows of a data set that have all seeds.

    Attributes:
      runs: row -> what one_model wrote, a seed each, at the temperature that is best on the validation users; of
        baselines, metrics alone.
      users: row -> metric -> a value of each test user, a seed each.
      jobs: the same of every job, whatever its temperature.
      cpu_seconds: row -> of training at all temperatures, the mean of the seeds.
    """

    runs: Runs
    users: dict[str, Users]
    jobs: dict[str, Users]
    cpu_seconds: dict[str, float]

    def temperatures(self, row: str) -> list[float]:
        """Of the trained models, a seed each."""
        return [float(run["report"]["settings"]["temperature"]) for run in self.runs[row]]


def columns() -> dict[str, str]:
    """Heading -> metric, of the table of quality."""
    quality = {table.title(name): name for name in (*table.shown(), *table.shown(of_all=True))}
    return quality | {_UNSEEN + table.title(table.RECALL): _RECALL_UNSEEN}


def health() -> dict[str, str]:
    """Heading -> metric, of the table of interests."""
    return {table.title(name): name for name in table.names("interests")}


def compared() -> dict[str, tuple[str, str]]:
    """Heading -> metric and slice (``all``, ``diverse`` or ``focused``), of the table of differences."""
    recall, long = table.title(table.RECALL), table.title(_LONG)
    return {
        recall: (table.RECALL, "all"),
        _UNSEEN + recall: (_RECALL_UNSEEN, "all"),
        "NDCG@50": ("ndcg_at_50", "all"),
        long: (_LONG, "all"),
        "Tail recall@50": ("tail_recall_at_50", "all"),
        "Shelf recall@10": ("shelf_recall_at_10", "all"),
        f"{recall}, diverse": (table.RECALL, "diverse"),
        f"{long}, diverse": (_LONG, "diverse"),
        f"{recall}, focused": (table.RECALL, "focused"),
        f"{_HALF}{recall}": (HALF + table.RECALL, "all"),
        f"{_HALF}{long}": (HALF + _LONG, "all"),
    }


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
            differences[name] = {row: _differences(content, row) for row in others}
            _ahead(differences[name])
        _health(content)
        parts[name] = _parts(content)
        _ablations(parts[name], content.runs)
    _means(differences, f"Difference to `{SINGLE}`")
    _means(parts, "Difference to the whole model")
    _picture(differences, measured / PICTURE)


def read(folder: Path, seeds: tuple[int, ...]) -> Measured:
    """What is there of a data set; rows that lack a seed or a temperature are left out."""
    runs: Runs = {}
    jobs: dict[str, Users] = {}
    baselines: Runs = {}
    for seed in seeds:
        for file in sorted(folder.glob(f"*-{seed}.json")):
            content, job = json.loads(file.read_text()), file.stem.removesuffix(f"-{seed}")
            if job == "baselines":
                for row, metrics in content.items():
                    baselines.setdefault(row, []).append({"metrics": metrics})
                continue
            runs.setdefault(job, []).append(content)
            with np.load(file.parent / f"{file.stem}.npz") as values:
                jobs.setdefault(job, []).append(dict(values))
    runs = {job: of for job, of in runs.items() if len(of) == len(seeds)}
    best: Runs = {}
    users: dict[str, Users] = {}
    cpu: dict[str, float] = {}
    for row, settings in rows().items():
        tried = [row] if "temperature" in settings else [at(row, value) for value in TEMPERATURES]
        if not set(tried) <= set(runs):
            continue
        cpu[row] = sum(run["report"]["training_cpu_seconds"] for job in tried for run in runs[job]) / len(seeds)
        for seed in range(len(seeds)):
            job = max(reversed(tried), key=lambda job: float(runs[job][seed]["report"]["best"]))
            best.setdefault(row, []).append(runs[job][seed])
            users.setdefault(row, []).append(jobs[job][seed])
    whole = {row: of for row, of in baselines.items() if len(of) == len(seeds)}
    return Measured(best | whole, users, {job: jobs[job] for job in runs}, cpu)


def difference(
    ours: Sequence[Mapping[str, np.ndarray]],
    theirs: Sequence[Mapping[str, np.ndarray]],
    metric: str,
    chosen: Sequence[np.ndarray],
) -> Difference:
    """A metric's difference on the same users, of all seeds together.

    Args:
      ours: metric -> value of each user, a seed each.
      theirs: the same.
      metric: its name.
      chosen: bool of each user, whom to count, a seed each.
    """
    parts = [
        (a[metric].astype(np.float64) - b[metric])[users] for a, b, users in zip(ours, theirs, chosen, strict=True)
    ]
    parts = [part[~np.isnan(part)] for part in parts]
    together = np.concatenate(parts)
    if not len(together):
        return Difference(np.nan, np.nan)
    error = together.std(ddof=1) / np.sqrt(len(together)) if len(together) > 1 else np.nan
    return Difference(float(together.mean()), float(error), tuple(float(part.mean()) for part in parts if len(part)))


def _slices(rival: Users) -> dict[str, list[np.ndarray]]:
    focused, diverse = zip(*(thirds(users[table.HISTORY_DIVERSITY]) for users in rival), strict=True)
    return {"all": [np.ones(len(some), bool) for some in focused], "diverse": [*diverse], "focused": [*focused]}


def _compared(ours: Users, theirs: Users, rival: Users) -> dict[str, Difference]:
    """Heading of :func:`compared` -> the difference; the slices are by the histories of the rival's users."""
    slices = _slices(rival)
    return {heading: difference(ours, theirs, metric, slices[users]) for heading, (metric, users) in compared().items()}


def _differences(content: Measured, row: str) -> dict[str, Difference]:
    """Heading of :func:`compared`, ``equal temperature`` and ``one interest`` -> the difference of a row."""
    ours, rival = content.users[row], content.users[SINGLE]
    found, everybody = _compared(ours, rival, rival), _slices(rival)["all"]
    equal = [at(SINGLE, temperature) for temperature in content.temperatures(row)]
    if set(equal) <= set(content.jobs):
        theirs = [content.jobs[job][seed] for seed, job in enumerate(equal)]
        found["equal temperature"] = difference(ours, theirs, table.RECALL, everybody)
    if row + CONTROL in content.users:
        found["one interest"] = difference(ours, content.users[row + CONTROL], table.RECALL, everybody)
    return found


def _quality(content: Measured) -> None:
    parts = ablations()
    models = sorted(set(content.users) - set(parts), key=lambda row: -_mean(content.runs[row], table.RECALL))
    order = [*models, *(row for row in BASELINES if row in content.runs)]
    # Without those of metrics that came after the measurement.
    measured = {metric for row in order for run in content.runs[row] for metric in run["metrics"]}
    shown = {head: metric for head, metric in columns().items() if metric in measured}
    heads = ["model", "temperature", *shown, f"{_HALF}{table.title(table.RECALL)}", "training CPU s"]
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


def _parts(content: Measured) -> dict[str, dict[str, Difference]]:
    """Row without a part -> its differences to the row that has it, at the same temperature."""
    found = {}
    for row, whole in ablations().items():
        if row in content.users and SINGLE in content.users:
            jobs = [at(whole, temperature) for temperature in content.temperatures(row)]
            if set(jobs) <= set(content.jobs):
                theirs = [content.jobs[job][seed] for seed, job in enumerate(jobs)]
                found[row] = _compared(content.users[row], theirs, content.users[SINGLE])
    return found


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


def over_sets(differences: Sequence[Difference]) -> Difference:
    """The mean of data sets, each counting alike; of those that have a value."""
    known = [difference for difference in differences if not np.isnan(difference.mean)]
    if not known:
        return Difference(np.nan, np.nan)
    error = float(np.sqrt(np.sum([difference.error**2 for difference in known])) / len(known))
    return Difference(float(np.mean([difference.mean for difference in known])), error)


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

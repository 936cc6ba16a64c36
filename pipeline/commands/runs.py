"""`polyrec runs`: list runs and compare two of them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table

from trainer.errors import InputError

if TYPE_CHECKING:
    from pipeline.records.history import Difference
    from pipeline.records.record import RunRecord

_ROOT = "runs"
_COLOURS = {"pushed": "green", "unchanged": "green", "refused": "yellow", "interrupted": "yellow"}


@click.command()
@click.argument("arguments", nargs=-1, metavar="[ROOT | ID ID]")
@click.option("--root", metavar="DIR", help=f"Folder of the runs that ID ID names; {_ROOT} by default.")
def runs(arguments: tuple[str, ...], root: str | None) -> None:
    """List runs, or compare two of them.

    Without ids, this lists the runs below ROOT (runs by default). Give the ids of two runs to see which settings, code,
    packages and data differ, and by how much the metrics do. NAME/ID or the path of a record also names a run.
    """
    from pipeline.records.history import find_run, find_runs

    console = Console(highlight=False)
    if len(arguments) == 2:
        one, two = (find_run(Path(root or _ROOT), wanted) for wanted in arguments)
        console.print(comparison(one, two))
        return
    if len(arguments) > 2 or (arguments and root):
        raise InputError(f"Give one folder, or the ids of two runs. Received: {' '.join(arguments)}.")
    folder = Path(arguments[0] if arguments else root or _ROOT)
    history = find_runs(folder)
    if history.runs:
        console.print(listing(history.runs.values()))
    else:
        console.print(f"No run below {escape(str(folder))} left a record yet: polyrec run CONFIG leaves one.")
    for reason in history.unreadable:
        click.secho(f"Skipped: {reason}", fg="yellow", err=True)


def listing(found: "Iterable[RunRecord]") -> Table:
    """One line a run.

    Args:
      found: records.
    """
    table = Table("id", "when", "pipeline", "model", "outcome", "against the baseline")
    for run in found:
        colour = _COLOURS.get(run.outcome, "red")
        cells = run.id, f"{run.started:%Y-%m-%d %H:%M}", run.pipeline, run.model, run.outcome, headline(run)
        table.add_row(*(f"[{colour}]{escape(cell)}[/]" if cell == run.outcome else escape(cell) for cell in cells))
    for column in table.columns:
        column.overflow = "fold"
    table.columns[0].no_wrap = True
    return table


def headline(run: "RunRecord") -> str:
    """``Recall@50 0.3131, two_tower 0.3174 (-0.4 ± 0.7 points)``; empty for a run that measured nothing.

    Args:
      run: record.
    """
    metric = run.metrics.get(run.headline or "")
    if metric is None or metric.value is None:
        return ""
    said = f"{metric.title} {metric.value:.4f}"
    if metric.baseline is not None:
        said += f", {run.baseline} {metric.baseline:.4f}"
    if metric.difference is not None:
        error = "" if metric.error is None else f" ± {100 * metric.error:.1f}"
        said += f" ({100 * metric.difference:+.1f}{error} points)"
    return said


def comparison(one: "RunRecord", two: "RunRecord") -> Group:
    """What differs between two runs: settings, what they ran with, and metrics.

    Args:
      one: record.
      two: record.
    """
    from pipeline.records.history import (
        environment_differences,
        metric_differences,
        same_test_data,
        setting_differences,
    )

    metrics = metric_differences(one, two)
    measured = _table("Metrics of the model", one, two, "difference")
    for name, *values in metrics:
        difference = "" if None in values else f"{values[1] - values[0]:+.4f}"
        measured.add_row(name, *("" if value is None else f"{value:.4f}" for value in values), difference)
    measured_both = one.metrics and two.metrics
    equal = len(one.metrics.keys() & two.metrics.keys() - {name for name, *_ in metrics})
    lines = [f"{equal} metric{' is' if equal == 1 else 's are'} equal."] if measured_both else []
    if measured_both and not same_test_data(one, two):
        lines.append("The runs read different data: their metrics are means over different users.")
    return Group(
        listing([one, two]),
        _plain("Settings that differ", one, two, setting_differences(one, two)),
        _plain("Code, packages and data that differ", one, two, environment_differences(one, two)),
        "No metrics to compare." if not measured_both else measured if metrics else "No metric differs.",
        *lines,
    )


def _table(title: str, one: "RunRecord", two: "RunRecord", *more: str) -> Table:
    table = Table("", title=title, title_justify="left")
    for heading in (one.id, two.id, *more):
        table.add_column(heading, overflow="fold")
    return table


def _plain(title: str, one: "RunRecord", two: "RunRecord", differences: "Sequence[Difference]") -> Table | str:
    if not differences:
        return f"{title}: none"
    table = _table(title, one, two)
    for name, *values in differences:
        table.add_row(escape(name), *("" if value is None else escape(str(value)) for value in values))
    return table

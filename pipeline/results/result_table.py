"""Prints the results of a run."""

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.evaluation.paired import DIVERSE, EVERYBODY, FOCUSED, HISTORY, Comparison
from pipeline.graph.baseline import BASELINE, PROFILE_BASELINE
from pipeline.results.findings import Finding, findings, points
from pipeline.results.run_result import Evaluation, Metrics, RunResult
from pipeline.results.tag_profile_table import is_of_profiles, profile_metrics
from pipeline.terminal.paths import shown
from trainer.metrics import table
from trainer.metrics.table import HEADINGS, POPULARITY, RECALL

_THIRDS = {DIVERSE: "most diverse", FOCUSED: "most focused"}
"""Thirds of the users; the page on choosing a model says by what."""


def show(console: Console, name: str, result: RunResult) -> None:
    """Prints metrics, slices, the verdict of each gate and where the model was pushed.

    Args:
      console: where to.
      name: of the model.
      result: of the run.
    """
    columns: list[tuple[str, Evaluation, str]] = [(name, result.model, "")]
    of_profiles = is_of_profiles(result.model.overall)
    if result.baseline:
        columns.append((PROFILE_BASELINE if of_profiles else BASELINE, result.baseline, ""))
    columns.append(("popularity", result.model, POPULARITY))
    console.print()
    if of_profiles:
        console.print(profile_metrics(columns))
    else:
        console.print(_metrics(columns, result))
        console.print(_slices(columns, result.comparison))
        console.print(interests(result.model.overall), soft_wrap=True)
        for finding in found(name, result):
            colour = "bold" if finding.warning is None else "bold yellow"
            console.print(f"[{colour}]{escape(finding.text)}[/]", soft_wrap=True)
    for line in verdicts(result):
        console.print(line, soft_wrap=True)


def verdicts(result: RunResult) -> Iterable[str]:
    """One line a gate, and one with the outcome, in rich's markup."""
    if result.refusals:
        yield "Evaluation: [bold red]not blessed[/]. " + escape(" ".join(result.refusals))
    elif result.blessed_before:
        yield "Evaluation: [bold green]blessed[/]. All thresholds hold, those against the model blessed last as well."
    else:
        yield "Evaluation: [bold green]blessed[/]. All thresholds hold; there was no earlier model to compare with."
    if result.serving_blessed:
        yield "Serving validation: [bold green]blessed[/]. " + escape(result.serving_reason)
    else:
        yield "Serving validation: [bold red]not blessed[/]. " + escape(result.serving_reason)
    if result.pushed and result.unchanged:
        yield f"Unchanged: version {Path(result.pushed).name} stays, {escape(shown(result.pushed))}"
    elif result.pushed:
        yield f"Pushed to {escape(shown(result.pushed))}"
    else:
        yield "[bold]Nothing was pushed;[/] what was served before stays."


def found(name: str, result: RunResult) -> list[Finding]:
    """What is to be said of the model in words; nothing of a model of profiles.

    Args:
      name: of the model.
      result: of the run.
    """
    if is_of_profiles(result.model.overall):
        return []
    return findings(name, BASELINE, result.model.overall, result.comparison)


def interests(overall: Metrics) -> str:
    """Whether users' interests are several, in one line (docs/choose-a-model.md says how to read it)."""
    said = []
    for name in table.names("interests"):
        if (value := overall.get(name)) is not None:
            said.append(f"{table.metric_of(name).title} {value:.2f}")
    return f"Interests: {', '.join(said)}" if said else "Interests: none, no test user has a known history."


def _metrics(columns: list[tuple[str, Evaluation, str]], result: RunResult) -> Table:
    users, comparison = int(result.model.overall["example_count"]), result.comparison
    shown = Table(title=f"Test split, {users:,} users, full catalogue", title_justify="left")
    shown.add_column("")
    for heading, _, _ in columns:
        shown.add_column(heading, justify="right")
    if comparison is not None:
        shown.add_column("difference", justify="right")
    for suffix, heading in HEADINGS.items():
        names = [name + suffix for name in table.shown()]
        if not any(name in columns[0][1].overall for name in names):
            continue
        shown.add_row(f"[dim]{heading}[/dim]")
        for name in names:
            values = [_value(evaluation, result, prefix + name) for _, evaluation, prefix in columns]
            if any(value is not None for value in values):
                difference = _difference(comparison, EVERYBODY, name)
                shown.add_row(
                    table.title(name), *("" if value is None else f"{value:.4f}" for value in values), *difference
                )
        shown.add_section()
    return shown


def _value(evaluation: Evaluation, result: RunResult, name: str) -> float | None:
    """The mean of a metric; the baseline's with as many places on a page as the model has."""
    if evaluation is result.baseline and result.comparison is not None:
        pair = result.comparison.slices.get(EVERYBODY, {}).get(name)
        if pair is not None:
            return pair.baseline
    return evaluation.overall.get(name)


def _difference(comparison: Comparison | None, users: str, name: str) -> list[str]:
    """The cell of the last column, if there is one: points between model and baseline, with the standard error."""
    if comparison is None:
        return []
    pair = comparison.slices.get(users, {}).get(name)
    return ["" if pair is None else points(pair)]


def _slices(columns: list[tuple[str, Evaluation, str]], comparison: Comparison | None) -> Table:
    shown = Table(title=f"{table.title(RECALL)} by the user's history, seen items kept", title_justify="left")
    shown.add_column("items")
    shown.add_column("users", justify="right")
    for heading, _, _ in columns:
        shown.add_column(heading, justify="right")
    if comparison is not None:
        shown.add_column("difference", justify="right")
    empty: Metrics = {}
    for name, metrics in columns[0][1].slices.items():
        values = [
            f"{evaluation.slices.get(name, empty).get(prefix + RECALL, float('nan')):.4f}"
            for _, evaluation, prefix in columns
        ]
        shown.add_row(
            name, f"{int(metrics['example_count']):,}", *values, *_difference(comparison, HISTORY + name, RECALL)
        )
    for users, heading in _THIRDS.items():
        if comparison is not None and (pair := comparison.slices.get(users, {}).get(RECALL)) is not None:
            shown.add_row(heading, f"{pair.users:,}", f"{pair.model:.4f}", f"{pair.baseline:.4f}", "", points(pair))
    return shown

"""Metrics of a model that retrieves items, as a person reads them."""

from typing import TYPE_CHECKING

from rich.table import Table

from components.evaluation.paired import DIVERSE, EVERYBODY, FOCUSED, HISTORY, Comparison
from pipeline.families.base import Column
from pipeline.families.findings import points
from trainer.metrics import table
from trainer.metrics.table import HEADINGS, RECALL

if TYPE_CHECKING:
    from pipeline.results.run_result import Evaluation, Metrics, RunResult

_THIRDS = {DIVERSE: "most diverse", FOCUSED: "most focused"}
"""Thirds of the users; the page on choosing a model says by what."""


def interests(overall: "Metrics") -> str:
    """Whether users' interests are several, in one line (docs/choose-a-model.md says how to read it)."""
    said = []
    for name in table.names("interests"):
        if (value := overall.get(name)) is not None:
            said.append(f"{table.metric_of(name).title} {value:.2f}")
    return f"Interests: {', '.join(said)}" if said else "Interests: none, no test user has a known history."


def metrics(columns: list[Column], result: "RunResult") -> Table:
    """Every metric of the table of metrics, with the difference to the baseline where there is a comparison.

    Args:
      columns: the model, first, and what it is compared with.
      result: of the run.
    """
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
    _add_all_users(shown, columns, users, comparison is not None)
    return shown


def _add_all_users(shown: Table, columns: list[Column], users: int, compared: bool) -> None:
    """The rows of what all users together are shown: no standard error, and not to be read without their number."""
    names = [name for name in table.shown(of_all=True) if name in columns[0][1].overall]
    if names:
        shown.add_row(f"[dim]all {users:,} users together[/dim]")
    for name in names:
        values = [evaluation.overall.get(prefix + name) for _, evaluation, prefix in columns]
        cells = ["" if value is None else f"{value:.4f}" for value in values]
        if compared:
            ours, theirs = values[:2]
            cells.append("" if ours is None or theirs is None else f"{100 * (ours - theirs):+.1f}")
        shown.add_row(table.title(name), *cells)


def _value(evaluation: "Evaluation", result: "RunResult", name: str) -> float | None:
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


def slices(columns: list[Column], comparison: Comparison | None) -> Table:
    """Recall by the length of the history, and of thirds of the users.

    Args:
      columns: the model, first, and what it is compared with.
      comparison: of the model and the baseline, if there is one.
    """
    shown = Table(title=f"{table.title(RECALL)} by the user's history, seen items kept", title_justify="left")
    shown.add_column("items")
    shown.add_column("users", justify="right")
    for heading, _, _ in columns:
        shown.add_column(heading, justify="right")
    if comparison is not None:
        shown.add_column("difference", justify="right")
    empty: Metrics = {}
    for name, found in columns[0][1].slices.items():
        values = [
            f"{evaluation.slices.get(name, empty).get(prefix + RECALL, float('nan')):.4f}"
            for _, evaluation, prefix in columns
        ]
        shown.add_row(
            name, f"{int(found['example_count']):,}", *values, *_difference(comparison, HISTORY + name, RECALL)
        )
    for users, heading in _THIRDS.items():
        if comparison is not None and (pair := comparison.slices.get(users, {}).get(RECALL)) is not None:
            shown.add_row(heading, f"{pair.users:,}", f"{pair.model:.4f}", f"{pair.baseline:.4f}", "", points(pair))
    return shown

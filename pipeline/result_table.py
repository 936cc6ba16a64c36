"""The end of a run as a person reads it."""

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.evaluation import FILTERED, HEALTH, METRICS, POPULARITY, UNSEEN
from pipeline.baseline import BASELINE, PROFILE_BASELINE
from pipeline.profile_table import is_of_profiles, profile_metrics
from pipeline.result_paths import shown
from pipeline.results import Evaluation, Metrics, RunResult

_NAMES = {"recall": "Recall", "hit_rate": "HR", "ndcg": "NDCG", "diversity": "Diversity"}


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
        console.print(_metrics(columns, int(result.model.overall["example_count"])))
        console.print(_slices(columns))
        console.print(interests(result.model.overall))
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


def interests(overall: Metrics) -> str:
    """Whether users' interests are several, in one line (docs/choose-a-model.md says how to read it)."""
    active, cosine, effective, _ = (overall.get(name) for name in HEALTH)
    if active is None or effective is None:
        return "Interests: none, no test user has a known history."
    alike = "" if cosine is None else f", cosine {cosine:.2f}"
    return f"Interests: {active:.1f} active a user{alike}, effective {effective:.1f}"


def label(metric: str) -> str:
    """``hit_rate_at_20`` as HR@20."""
    name, _, cutoff = metric.removesuffix(UNSEEN).removesuffix(FILTERED).partition("_at_")
    return f"{_NAMES[name]}@{cutoff}"


def _metrics(columns: list[tuple[str, Evaluation, str]], users: int) -> Table:
    table = Table(title=f"Test split, {users:,} users, full catalogue", title_justify="left")
    table.add_column("")
    for title, _, _ in columns:
        table.add_column(title, justify="right")
    for suffix, heading in (("", "seen items kept"), (UNSEEN, "seen items removed"), (FILTERED, "with the filter")):
        if not any(metric + suffix in columns[0][1].overall for metric in METRICS):
            continue
        table.add_row(f"[dim]{heading}[/dim]")
        for metric in METRICS:
            name = metric + suffix
            values = [evaluation.overall.get(prefix + name) for _, evaluation, prefix in columns]
            if any(value is not None for value in values):
                table.add_row(label(metric), *("" if value is None else f"{value:.4f}" for value in values))
        table.add_section()
    return table


def _slices(columns: list[tuple[str, Evaluation, str]]) -> Table:
    table = Table(title="Recall@50 by length of the history, seen items kept", title_justify="left")
    table.add_column("items")
    table.add_column("users", justify="right")
    for title, _, _ in columns:
        table.add_column(title, justify="right")
    empty: Metrics = {}
    for name, metrics in columns[0][1].slices.items():
        values = [
            f"{evaluation.slices.get(name, empty).get(prefix + 'recall_at_50', float('nan')):.4f}"
            for _, evaluation, prefix in columns
        ]
        table.add_row(name, f"{int(metrics['example_count']):,}", *values)
    return table

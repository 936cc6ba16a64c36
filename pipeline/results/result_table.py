"""Prints the results of a run."""

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from pipeline.families.base import Column
from pipeline.families.findings import Finding
from pipeline.families.lookup import FAMILIES
from pipeline.results.run_result import RunResult
from pipeline.terminal.paths import shown
from trainer.metrics.table import POPULARITY


def show(console: Console, name: str, result: RunResult) -> None:
    """Prints metrics, slices, the verdict of each gate and where the model was pushed.

    Args:
      console: where to.
      name: of the model.
      result: of the run.
    """
    family = FAMILIES[result.family]
    columns: list[Column] = [(name, result.model, "")]
    if result.baseline:
        columns.append((family.baseline, result.baseline, ""))
    columns.append(("popularity", result.model, POPULARITY))
    console.print()
    for table in family.tables(columns, result):
        console.print(table)
    for line in family.summary(result.model.overall):
        console.print(line, soft_wrap=True)
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
    """What is to be said of the model in words.

    Args:
      name: of the model.
      result: of the run.
    """
    return FAMILIES[result.family].findings(name, result)

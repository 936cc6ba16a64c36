"""Result table of a tag-profile model."""

from rich.table import Table

from components.evaluation.tag_profiles import AUC, CALIBRATION, LOG_LOSS, PRECISIONS
from pipeline.families.base import Column

_TITLES = {AUC: "AUC", LOG_LOSS: "log loss", CALIBRATION: "calibration (predicted / seen)"}


def profile_metrics(columns: list[Column]) -> Table:
    """Metrics of each task, then Precision@k of the first task's tags.

    Args:
      columns: title, evaluation, and prefix of its metrics.
    """
    overall = columns[0][1].overall
    impressions = int(overall["example_count"])
    table = Table(title=f"Test split, {impressions:,} impressions", title_justify="left")
    table.add_column("")
    for title, _, _ in columns:
        table.add_column(title, justify="right")
    for task in [name.removeprefix(f"{AUC}_") for name in overall if name.startswith(f"{AUC}_")]:
        table.add_row(f"[dim]{task}[/dim]")
        for metric, title in _TITLES.items():
            _row(table, title, f"{metric}_{task}", columns)
        table.add_section()
    table.add_row("[dim]tags of what users liked after[/dim]")
    for metric in PRECISIONS:
        _row(table, f"Precision@{metric.rpartition('_')[2]}", metric, columns)
    return table


def _row(table: Table, title: str, metric: str, columns: list[Column]) -> None:
    values = [evaluation.overall.get(prefix + metric) for _, evaluation, prefix in columns]
    if any(value is not None for value in values):
        table.add_row(title, *("" if value is None else f"{value:.4f}" for value in values))

"""`polyrec audience`: find the users who like a tag most, by the newest pushed model."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.config.run import Config, with_absolute_paths
from pipeline.runs.newest_version import newest_version
from pipeline.terminal.quiet import quiet

_SHOWN = 5


def audience(config: Config, tags: Sequence[str], k: int, output: Path, version: Path | None, log: Path) -> None:
    """Writes the table and shows its head.

    Args:
      config: by which the model was trained.
      tags: at least one.
      k: users a tag and task.
      output: the Parquet file.
      version: folder of a pushed version; None for the newest one that ``serving`` names.
      log: where the noise goes.

    Raises:
      InputError: the tables or the model cannot be used.
    """
    config = with_absolute_paths(config)
    version = version or newest_version(config)
    with quiet(log) as console:
        with console.status("Asking the model for every user"):
            import apache_beam as beam
            from apache_beam.options.pipeline_options import PipelineOptions

            from components.jobs.audience import write_audience

            rows = write_audience(
                config.data,
                config.transform.max_history,
                str(version),
                tags,
                k,
                str(output),
                lambda: beam.Pipeline(options=PipelineOptions(list(config.pipeline.beam_args))),
            )
        _show(console, output)
        console.print(f"{rows:,} rows in {escape(str(output))}", soft_wrap=True)


def _show(console: Console, output: Path) -> None:
    table = Table(title=f"The first {_SHOWN} of each", title_justify="left")
    for heading, right in (("task", False), ("tag", False), ("user", False), ("score", True)):
        table.add_column(heading, justify="right" if right else "left")
    for row in pq.read_table(output, filters=[("rank", "<=", _SHOWN)]).to_pylist():
        table.add_row(escape(row["task"]), escape(row["tag"]), escape(row["user_id"]), f"{row['score']:.3f}")
    console.print(table)

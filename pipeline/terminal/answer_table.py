"""Table of recommendations."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from rich.table import Table
from rich.text import Text

from serving.client.answers import Explanation, Recommendations, TagProfile, TagScores
from trainer.errors import InputError

_HEAVIEST = 3


def read_titles(path: Path, item_column: str = "item_id", title_column: str = "title") -> dict[str, str]:
    """Titles by item id.

    Args:
      path: the item table, CSV or Parquet.
      item_column: name of the column of ids.
      title_column: name of the column of titles.

    Raises:
      InputError: the file cannot be read or has no such columns.
    """
    columns = [item_column, title_column]
    try:
        if path.suffix == ".parquet":
            table = pa.parquet.read_table(path)
        else:
            options = pa.csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string()))
            table = pa.csv.read_csv(path, convert_options=options)
    except (OSError, pa.ArrowException, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a table: {error}") from error
    if missing := [column for column in columns if column not in table.column_names]:
        raise InputError(f"{path} has no column {missing[0]!r}. Its columns: {', '.join(table.column_names)}.")
    ids, titles = (table.column(column).to_pylist() for column in columns)
    return {_as_ingested(item): str(title) for item, title in zip(ids, titles, strict=True) if title is not None}


def _as_ingested(item: Any) -> str:
    """A column of whole numbers with a null among them is one of decimals, and its ids have no fraction."""
    return str(int(item)) if isinstance(item, float) and item.is_integer() else str(item)


def answer_table(answer: Recommendations, titles: Mapping[str, str]) -> Table:
    """One row an item: rank, title, score, the interest it came from, the history's item behind it.

    Args:
      answer: for one user.
      titles: by id; an id without one stands for itself.
    """
    what = "Recommended (popular items: nothing of the history is known)" if answer.fallback else "Recommended"
    table = Table(title=what, title_justify="left", caption=_unmatched(answer), caption_justify="left")
    for heading, right in (("", True), ("item", False), ("score", True), ("interest", True), ("because of", False)):
        table.add_column(heading, justify="right" if right else "left")
    for rank, item in enumerate(answer.items, start=1):
        because = titles.get(item.because, item.because)
        table.add_row(
            str(rank),
            Text(titles.get(item.item_id, item.item_id)),
            f"{item.score:.3f}",
            "" if answer.fallback else str(item.interest),
            Text(because),
        )
    return table


def _unmatched(answer: Recommendations) -> Text | None:
    if not answer.unmatched_filters:
        return None
    values = ", ".join(dict.fromkeys(answer.unmatched_filters))
    return Text(f"No item has {values}: such a value allows nothing and denies nothing.")


def profile_table(profile: TagProfile) -> Table:
    """One row a rank, two columns a task: the tag, and the probability that the user does the task with it.

    Args:
      profile: of one user.
    """
    what = "Profile (of nobody in particular: nothing of the user is known)" if profile.fallback else "Profile"
    table = Table(title=what, title_justify="left")
    table.add_column("", justify="right")
    for task in profile.tasks:
        table.add_column(Text(task))
        table.add_column("", justify="right")
    for rank in range(max(map(len, profile.tasks.values()), default=0)):
        cells: list[str | Text] = []
        for listed in profile.tasks.values():
            cells += [Text(listed[rank].tag), f"{listed[rank].score:.3f}"] if rank < len(listed) else ["", ""]
        table.add_row(str(rank + 1), *cells)
    return table


def scores_table(scores: TagScores, tags: Sequence[str]) -> Table:
    """One row a tag, one column a task.

    Args:
      scores: of one user.
      tags: that were asked about, in their order.
    """
    table = Table("tag", title="Scores of tags", title_justify="left")
    for task in scores.tasks:
        table.add_column(Text(task), justify="right")
    for row, tag in enumerate(tags):
        values = [f"{column[row]:.3f}" if scores.known[row] else "unknown" for column in scores.tasks.values()]
        table.add_row(Text(tag), *values)
    return table


def explanation_table(reasons: Sequence[Explanation], titles: Mapping[str, str]) -> Table:
    """One row an item: its score with each interest, the best one marked, and what weighs most in that one.

    Args:
      reasons: of one user.
      titles: by id; an id without one stands for itself.
    """
    table = Table("item", title="Scores by interest", title_justify="left")
    for number in range(max((len(reason.interest_scores) for reason in reasons), default=0)):
        table.add_column(str(number), justify="right")
    table.add_column("weighs most in it")
    for reason in reasons:
        scores = [
            "" if score == float("-inf") else f"[bold]{score:.3f}[/]" if number == reason.interest else f"{score:.3f}"
            for number, score in enumerate(reason.interest_scores)
        ]
        heaviest = sorted(reason.weights, key=lambda pair: -pair[1])[:_HEAVIEST]
        words = "; ".join(f"{titles.get(item, item)} ({weight:.2f})" for item, weight in heaviest if weight > 0)
        what = "unknown item" if not reason.known else words if reason.interest is not None else "no known history"
        table.add_row(Text(titles.get(reason.item_id, reason.item_id)), *scores, Text(what))
    return table

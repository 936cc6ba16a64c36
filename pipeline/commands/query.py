"""`polyrec query`: ask a running server. Nothing heavy is imported before it is called."""

from pathlib import Path
from typing import Any

import click

from pipeline.terminal.any_letter import as_text
from pipeline.terminal.connection_options import connection_options
from pipeline.terminal.id_options import given_ids, id_options
from trainer.errors import InputError


@click.command()
@id_options("history", "of the user, oldest first")
@click.option(
    "--user", "features", multiple=True, metavar="NAME=VALUE", help="Profile feature; repeat for more values."
)
@click.option(
    "--k", default=20, show_default=True, type=click.IntRange(min=1), help="Number of items, or of tags per task."
)
@id_options("exclude", "not to recommend")
@click.option(
    "--allow", multiple=True, metavar="NAME=VALUE", help="Recommend only items with this attribute; repeat for more."
)
@click.option("--deny", multiple=True, metavar="NAME=VALUE", help="Exclude items with this attribute; repeat for more.")
@click.option("--exclude-history", is_flag=True, help="Exclude the items of the history.")
@click.option("--diversity", default=0.0, show_default=True, help="Weight of variety: more categories, lower scores.")
@id_options("tags", "to score, with a tag-profile model", "Tags")
@id_options("explain", "to explain, instead of recommending")
@click.option("--label", help="Ask the version with this label, such as canary; by default the server's choice.")
@connection_options
@click.option("--items", type=click.Path(path_type=Path), help="Read titles from this item table (Parquet or CSV).")
@click.option("--item-column", default="item_id", show_default=True)
@click.option("--title-column", default="title", show_default=True)
def query(
    history: tuple[str, ...],
    history_file: Path | None,
    features: tuple[str, ...],
    k: int,
    exclude: tuple[str, ...],
    exclude_file: Path | None,
    allow: tuple[str, ...],
    deny: tuple[str, ...],
    exclude_history: bool,
    diversity: float,
    tags: tuple[str, ...],
    tags_file: Path | None,
    explain: tuple[str, ...],
    explain_file: Path | None,
    target: str,
    model_name: str,
    items: Path | None,
    item_column: str,
    title_column: str,
    **connection: Any,
) -> None:
    """Ask a running server.

    It recommends items after a history, or scores the tags that a user likes.
    """
    from rich.console import Console

    from pipeline.operations.query import ask

    table = ask(
        target, as_text(model_name), given_ids("history", history, history_file), k, _features(features),
        given_ids("exclude", exclude, exclude_file), exclude_history, diversity,
        given_ids("tags", tags, tags_file), given_ids("explain", explain, explain_file),
        (items, item_column, title_column) if items else None, connection,
        [as_text(value) for value in allow], [as_text(value) for value in deny],
    )  # fmt: skip
    Console(highlight=False).print(table)


def _features(given: tuple[str, ...]) -> dict[str, list[str]]:
    features: dict[str, list[str]] = {}
    for text in map(as_text, given):
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"--user wants NAME=VALUE, such as gender=F. Received: {text!r}.")
        features.setdefault(name, []).append(value)
    return features

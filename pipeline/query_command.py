"""`polyrec query`: the command and its options. Nothing heavy is imported before it is called."""

from pathlib import Path
from typing import Any

import click

from pipeline.connection_options import connection_options
from trainer.errors import InputError


@click.command()
@click.option("--history", default="", metavar="A,B,...", help="Item ids, oldest first.")
@click.option("--user", "features", multiple=True, metavar="NAME=VALUE", help="Profile feature; again for more values.")
@click.option("--k", default=20, show_default=True, help="Items wanted, or tags a task.")
@click.option("--exclude", default="", metavar="C,...", help="Item ids not to recommend.")
@click.option("--allow", multiple=True, metavar="NAME=VALUE", help="Only items with this attribute; again for more.")
@click.option("--deny", multiple=True, metavar="NAME=VALUE", help="No item with this attribute; again for more.")
@click.option("--exclude-history", is_flag=True, help="Do not recommend what is in the history.")
@click.option("--diversity", default=0.0, show_default=True, help="Larger: more categories, lower scores.")
@click.option("--tags", default="", metavar="X,Y,...", help="Tags to score, of a model of profiles.")
@click.option("--explain", default="", metavar="I,J,...", help="Items to explain instead of recommending any.")
@click.option("--label", help="Of the version to ask, such as canary; by default the server's choice.")
@connection_options
@click.option("--items", type=click.Path(path_type=Path), help="Item table (Parquet or CSV) to show titles from.")
@click.option("--item-column", default="item_id", show_default=True)
@click.option("--title-column", default="title", show_default=True)
def query(
    history: str,
    features: tuple[str, ...],
    k: int,
    exclude: str,
    allow: tuple[str, ...],
    deny: tuple[str, ...],
    exclude_history: bool,
    diversity: float,
    tags: str,
    explain: str,
    target: str,
    model_name: str,
    items: Path | None,
    item_column: str,
    title_column: str,
    **connection: Any,
) -> None:
    """Asks a running server what to recommend after a history, or which tags a user likes."""
    from rich.console import Console

    from pipeline.query import ask

    table = ask(
        target, model_name, _ids(history), k, _features(features), _ids(exclude), exclude_history, diversity,
        _ids(tags), _ids(explain), (items, item_column, title_column) if items else None, connection, allow, deny,
    )  # fmt: skip
    Console(highlight=False).print(table)


def _ids(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _features(given: tuple[str, ...]) -> dict[str, list[str]]:
    features: dict[str, list[str]] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"--user wants NAME=VALUE, such as gender=F. Received: {text!r}.")
        features.setdefault(name, []).append(value)
    return features

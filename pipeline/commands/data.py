"""`polyrec data`: fetch or generate a data set. Nothing heavy is imported before a command needs it."""

from pathlib import Path

import click


@click.group()
def data() -> None:
    """Fetch or generate a data set."""


@data.command("movielens-100k")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def movielens_100k(directory: Path) -> None:
    """Fetch MovieLens-100K into DIRECTORY."""
    from pipeline.data_sources.movielens_100k import fetch

    click.echo(fetch(directory))


@data.command("shared-accounts")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def shared_accounts(directory: Path) -> None:
    """Generate accounts that two people of MovieLens-100K share, into DIRECTORY."""
    from pipeline.data_sources.shared_accounts import fetch

    click.echo(fetch(directory))


@data.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--users", default=20_000, show_default=True)
@click.option("--items", default=5_000, show_default=True)
@click.option(
    "--interests", default=50, show_default=True, help="Number of planted interests; each user has a few of them."
)
@click.option("--interactions", default=1_000_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
def synthetic(directory: Path, users: int, items: int, interests: int, interactions: int, seed: int) -> None:
    """Generate a log with planted interests into DIRECTORY."""
    from pipeline.data_sources.synthetic import write

    write(directory, users, items, interests, interactions, seed)
    click.echo(f"{interactions:,} interactions of {users:,} users with {items:,} items in {directory}")


@data.command("synthetic-profiles")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--users", default=5_000, show_default=True)
@click.option("--items", default=2_000, show_default=True)
@click.option(
    "--tags", default=40, show_default=True, help="Number of tags; each item has 2 to 4, each user likes some."
)
@click.option("--impressions", default=500_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
def synthetic_profiles(directory: Path, users: int, items: int, tags: int, impressions: int, seed: int) -> None:
    """Generate an impression log with clicks, conversions and known liked tags into DIRECTORY."""
    from pipeline.data_sources.synthetic_profiles import write

    write(directory, users, items, tags, impressions, seed)
    click.echo(f"{impressions:,} impressions of {users:,} users with {items:,} items of {tags:,} tags in {directory}")

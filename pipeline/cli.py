"""The command ``polyrec``. Nothing heavy is imported before a command needs it."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from trainer.errors import GateRefused, InputError

REFUSED = 4
WRONG_INPUT = 2
FAILED = 1


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="polyrec")
def cli() -> None:
    """Multi-interest retrieval: from a click log to a served top-N."""


def main() -> None:
    """Runs a command. Exit codes: 0 done, 2 wrong input or configuration, 4 a gate refused, 1 anything else."""
    sys.exit(run_command(cli))


def run_command(command: Callable[..., Any], *args: Any) -> int:
    """Runs a click command and turns errors that a user can act on into a message and an exit code."""
    try:
        command(*args, standalone_mode=False)
    except InputError as error:
        click.secho(f"Error: {error}", fg="red", err=True)
        return WRONG_INPUT
    except GateRefused as error:
        click.secho(f"Refused: {error}", fg="red", err=True)
        return REFUSED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted. Run the same command again to go on.", err=True)
        return 130
    return 0


_SET = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override, e.g. model.num_interests=6."
)
_CONFIG = click.argument("config", metavar="CONFIG")


@cli.command()
@_CONFIG
@_SET
@click.option("--beam-arg", "beam_args", multiple=True, metavar="ARG", help="Further option of every Beam job.")
def run(config: str, overrides: tuple[str, ...], beam_args: tuple[str, ...]) -> None:
    """Runs the pipeline CONFIG (a YAML file or a preset) on this machine, up to the pushed model."""
    from pipeline.run import run as run_pipeline

    run_pipeline(_load(config, overrides, beam_args))


def _load(config: str, overrides: tuple[str, ...], beam_args: tuple[str, ...] = ()) -> Any:
    from pipeline.config import load

    loaded = load(config, overrides)
    if beam_args:
        extended = loaded.pipeline.model_copy(update={"beam_args": [*loaded.pipeline.beam_args, *beam_args]})
        loaded = loaded.model_copy(update={"pipeline": extended})
    return loaded


@cli.group()
def data() -> None:
    """Gets or makes a data set."""


@data.command("movielens-100k")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def movielens_100k(directory: Path) -> None:
    """Fetches MovieLens-100K into DIRECTORY."""
    from pipeline.data_sources.movielens_100k import fetch

    click.echo(fetch(directory))


@data.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--users", default=20_000, show_default=True)
@click.option("--items", default=5_000, show_default=True)
@click.option("--interests", default=50, show_default=True, help="Planted interests; each user has a few of them.")
@click.option("--interactions", default=1_000_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
def synthetic(directory: Path, users: int, items: int, interests: int, interactions: int, seed: int) -> None:
    """Writes a made-up log with planted interests into DIRECTORY."""
    from pipeline.data_sources.synthetic import write

    write(directory, users, items, interests, interactions, seed)
    click.echo(f"{interactions:,} interactions of {users:,} users with {items:,} items in {directory}")

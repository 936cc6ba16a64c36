"""`polyrec rollout`: roll out a version. Nothing heavy is imported before one is called."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipeline.terminal.connection_options import connection_options

if TYPE_CHECKING:
    from pipeline.operations.rollout import RollOut

_Command = TypeVar("_Command", bound=Callable[..., Any])


@click.group()
def rollout() -> None:
    """Roll out a version: canary, promote, roll back. The labels survive a restart."""


def _of_a_model(command: _Command) -> _Command:
    offline = click.option("--offline", is_flag=True, help="Contact no server; one that starts later reads the file.")
    directory = click.argument(
        "directory", metavar="[SERVING_DIR]", default="served", type=click.Path(path_type=Path, file_okay=False)
    )
    return directory(connection_options(offline(command)))


@rollout.command()
@_of_a_model
@click.option("--version", type=click.IntRange(min=0), help="Promote this version instead of the canary.")
def promote(version: int | None, **where: Any) -> None:
    """Make the canary the stable version.

    The first time, this labels the served version as stable.
    """
    with _roll_out(**where) as of_model:
        click.echo(of_model.promote(version))


@rollout.command()
@_of_a_model
def rollback(**where: Any) -> None:
    """Make the previous version stable again.

    This also ends the trial of the version that it leaves.
    """
    with _roll_out(**where) as of_model:
        click.echo(of_model.rollback())


@rollout.command()
@_of_a_model
@click.option("--version", type=click.IntRange(min=0), help="Version to try; by default the newest.")
def canary(version: int | None, **where: Any) -> None:
    """Label a version as canary; a push does so by itself."""
    with _roll_out(**where) as of_model:
        click.echo(of_model.canary(version))


@rollout.command()
@_of_a_model
def withdraw(**where: Any) -> None:
    """End the canary: its requests go to the stable version."""
    with _roll_out(**where) as of_model:
        click.echo(of_model.withdraw())


@rollout.command()
@_of_a_model
def status(**where: Any) -> None:
    """Show the versions, their labels, and why one was refused."""
    from rich.console import Console

    with _roll_out(**where) as of_model:
        Console(highlight=False).print(of_model.status())


@contextlib.contextmanager
def _roll_out(directory: Path, model_name: str, target: str, offline: bool, **encryption: Any) -> Iterator["RollOut"]:
    from pipeline.operations.following_server import FollowingServer
    from pipeline.operations.rollout import RollOut

    if offline:
        yield RollOut(directory, model_name, None)
        return

    def tell(line: str) -> None:
        click.echo(line, err=True)

    with FollowingServer(target, model_name, directory, tell, **encryption) as server:
        yield RollOut(directory, model_name, server)

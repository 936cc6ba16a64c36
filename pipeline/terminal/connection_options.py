"""Options shared by the commands that talk to a running server."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


def connection_options(command: _Command) -> _Command:
    """Adds ``--server``, ``--model`` and those of an encrypted connection.

    The command is given ``target``, ``model_name``, and ``tls``, ``ca``, ``certificate``, ``key``.
    """
    for option in reversed(
        (
            click.option("--server", "target", default="127.0.0.1:8500", show_default=True, metavar="HOST:PORT"),
            click.option(
                "--model",
                "model_name",
                default="polyrec",
                show_default=True,
                help="Model name: serving.model_name of the run.",
            ),
            click.option("--tls", is_flag=True, help="Connect with TLS."),
            click.option("--ca", metavar="PEM", help="Check the server's certificate against these authorities."),
            click.option("--certificate", metavar="PEM", help="Client certificate, if the server requires one."),
            click.option("--key", metavar="PEM", help="Key of the client certificate."),
        )
    ):
        command = option(command)
    return command

"""Server process: command line, signals and log."""

import contextlib
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Protocol

import click

from serving import logs
from serving.logs import event
from serving.runtime.allocator import keep_few_arenas
from serving.runtime.servable import Servable, open_first_session
from serving.server_settings import ServerSettings
from serving.settings_command import SettingsCommand
from serving.versions.manager import ServableManager
from trainer.errors import InputError

log = logging.getLogger("serving.server")

_READY_SECONDS = 0.1
"""Between two looks whether a model can answer."""

_SWITCH_SECONDS = 0.001
"""How long a thread may keep Python's interpreter from the one that reads requests: loading a model would keep it for
five times as long, at every step of every request."""


class RunnableServer(Protocol):
    """What a process needs of a server; :class:`serving.server.Server` is one.

    Attributes:
      manager: the models.
      port: it listens on.
      metrics_port: metrics are told on; None where they are not.
      rest_port: REST is answered on; None where it is not.
    """

    manager: ServableManager[Servable]
    port: int
    metrics_port: int | None
    rest_port: int | None

    def start(self) -> object:
        """Listens, and begins to load."""

    def stop(self) -> None:
        """Drains in-flight requests and unloads."""


def serve(settings: ServerSettings, make_server: Callable[..., RunnableServer]) -> None:
    """Serves until SIGTERM or SIGINT, then drains in-flight requests.

    Logs to standard error, and prints one line with the address when it listens, and one for each model when it can
    answer.

    Args:
      settings: of the server and its log.
      make_server: makes a server of the settings' fields.

    Raises:
      InputError: the directory holds no model, or the address cannot be bound.
    """
    logs.set_up(settings.log_level, settings.log_format)
    sys.setswitchinterval(_SWITCH_SECONDS)
    keep_few_arenas()
    open_first_session()
    server = make_server(**settings.model_dump())
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    # Bytes that are no message are told to who sent them; here they would fill the log.
    logging.getLogger("grpc._cython.cygrpc").setLevel(logging.CRITICAL)
    # What the imports made stays for good: a collection that walks through it all holds every thread up for 0.2 s.
    gc.collect()
    gc.freeze()
    server.start()
    names = ", ".join(server.manager.model_names)
    click.echo(f"Serving {names} on {settings.host}:{server.port}")
    log.info("serving %s on %s:%d", names, settings.host, server.port, extra=event("listening", port=server.port))
    if server.rest_port is not None:
        scheme = "http" if settings.tls_certificate is None else "https"
        click.echo(f"REST on {scheme}://{settings.rest_host}:{server.rest_port}/v1/models")
    if server.metrics_port is not None:
        click.echo(f"Metrics on http://{settings.metrics_host}:{server.metrics_port}/metrics")
    unready = set(server.manager.model_names)
    # A signal that another thread is given, as of a debugger, does not wake this one.
    while not stopping.wait(timeout=_READY_SECONDS if unready else 1.0):
        unready -= _tell_ready(server, unready)
    log.info("stopping: requests under way have %g s", settings.grace_seconds, extra=event("draining"))
    server.stop()
    log.info("stopped", extra=event("stopped"))
    if server.manager.requests_under_way:
        # A graph cannot be interrupted, and the interpreter would wait for its thread.
        log.warning("%d requests did not finish in time and were cut off", server.manager.requests_under_way)
        logging.shutdown()
        os._exit(0)


def _tell_ready(server: RunnableServer, names: Iterable[str]) -> set[str]:
    """Prints a line for each of the models that can answer now; returns them."""
    found = set()
    for name in sorted(names):
        if (number := server.manager.available(name)) is not None:
            with contextlib.suppress(OSError):  # nobody may read any more
                click.echo(f"Ready: {name} version {number} answers")
            log.info("%s version %d answers", name, number, extra=event("ready", model=name, version=number))
            found.add(name)
    return found


@click.command(
    cls=SettingsCommand,
    settings=lambda: ServerSettings,
    help="Serve pushed models over gRPC, compatible with TensorFlow Serving's protocol.",
)
@click.pass_obj
def main(make_server: Callable[..., RunnableServer], settings: ServerSettings) -> None:
    """The command line of ``python -m serving.server``; exits with 2 on bad settings.

    Args:
      make_server: click's object, see :func:`serve`.
      settings: as given on the command line.
    """
    try:
        serve(settings, make_server)
    except InputError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(2) from None

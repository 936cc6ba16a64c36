"""The server as a process: its command line, its signals and its log."""

import contextlib
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterable
from typing import Any

import click
from pydantic import ValidationError

from serving import logs
from serving.allocator import keep_few_arenas
from serving.logs import event
from serving.server import Server
from serving.server_settings import ServerSettings
from trainer.errors import InputError

log = logging.getLogger("serving.server")

_READY_SECONDS = 0.1
"""Between two looks whether a model can answer."""

_SWITCH_SECONDS = 0.001
"""How long a thread may keep Python's interpreter from the one that reads requests: loading a model would keep it for
five times as long, at every step of every request."""


def serve(settings: ServerSettings) -> None:
    """Serves until SIGTERM or SIGINT, then finishes the requests under way.

    Logs to standard error, and prints one line with the address when it listens, and one for each model when it can
    answer.

    Raises:
      InputError: the directory holds no model, or the address cannot be bound.
    """
    logs.set_up(settings.log_level, settings.log_format)
    sys.setswitchinterval(_SWITCH_SECONDS)
    keep_few_arenas()
    server = Server(**settings.model_dump())
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


def _tell_ready(server: Server, names: Iterable[str]) -> set[str]:
    """Prints a line for each of the models that can answer now; returns them."""
    found = set()
    for name in sorted(names):
        if (number := server.manager.available(name)) is not None:
            with contextlib.suppress(OSError):  # nobody may read any more
                click.echo(f"Ready: {name} version {number} answers")
            log.info("%s version %d answers", name, number, extra=event("ready", model=name, version=number))
            found.add(name)
    return found


@click.command(help="Serves pushed models over gRPC, compatible with TensorFlow Serving's protocol.")
@click.option("--directory", help="DIRECTORY/MODEL/VERSION, or the folder of one model's versions.")
@click.option("--model-config-file", help="Instead: models.config, with base paths, version policies and labels.")
@click.option("--model-config-poll-seconds", default=1.0, show_default=True, help="0: models.config is read once.")
@click.option("--allow-version-labels-for-unavailable-models", is_flag=True, help="In ReloadConfig, for unused labels.")
@click.option("--model-name", help="Serve only this model.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8500, show_default=True, help="0: any free one.")
@click.option("--tls-certificate", help="File (PEM): encrypt connections.")
@click.option("--tls-key", help="File (PEM) of the certificate's key.")
@click.option("--tls-client-ca", help="File (PEM): clients have to show a certificate signed by one of these.")
@click.option("--metrics-port", type=int, help="Prometheus metrics over HTTP; 0: any free port.")
@click.option("--metrics-host", default="127.0.0.1", show_default=True, help="Address for metrics to listen on.")
@click.option("--rest-port", type=int, help="TensorFlow Serving's REST interface over HTTP; 0: any free port.")
@click.option("--rest-host", default="127.0.0.1", show_default=True, help="Address for REST to listen on.")
@click.option("--rest-timeout-seconds", default=30.0, show_default=True, help="Longest time for a REST answer.")
@click.option("--poll-seconds", default=1.0, show_default=True, help="Between two looks for new versions.")
@click.option("--require-manifest/--plain-models", default=True, help="Refuse, or serve, plain SavedModels.")
@click.option("--keep-last-version", is_flag=True, help="Keep serving when all version folders are gone.")
@click.option("--threads", default=16, show_default=True, help="Requests answered at the same time.")
@click.option("--max-concurrent", default=512, show_default=True, help="Requests waiting or being answered.")
@click.option("--batch-rows", default=32, show_default=True, help="Users answered by one run; 1: requests run alone.")
@click.option("--batch-wait-ms", default=0.0, show_default=True, help="How long a request waits for others to join.")
@click.option("--batch-runs", default=1, show_default=True, help="Batches of one kind at the same time.")
@click.option("--max-message-bytes", default=16 << 20, show_default=True, help="Largest request and reply.")
@click.option("--max-tensor-bytes", default=64 << 20, show_default=True, help="Largest array one input may become.")
@click.option("--max-batch", default=1024, show_default=True, help="Rows (users) of a request.")
@click.option("--max-list-length", default=10_000, show_default=True, help="Items of a history, or excluded ones.")
@click.option("--grace-seconds", default=30.0, show_default=True, help="For requests under way when told to stop.")
@click.option("--log-level", default="INFO", show_default=True, help="DEBUG, INFO, WARNING or ERROR.")
@click.option("--log-format", default="text", show_default=True, help="text, or json: one object a line.")
def main(**options: Any) -> None:
    """The command line of ``python -m serving.server``; exits with 2 on bad settings."""
    try:
        serve(ServerSettings(**options))
    except ValidationError as error:
        first = error.errors()[0]
        option = f"--{str(first['loc'][0]).replace('_', '-')}: " if first["loc"] else ""
        raise click.UsageError(option + first["msg"].removeprefix("Value error, ")) from None
    except InputError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(2) from None

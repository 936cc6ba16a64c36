"""HTTP port for Prometheus metrics and readiness probes."""

import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from trainer.errors import InputError


def listen(
    registry: CollectorRegistry, host: str, port: int, ready: Callable[[], bool]
) -> tuple[int, Callable[[], None]]:
    """Answers over HTTP, in a thread of its own: scrapes below /metrics, and /ready with 200 or 503.

    Args:
      registry: what is scraped.
      host: address to listen on.
      port: 0: any free one.
      ready: whether the server can answer, for probes that speak no gRPC or no TLS.

    Returns:
      the port, and a function that stops listening.

    Raises:
      InputError: the address cannot be bound.
    """
    try:
        server = make_server(host, port, _application(registry, ready), _Threads, _Quiet)
    except OSError as error:
        raise InputError(f"Cannot listen on {host}:{port} for metrics: {error.strerror or error}.") from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return int(server.server_port), stop


class _Threads(ThreadingMixIn, WSGIServer):
    """A scrape that hangs holds up no probe."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        """Scrapes are not worth a line each."""


def _application(registry: CollectorRegistry, ready: Callable[[], bool]) -> Callable[[Any, Any], Iterable[bytes]]:
    metrics: Callable[[Any, Any], Iterable[bytes]] = make_wsgi_app(registry)

    def answer(environment: Any, start_response: Any) -> Iterable[bytes]:
        if environment.get("PATH_INFO") != "/ready":
            return metrics(environment, start_response)
        status, body = ("200 OK", b"ready\n") if ready() else ("503 Service Unavailable", b"not ready\n")
        start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    return answer

"""HTTP port: tornado reads and writes, the threads that answer gRPC do the work."""

import asyncio
import logging
from collections.abc import Awaitable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import grpc
from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler, stream_request_body

from serving.ports.loop_thread import LoopThread
from serving.ports.rest import json_replies
from serving.ports.rest.admission import Gate
from serving.ports.rest.api import HTTP_CODES, Reply, Request, RestApi
from serving.ports.rest.context import RestContext
from serving.ports.tls import ssl_context
from serving.server_settings import ServerSettings
from trainer.errors import InputError

_BODIES_AT_A_TIME = 16
"""Of the largest size: bodies are kept while they arrive and wait, and JSON takes many times its size."""
_DROPPED = 4
"""Times the largest body: as much of a body that is too large is read, so that its sender hears why it was refused."""
_SECONDS_FOR_A_BODY = 60.0
_SECONDS_IDLE = 300.0
_NOBODY_WAITS_LONGER = "the answer took longer than rest_timeout_seconds"


class RestPort:
    """Listens for HTTP and has requests answered; an event loop in a thread of its own.

    Args:
      api: answers.
      pool: its threads do the work.
      settings: address, limits and encryption.
    """

    def __init__(self, api: RestApi, pool: ThreadPoolExecutor, settings: ServerSettings) -> None:
        self.api, self.pool, self.settings = api, pool, settings
        self.gate = Gate(settings.max_concurrent, _BODIES_AT_A_TIME * settings.max_message_bytes)
        self.stopping = False
        self._thread = LoopThread("rest")

    def listen(self) -> int:
        """Starts to answer.

        Returns:
          the port.

        Raises:
          InputError: the address cannot be bound, or the certificate cannot be used.
        """
        host, port = self.settings.rest_host, self.settings.rest_port
        context = ssl_context(self.settings)
        try:
            sockets = bind_sockets(port or 0, host)
        except OSError as error:
            raise InputError(f"Cannot listen on {host}:{port} for REST: {error.strerror or error}.") from error
        application = Application([(r".*", _Handler, {"port": self})], log_function=lambda _: None)
        self._server = HTTPServer(
            application,
            ssl_options=context,
            # A larger one is refused by the handler, in words.
            max_body_size=1 << 62,
            body_timeout=_SECONDS_FOR_A_BODY,
            idle_connection_timeout=_SECONDS_IDLE,
        )
        self._thread.start()
        self._thread.submit(self._accept(sockets)).result()
        # Handshakes that fail and requests that are none are the doing of clients.
        logging.getLogger("tornado.general").setLevel(logging.ERROR)
        return int(sockets[0].getsockname()[1])

    def close(self) -> None:
        """Takes no more requests: those of open connections are told UNAVAILABLE."""
        self.stopping = True
        if self._thread.running:
            self._thread.submit(self._no_more()).result()

    def stop(self, grace: float) -> None:
        """Lets the requests under way finish, then ends every connection.

        Args:
          grace: seconds for them.
        """
        if not self._thread.running:
            return
        self.gate.wait_until_empty(grace)
        self._thread.submit(self._server.close_all_connections()).result()
        self._thread.end()

    async def _accept(self, sockets: Any) -> None:
        self._server.add_sockets(sockets)

    async def _no_more(self) -> None:
        self._server.stop()


@stream_request_body
class _Handler(RequestHandler):
    """One request; its body is collected here, for the limits to hold while it arrives."""

    SUPPORTED_METHODS = ("GET", "HEAD", "POST", "DELETE", "PATCH", "PUT", "OPTIONS")

    def initialize(self, port: RestPort) -> None:
        self._port, self._limit = port, port.settings.max_message_bytes
        self._chunks: list[bytes] = []
        self._received = 0
        self._reserved: int | None = None
        self._refusal: Reply | None = None
        self._context: RestContext | None = None

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("Content-Type", "application/json")

    def prepare(self) -> None:
        length = self._announced()
        size = min(length, self._limit)
        if self._port.stopping:
            self._refuse(grpc.StatusCode.UNAVAILABLE, "The server is stopping.")
        elif "Content-Length" in self.request.headers and length > self._limit:
            self._refusal = self._too_large
            if length > _DROPPED * self._limit:
                self._reply(self._too_large)
        elif "Content-Encoding" in self.request.headers:
            self._refuse(grpc.StatusCode.INVALID_ARGUMENT, "Bodies are taken as they are, without Content-Encoding.")
        elif self._port.gate.enter(size):
            self._reserved = size
        else:
            self._refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "The server has as much work as it takes: try again.")

    def data_received(self, chunk: bytes) -> None:
        self._received += len(chunk)
        if self._received > self._limit and self._refusal is None:
            self._refusal = self._too_large
        if self._refusal is None:
            self._chunks.append(chunk)
            return
        self._chunks.clear()
        if self._received > _DROPPED * self._limit and not self._finished:
            self._reply(self._too_large)

    def on_connection_close(self) -> None:
        if self._context is None:
            self._leave()  # the body never came whole
        else:
            self._context.cancel()

    def write_error(self, status_code: int, **_: Any) -> None:
        self._leave()
        self.finish(json_replies.failure(self._reason))

    async def answer(self, *_: Any, **__: Any) -> None:
        """Answers a request whose body has come."""
        if self._refusal is not None:
            self._leave()
            self._reply(self._refusal)
            return
        seconds = self._port.settings.rest_timeout_seconds
        headers = [(name.lower(), value) for name, value in self.request.headers.get_all()]
        context = self._context = RestContext(seconds, headers)
        request = Request(self.request.method or "", self.request.path, b"".join(self._chunks))
        self._chunks.clear()
        work = self._port.pool.submit(self._port.api.answer, request, context)
        del request
        try:
            reply = await asyncio.wait_for(asyncio.wrap_future(work), seconds)
        except asyncio.TimeoutError:
            reply = _failure(grpc.StatusCode.DEADLINE_EXCEEDED, f"No answer: {_NOBODY_WAITS_LONGER}.")
        except asyncio.CancelledError:
            reply = _failure(grpc.StatusCode.UNAVAILABLE, "The server has stopped.")
        for name, value in context.trailing:
            self.set_header(name, value)
        try:
            await self._reply(reply)
        except StreamClosedError:
            pass
        finally:
            context.cancel()
            self._leave(work)

    get = head = post = delete = patch = put = options = answer

    def _reply(self, reply: Reply) -> Awaitable[None]:
        self.set_status(reply.code)
        return self.finish(reply.body.encode())

    def _refuse(self, code: grpc.StatusCode, text: str) -> None:
        self._refusal = _failure(code, text)

    @property
    def _too_large(self) -> Reply:
        text = f"The body is larger than the {self._limit} bytes that this server takes (max_message_bytes)."
        return Reply(413, json_replies.failure(text))

    def _announced(self) -> int:
        """Bytes of the body, as its headers have it; as many as it may have where they do not say."""
        length = self.request.headers.get("Content-Length", "0")
        return int(length) if length.isdecimal() and "Transfer-Encoding" not in self.request.headers else self._limit

    def _leave(self, work: "Future[Reply] | None" = None) -> None:
        """Gives the place back, but not before the work is done: a graph cannot be interrupted."""
        size, self._reserved = self._reserved, None
        if size is None:
            return
        if work is None:
            self._port.gate.leave(size)
        else:
            work.add_done_callback(lambda _: self._port.gate.leave(size))


def _failure(code: grpc.StatusCode, text: str) -> Reply:
    return Reply(HTTP_CODES[code], json_replies.failure(text))

"""gRPC port: one event loop reads requests and writes replies, other threads run graphs.

Python lets one thread run at a time. A thread for each request made each request wait for that several times over; the
loop takes the requests one after another, and waits for nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from functools import partial
from types import SimpleNamespace
from typing import Any

import grpc
from google.protobuf import empty_pb2
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.errors import as_told
from serving.ports.free_port import check_free
from serving.ports.loop_thread import LoopThread
from serving.ports.tls import server_credentials
from serving.runtime.protos import get_model_metadata_pb2, get_model_status_pb2, model_management_pb2, predict_pb2
from serving.server_settings import ServerSettings
from serving.services.health import Health
from serving.services.metrics import Metrics
from serving.services.models import ModelService
from serving.services.prediction import PredictionService, not_offered
from trainer.errors import InputError

_LARGE = 1 << 17
"""Bytes of a request that is read by a thread of its own: the loop would keep all others waiting."""

_Method = Callable[[Any, Any], Awaitable[Any]]


class GrpcPort:
    """Listens for gRPC.

    Args:
      prediction: answers Predict and GetModelMetadata.
      models: answers GetModelStatus and HandleReloadConfigRequest.
      health: of the server.
      metrics: count the calls of TensorFlow Serving's services; None: they are not counted.
      pool: its threads do what takes long.
      settings: address, limits and encryption.
    """

    def __init__(
        self,
        prediction: PredictionService,
        models: ModelService,
        health: Health,
        metrics: Metrics | None,
        pool: Executor,
        settings: ServerSettings,
    ) -> None:
        self._prediction, self._models, self._health, self._metrics = prediction, models, health, metrics
        self._pool, self._settings = pool, settings
        self._thread = LoopThread("grpc")
        self._loop = self._thread.loop
        self._loop.set_exception_handler(_log_unless_woken_for_nothing)

    def listen(self) -> int:
        """Starts to answer.

        Returns:
          the port.

        Raises:
          InputError: the address cannot be bound, or the certificate cannot be used.
        """
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        address, credentials = f"{host}:{self._settings.port}", server_credentials(self._settings)
        check_free(self._settings.host, self._settings.port)
        self._thread.start()
        port = self._thread.submit(self._listen(address, credentials)).result()
        if not port:
            self._thread.end()
            or_files = ", or tls_certificate and tls_key are no certificate and its key" if credentials else ""
            raise InputError(f"Cannot listen on {address}: it is in use or not an address of this machine{or_files}.")
        return port

    def stop(self, grace: float) -> Callable[[], None]:
        """Takes no more requests, and lets those under way finish.

        Args:
          grace: seconds for them.

        Returns:
          waits until they have, or the time is over.
        """
        if not self._thread.running:
            return lambda: None
        stopped = self._thread.submit(self._server.stop(grace))

        def wait() -> None:
            stopped.result()
            self._thread.end()

        return wait

    async def _listen(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        settings = self._settings
        self._server = grpc.aio.server(
            maximum_concurrent_rpcs=settings.max_concurrent,
            options=[
                ("grpc.max_receive_message_length", settings.max_message_bytes),
                ("grpc.max_send_message_length", settings.max_message_bytes),
                # Two servers on one port would share its requests without anyone noticing.
                ("grpc.so_reuseport", 0),
            ],
        )
        prediction = {
            "Predict": self._method("Predict", predict_pb2.PredictRequest, self._predict),
            "GetModelMetadata": self._method(
                "GetModelMetadata",
                get_model_metadata_pb2.GetModelMetadataRequest,
                self._in_pool(self._prediction.metadata),
            ),
            **{
                name: self._method(name, empty_pb2.Empty, _refuse(name))
                for name in ("Classify", "Regress", "MultiInference")
            },
        }
        models = {
            "GetModelStatus": self._method(
                "GetModelStatus", get_model_status_pb2.GetModelStatusRequest, self._in_pool(self._models.status)
            ),
            "HandleReloadConfigRequest": self._method(
                "HandleReloadConfigRequest",
                model_management_pb2.ReloadConfigRequest,
                self._in_pool(self._models.reload),
            ),
        }
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", prediction),
                grpc.method_handlers_generic_handler("tensorflow.serving.ModelService", models),
            )
        )
        health_pb2_grpc.add_HealthServicer_to_server(
            SimpleNamespace(Check=self._check_health, Watch=self._watch_health), self._server
        )
        try:
            if credentials is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, credentials)
        except RuntimeError:
            return 0
        if port:
            await self._server.start()
        return port

    def _method(self, name: str, message: Any, method: _Method) -> grpc.RpcMethodHandler:
        """A method as gRPC calls it: counted, and errors become a status, see :func:`serving.errors.as_told`.

        Bytes are read here, not by gRPC: it would call those that are no message an error of the server, and log it.
        """

        async def answered(received: bytes, context: Any) -> bytes:
            try:
                request = await self._read(message, received)
            except DecodeError:
                await context.abort(grpc.StatusCode.INTERNAL, "Exception deserializing request!")
            spec, code = getattr(request, "model_spec", None), grpc.StatusCode.CANCELLED
            ended = self._metrics and self._metrics.request(spec, name)
            try:
                reply = await method(request, context)
                code = grpc.StatusCode.OK
                return bytes(reply.SerializeToString())
            except Exception as error:
                failure = as_told(error, name, spec.name if spec else "", context)
                code = failure.code
            finally:
                if ended:
                    ended(code)
            await context.abort(failure.code, failure.text)
            raise AssertionError("abort raises")

        return grpc.unary_unary_rpc_method_handler(answered)

    async def _read(self, message: Any, received: bytes) -> Any:
        if len(received) > _LARGE:
            return await self._loop.run_in_executor(self._pool, message.FromString, received)
        return message.FromString(received)

    async def _predict(self, request: predict_pb2.PredictRequest, context: Any) -> predict_pb2.PredictResponse:
        wanted = partial(_waits, context)
        if request.ByteSize() > _LARGE:
            return await self._loop.run_in_executor(self._pool, self._prediction.predict, request, wanted)
        return await self._prediction.predict_meanwhile(request, wanted)

    def _in_pool(self, method: Callable[[Any], Any]) -> _Method:
        return lambda request, context: self._loop.run_in_executor(self._pool, method, request)

    async def _check_health(self, request: Any, context: Any) -> Any:
        return self._health.Check(request, context)

    async def _watch_health(self, request: Any, context: Any) -> None:
        states: asyncio.Queue[health_pb2.HealthCheckResponse | None] = asyncio.Queue()

        def tell(state: health_pb2.HealthCheckResponse | None) -> None:
            self._loop.call_soon_threadsafe(states.put_nowait, state)

        forget = self._health.watch(request, tell)
        try:
            while (state := await states.get()) is not None:
                await context.write(state)
        finally:
            forget()


def _log_unless_woken_for_nothing(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Logs what nobody caught. gRPC's loops of one process share a pipe: any may be woken for what another has read."""
    if not isinstance(context.get("exception"), BlockingIOError):
        loop.default_exception_handler(context)


def _waits(context: Any) -> bool:
    """Whether the client of a call has neither gone nor run out of time."""
    left = context.time_remaining()
    return not context.cancelled() and (left is None or left > 0)


def _refuse(name: str) -> _Method:
    async def refuse(request: Any, context: Any) -> Any:
        raise not_offered(name)

    return refuse

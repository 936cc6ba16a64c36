"""The server: a gRPC service that is compatible with TensorFlow Serving's protocol.

Run it with ``python -m serving.server --directory served`` (serving/server_command.py) or embed it as :class:`Server`.
"""

import ipaddress
import logging
import os
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc

from serving import metrics_port
from serving import servable as servables
from serving.batching import BatchLimits
from serving.health import Health
from serving.label_rules import UnavailableLabels
from serving.logs import event
from serving.metrics import CountRequests, Metrics
from serving.model_service import ModelService
from serving.model_source import ModelSource
from serving.prediction_service import PredictionService
from serving.rest.api import RestApi
from serving.rest.http_server import RestPort
from serving.servable import Servable
from serving.server_settings import ServerSettings
from serving.tensorflow_runtime import model_service_pb2_grpc, prediction_service_pb2_grpc
from serving.tls import server_credentials
from serving.version_folders import version_number
from serving.versions import ServableManager
from serving.warmup import warm_up
from trainer.errors import InputError

log = logging.getLogger("serving.server")


class Server:
    """A running server; also a context manager that starts and stops it.

    Attributes:
      settings: as given.
      manager: the models.
      port: it listens on; known after :meth:`start`.
      metrics_port: metrics are told on; None where they are not.
      rest_port: REST is answered on; None where it is not.

    Args:
      directory: as in :class:`ServerSettings`.
      model_name: as in :class:`ServerSettings`.
      port: as in :class:`ServerSettings`; by default any free one.
      **settings: the other fields of :class:`ServerSettings`.

    Raises:
      InputError: there is no such directory or models.config, or no model in it.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        model_name: str | None = None,
        port: int = 0,
        **settings: Any,
    ) -> None:
        folder = None if directory is None else os.fspath(directory)
        self.settings = ServerSettings(directory=folder, model_name=model_name, port=port, **settings)
        self.port = port
        self._source = ModelSource(self.settings)
        self.manager: ServableManager[Servable] = ServableManager(
            self._source.models,
            self._load,
            self.settings.poll_seconds,
            self.settings.keep_last_version,
            self._tell_health,
        )
        self._health = Health()
        self.metrics_port: int | None = None
        self._metrics = None if self.settings.metrics_port is None else Metrics(self.manager)
        self._stop_metrics: Callable[[], None] = lambda: None
        self._pool = futures.ThreadPoolExecutor(self.settings.threads, thread_name_prefix="request")
        self._prediction = PredictionService(self.manager, self.settings.limits, self._metrics)
        unused = self.settings.allow_version_labels_for_unavailable_models
        labels = UnavailableLabels.UNUSED if unused else UnavailableLabels.NONE
        self._models = ModelService(self.manager, labels)
        self._grpc = self._make_grpc()
        self.rest_port: int | None = None
        self._rest = self._make_rest()

    def start(self) -> "Server":
        """Binds the port, starts to answer and to load; requests get NOT_FOUND until a model is available.

        Raises:
          InputError: the address cannot be bound, or the certificate cannot be used.
        """
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        address, credentials = f"{host}:{self.settings.port}", server_credentials(self.settings)
        for open_to, listens in ((self.settings.host, True), (self.settings.rest_host, self._rest is not None)):
            if listens and credentials is None and not _is_loopback(open_to):
                log.warning("%s can be reached from outside, without encryption: see tls_certificate", open_to)
        try:
            self.port = (
                self._grpc.add_insecure_port(address)
                if credentials is None
                else self._grpc.add_secure_port(address, credentials)
            )
        except RuntimeError:
            self.port = 0
        if not self.port:
            or_files = ", or tls_certificate and tls_key are no certificate and its key" if credentials else ""
            raise InputError(f"Cannot listen on {address}: it is in use or not an address of this machine{or_files}.")
        if self._metrics is not None and self.settings.metrics_port is not None:
            self.metrics_port, self._stop_metrics = metrics_port.listen(
                self._metrics.registry,
                self.settings.metrics_host,
                self.settings.metrics_port,
                lambda: self._health.serving,
            )
        if self._rest is not None:
            self.rest_port = self._rest.listen()
        self._grpc.start()
        self.manager.start()
        self._source.watch(self.manager.reconfigure)
        return self

    def wait_until_available(self, timeout: float = 60.0) -> None:
        """Waits until every model can answer.

        Args:
          timeout: seconds.

        Raises:
          TimeoutError: one cannot; the message has the reasons of refused versions.
        """
        if self.manager.wait_until_available(timeout):
            return
        reasons = [
            f"{name} version {version.number}: {version.error.text}"
            for name in self.manager.model_names
            for version in self.manager.status(name)
            if version.error
        ]
        missing = [name for name in self.manager.model_names if self.manager.available(name) is None]
        raise TimeoutError(
            f"No version of {', '.join(missing)} is available after {timeout:g} s. "
            + (" ".join(reasons) or "None was refused: it is still loading, or there is no version folder.")
        )

    def stop(self, grace: float | None = None) -> None:
        """Reports NOT_SERVING, takes no more requests, lets those under way finish, and unloads.

        Args:
          grace: seconds for the requests under way; None: as in the settings. After that their clients are told
            UNAVAILABLE; the model of one that still runs is not unloaded.
        """
        grace = self.settings.grace_seconds if grace is None else grace
        self._source.stop()
        self._health.leave()
        if self._rest is not None:
            self._rest.close()
        stopped = self._grpc.stop(grace)
        if self._rest is not None:
            self._rest.stop(grace)
        stopped.wait()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._stop_metrics()
        self.manager.stop(timeout=grace)

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _make_grpc(self) -> grpc.Server:
        settings = self.settings
        server = grpc.server(
            self._pool,
            maximum_concurrent_rpcs=settings.max_concurrent,
            interceptors=[] if self._metrics is None else [CountRequests(self._metrics)],
            options=[
                ("grpc.max_receive_message_length", settings.max_message_bytes),
                ("grpc.max_send_message_length", settings.max_message_bytes),
                # Two servers on one port would share its requests without anyone noticing.
                ("grpc.so_reuseport", 0),
            ],
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(self._prediction, server)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(self._models, server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        return server

    def _make_rest(self) -> RestPort | None:
        if self.settings.rest_port is None:
            return None
        api = RestApi(self.manager, self._prediction, self._models, self.settings.limits, self._metrics)
        return RestPort(api, self._pool, self.settings)

    def _load(self, name: str, folder: Path) -> Servable:
        servable = servables.load(folder, self.settings.require_manifest, self._batch_limits())
        try:
            number = warm_up(servable, folder, self.settings.limits)
        except BaseException:
            servable.close()
            raise
        log.info(
            "model %s: %s loaded, %d warm-up requests run", name, folder, number,
            extra=event("version_loaded", model=name, version=version_number(folder.name), warm_up_requests=number),
        )  # fmt: skip
        return servable

    def _batch_limits(self) -> BatchLimits | None:
        rows = self.settings.batch_rows
        return BatchLimits(rows, self.settings.batch_wait_ms / 1000, self.settings.batch_runs) if rows > 1 else None

    def _tell_health(self) -> None:
        self._health.tell({name: self.manager.available(name) is not None for name in self.manager.model_names})


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    from serving.server_command import main

    main()

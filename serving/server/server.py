"""gRPC server, compatible with TensorFlow Serving's protocol.

Run it with ``python -m serving.server --directory served`` (serving/server/command.py) or embed it as :class:`Server`.
"""

import ipaddress
import logging
import os
import threading
from collections.abc import Callable, Mapping
from concurrent import futures
from pathlib import Path
from typing import Any

from serving.bundle.manifest import SignatureBatching
from serving.bundle.version_folders import version_number
from serving.logs import event
from serving.ports import metrics as metrics_port
from serving.ports.grpc import GrpcPort
from serving.ports.rest.api import RestApi
from serving.ports.rest.http_server import RestPort
from serving.runtime import servable as servables
from serving.runtime.batching import Batcher, BatchLimits, Run
from serving.runtime.servable import Servable
from serving.runtime.warmup import warm_up
from serving.server_settings import ServerSettings
from serving.services.health import Health
from serving.services.metrics import Metrics
from serving.services.models import ModelService
from serving.services.prediction import PredictionService
from serving.versions.label_rules import UnavailableLabels
from serving.versions.manager import ServableManager
from serving.versions.source import ModelSource

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
        self._health, self._telling = Health(), threading.Lock()
        self.metrics_port: int | None = None
        self._metrics = None if self.settings.metrics_port is None else Metrics(self.manager)
        self._stop_metrics: Callable[[], None] = lambda: None
        self._pool = futures.ThreadPoolExecutor(self.settings.threads, thread_name_prefix="request")
        self._runs = futures.ThreadPoolExecutor(self.settings.threads, thread_name_prefix="run")
        self._prediction = PredictionService(self.manager, self.settings.limits, self._metrics)
        unused = self.settings.allow_version_labels_for_unavailable_models
        labels = UnavailableLabels.UNUSED if unused else UnavailableLabels.NONE
        self._models = ModelService(self.manager, labels)
        self._grpc = GrpcPort(self._prediction, self._models, self._health, self._metrics, self._pool, self.settings)
        self.rest_port: int | None = None
        self._rest = self._make_rest()

    def start(self) -> "Server":
        """Binds the port, starts to answer and to load; requests get NOT_FOUND until a model is available.

        Raises:
          InputError: the address cannot be bound, or the certificate cannot be used.
        """
        encrypted = self.settings.tls_certificate is not None
        for open_to, listens in ((self.settings.host, True), (self.settings.rest_host, self._rest is not None)):
            if listens and not encrypted and not _is_loopback(open_to):
                log.warning("%s can be reached from outside, without encryption: see tls_certificate", open_to)
        try:
            self._listen()
        except BaseException:
            # What listens already would keep its port, and answer nothing.
            self.stop(grace=0)
            raise
        self.manager.start()
        self._source.watch(self.manager.reconfigure)
        return self

    def _listen(self) -> None:
        self.port = self._grpc.listen()
        if self._metrics is not None and self.settings.metrics_port is not None:
            self.metrics_port, self._stop_metrics = metrics_port.listen(
                self._metrics.registry,
                self.settings.metrics_host,
                self.settings.metrics_port,
                lambda: self._health.serving,
            )
        if self._rest is not None:
            self.rest_port = self._rest.listen()

    def wait_until_available(self, timeout: float = 60.0) -> None:
        """Waits until every model can answer.

        Args:
          timeout: seconds.

        Raises:
          TimeoutError: one cannot; the message has the reasons of refused versions.
        """
        if self.manager.wait_until_available(timeout):
            # The thread that loaded the last one may not have come to it yet.
            self._tell_health()
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
        wait = self._grpc.stop(grace)
        if self._rest is not None:
            self._rest.stop(grace)
        wait()
        for pool in (self._pool, self._runs):
            pool.shutdown(wait=False, cancel_futures=True)
        self._stop_metrics()
        self.manager.stop(timeout=grace)

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _make_rest(self) -> RestPort | None:
        if self.settings.rest_port is None:
            return None
        api = RestApi(self.manager, self._prediction, self._models, self.settings.limits, self._metrics)
        return RestPort(api, self._pool, self.settings)

    def _load(self, name: str, folder: Path) -> Servable:
        servable = servables.load(folder, self.settings.require_manifest, self._batcher)
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

    def _batcher(self, run: Run, batching: Mapping[str, SignatureBatching]) -> Batcher:
        settings = self.settings
        limits = BatchLimits(settings.batch_rows, settings.batch_wait_ms / 1000, settings.batch_runs)
        return Batcher(run, batching, limits, self._runs)

    def _tell_health(self) -> None:
        with self._telling:
            self._health.tell({name: self.manager.available(name) is not None for name in self.manager.model_names})


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

"""Prometheus metrics of the server."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import grpc
import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from serving.versions.state import VersionStatus

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_OTHER = "other"


class Watched(Protocol):
    """The models of a server."""

    @property
    def model_names(self) -> list[str]:
        """Their names."""

    def status(self, name: str) -> list[VersionStatus]:
        """The versions of one."""

    def available(self, name: str) -> int | None:
        """The version that answers who names none, or None."""

    def labels(self, name: str) -> Mapping[str, int]:
        """The versions that its labels are on; empty for an unknown model."""


class Metrics:
    """Requests, their latency, what was answered, and the versions; a registry of its own.

    Labels can take few values: a request that names a model that is not served counts as ``other``, and its version
    label counts if the model has it.

    Args:
      models: the server's.
    """

    def __init__(self, models: Watched) -> None:
        self._models, self.registry = models, CollectorRegistry()
        of_model = ["model", "label"]
        self._requests = Counter(
            "polyrec_requests", "Requests answered.", [*of_model, "method", "code"], registry=self.registry
        )
        self._latency = Histogram(
            "polyrec_request_seconds",
            "Time to answer.",
            [*of_model, "method"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._users = Counter("polyrec_users", "Users answered.", of_model, registry=self.registry)
        self._fallbacks = Counter(
            "polyrec_fallbacks", "Users of whom nothing was known.", of_model, registry=self.registry
        )
        self._interests = Counter(
            "polyrec_answer_interests",
            "Different interests in a user's answer, added up: over polyrec_users less polyrec_fallbacks, their mean.",
            of_model,
            registry=self.registry,
        )
        self.registry.register(_Versions(models))

    def request(self, spec: Any, method: str) -> Callable[[grpc.StatusCode], None]:
        """Begins to time a request.

        Args:
          spec: ``model_spec`` of the request; None if it has none.
          method: that was called.

        Returns:
          to be called once, with how it ended.
        """
        started, of_model = time.perf_counter(), self._labels(spec)

        def ended(code: grpc.StatusCode) -> None:
            self._latency.labels(*of_model, method).observe(time.perf_counter() - started)
            self._requests.labels(*of_model, method, code.name).inc()

        return ended

    def answered(self, spec: Any, outputs: Mapping[str, npt.NDArray[Any]]) -> None:
        """Looks at the answer of a signature that has ``fallback`` [B] and, of recommendations, ``interest`` [B, k]."""
        fallback, of_model = outputs.get("fallback"), self._labels(spec)
        if fallback is None:
            return
        self._users.labels(*of_model).inc(len(fallback))
        self._fallbacks.labels(*of_model).inc(int(np.sum(fallback)))
        if "interest" in outputs and "valid" in outputs:
            rows = zip(outputs["interest"][~fallback], outputs["valid"][~fallback], strict=True)
            self._interests.labels(*of_model).inc(sum(len(np.unique(row[valid])) for row, valid in rows))

    def _labels(self, spec: Any) -> tuple[str, str]:
        if spec is None or spec.name not in self._models.model_names:
            return _OTHER, ""
        known = spec.version_label and spec.version_label in self._models.labels(spec.name)
        return spec.name, spec.version_label if known else ""


class _Versions(Collector):
    def __init__(self, models: Watched) -> None:
        self._models = models

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Asked for when scraped: the state of every version, and which one answers."""
        states = GaugeMetricFamily(
            "polyrec_version_state", "1 for the state of a version.", labels=["model", "version", "state"]
        )
        serving = GaugeMetricFamily(
            "polyrec_serving_version", "The version that answers who names none, 0 for none.", labels=["model"]
        )
        labelled = GaugeMetricFamily("polyrec_label_version", "The version a label is on.", labels=["model", "label"])
        for name in self._models.model_names:
            serving.add_metric([name], self._models.available(name) or 0)
            for label, number in self._models.labels(name).items():
                labelled.add_metric([name, label], number)
            for version in self._models.status(name):
                state = "REFUSED" if version.error else version.state.name
                states.add_metric([name, str(version.number), state], 1)
        return [states, serving, labelled]

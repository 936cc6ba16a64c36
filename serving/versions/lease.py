"""Leases of loaded models; serving/versions/manager.py loads and unloads them."""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Generic

from serving.errors import invalid_argument, not_found
from serving.versions.state import Model, State, T, Version, VersionStatus
from serving.versions.wanted import ModelConfig


class Lender(Generic[T]):
    """Lends the versions of models to requests, and tells where they stand.

    Args:
      configs: model name -> what is to be served of it.
    """

    def __init__(self, configs: Mapping[str, ModelConfig]) -> None:
        self._models: dict[str, Model[T]] = {name: Model(config) for name, config in configs.items()}
        self._changed = threading.Condition()
        self._wake = threading.Event()

    @property
    def model_names(self) -> list[str]:
        """Names of the models that are served."""
        with self._changed:
            return [name for name, model in self._models.items() if model.config]

    @contextlib.contextmanager
    def use(self, name: str, choice: int | str | None = None) -> Iterator[tuple[int, T]]:
        """Lends a model for one request; it is not unloaded before it is given back.

        Args:
          name: of the model.
          choice: a version, or a label, or None for the stable version, or without that label the newest available.

        Yields:
          the version's number and the model.

        Raises:
          ServingError: NOT_FOUND, nothing of that name and version is available; INVALID_ARGUMENT, no such label.
        """
        version = self._borrow(name, choice)
        try:
            assert version.servable is not None
            yield version.number, version.servable
        finally:
            with self._changed:
                version.requests -= 1
                drained = version.state == State.UNLOADING and not version.requests
            if drained:
                self._wake.set()

    def status(self, name: str) -> list[VersionStatus]:
        """Every version that was looked at since the start, newest first; empty for an unknown model."""
        with self._changed:
            model = self._models.get(name)
            versions = sorted(model.versions.values(), key=lambda version: -version.number) if model else []
            return [VersionStatus(version.number, version.state, version.error) for version in versions]

    def available(self, name: str) -> int | None:
        """The number of the version that answers requests which name none; None: there is none."""
        with self._changed:
            version = self._models[name].available() if name in self._models else None
            return version.number if version else None

    def labels(self, name: str) -> dict[str, int]:
        """The versions that a model's labels are on; empty for an unknown model."""
        with self._changed:
            return dict(self._models[name].labels) if name in self._models else {}

    def labelled(self, name: str, label: str) -> int:
        """The number of the version that a label stands for, whether it is available or not.

        Raises:
          ServingError: INVALID_ARGUMENT, there is no such model or label.
        """
        with self._changed:
            model = self._models.get(name)
            number = model.number_of(label) if model else None
        if number is None:
            raise invalid_argument(f"Unrecognized servable version label: {label}")
        return number

    @property
    def requests_under_way(self) -> int:
        """Requests that have borrowed a model."""
        with self._changed:
            return sum(version.requests for model in self._models.values() for version in model.versions.values())

    def wait_until_available(self, timeout: float) -> bool:
        """Waits until every model can answer.

        Args:
          timeout: seconds.

        Returns:
          whether they can.
        """
        with self._changed:
            return self._changed.wait_for(
                lambda: all(model.available() for model in self._models.values() if model.config), timeout
            )

    def _borrow(self, name: str, choice: int | str | None) -> Version[T]:
        with self._changed:
            number = self.labelled(name, choice) if isinstance(choice, str) else choice
            model, version = self._models.get(name), None
            if model is not None:
                version = model.available() if number is None else model.versions.get(number)
            if version is None or version.state != State.AVAILABLE:
                asked = f"Latest({name})" if number is None else f"Specific({name}, {number})"
                raise not_found(f"Servable not found for request: {asked}")
            version.requests += 1
            return version

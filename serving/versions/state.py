"""State of a model and its versions."""

import enum
import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

import grpc

from serving.bundle.version_folders import Snapshot
from serving.errors import ServingError
from serving.versions.wanted import STABLE, ModelConfig

log = logging.getLogger("serving.version_status")


class State(enum.IntEnum):
    """Where a version stands; ModelVersionStatus.State of tensorflow_serving/apis/get_model_status.proto."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


class VersionStatus(NamedTuple):
    """What is told of a version.

    Attributes:
      number: of the version.
      state: where it stands.
      error: why it was refused; None unless it was.
    """

    number: int
    state: State
    error: ServingError | None


class Closable(Protocol):
    """A loaded model that can be given back."""

    def close(self) -> None:
        """Frees its memory."""


T = TypeVar("T", bound=Closable)


@dataclass
class Version(Generic[T]):
    """One version of a model.

    Attributes:
      number: of the version.
      state: where it stands.
      servable: the loaded model, from AVAILABLE until its last request is done.
      requests: that have borrowed it.
      error: why it was refused; None unless it was.
      seen: what its folder held when it was last tried.
    """

    number: int
    state: State = State.START
    servable: T | None = None
    requests: int = 0
    error: ServingError | None = None
    seen: Snapshot | None = None


@dataclass
class Model(Generic[T]):
    """A model that is served, or was.

    Attributes:
      config: what is to be served of it; None: nothing any more.
      versions: every one that was tried since the start.
      labels: label -> the version that answers to it now.
      trouble: what was last logged of its folder; empty if all is well.
    """

    config: ModelConfig | None
    versions: dict[int, Version[T]] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    trouble: str = ""

    def available(self) -> Version[T] | None:
        """The version for requests that name none: the stable one, or without that label the newest available."""
        numbers = [number for number in self.versions if self.has(number)]
        if not numbers:
            return None
        stable = self.labels.get(STABLE)
        return self.versions[stable if stable in numbers else max(numbers)]

    def has(self, number: int) -> bool:
        """Whether a version is available."""
        return number in self.versions and self.versions[number].state == State.AVAILABLE

    def number_of(self, label: str) -> int | None:
        """The version a label stands for, available or not; None: there is no such label."""
        wanted = self.config.labels.get(label) if self.config else None
        return self.labels.get(label, wanted)

    def move_labels(self) -> dict[str, int]:
        """Puts each label on its version if that is available; until then it stays where it was.

        Returns:
          the labels that were moved, and where to.
        """
        before, wanted = self.labels, self.config.labels if self.config else {}
        self.labels = {}
        for label, number in wanted.items():
            if not self.has(number):
                number = before.get(label, number)
            if self.has(number):
                self.labels[label] = number
        return {label: number for label, number in self.labels.items() if before.get(label) != number}

    def retire(self, wanted: Collection[int]) -> list[int]:
        """Has every available version that is not wanted unloaded, when its last request is done; tells which."""
        numbers = [number for number in self.versions if self.has(number) and number not in wanted]
        for number in numbers:
            self.versions[number].state = State.UNLOADING
        return numbers

    def waiting_labels(self) -> set[int]:
        """Versions that a label stays on until the one it is meant for is available."""
        wanted = self.config.labels if self.config else {}
        return {number for label, number in self.labels.items() if wanted.get(label) != number}


def as_refusal(error: Exception) -> ServingError:
    """Why a version could not be loaded, as it is told."""
    if isinstance(error, ServingError):
        return error
    if isinstance(error, ValueError):
        return ServingError(grpc.StatusCode.FAILED_PRECONDITION, str(error))
    log.error("unexpected error while loading", exc_info=error)
    return ServingError(grpc.StatusCode.INTERNAL, f"Internal error while loading: {error!r}")

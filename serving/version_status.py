"""What the server knows of a model and its versions."""

import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

from serving.status import ServingError
from serving.version_folders import Snapshot


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
    """A model that is watched.

    Attributes:
      base_path: folder of its version folders.
      versions: every one that was tried since the start.
      trouble: what was last logged of its folder; empty if all is well.
    """

    base_path: Path
    versions: dict[int, Version[T]] = field(default_factory=dict)
    trouble: str = ""

    def available(self) -> Version[T] | None:
        """The version that answers: the newest one that is available."""
        numbers = [number for number, version in self.versions.items() if version.state == State.AVAILABLE]
        return self.versions[max(numbers)] if numbers else None

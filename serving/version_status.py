"""The states of a version, as ModelService reports them."""

import enum
from typing import NamedTuple

from serving.status import ServingError


class State(enum.IntEnum):
    """Numbers of ModelVersionStatus.State in tensorflow_serving/apis/get_model_status.proto."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


class VersionStatus(NamedTuple):
    """One version of a model.

    Attributes:
      number: of the version.
      state: where it stands.
      error: why it was refused; None unless it was.
    """

    number: int
    state: State
    error: ServingError | None

"""Rules for version labels, with the messages of TensorFlow Serving's server_core.cc."""

import enum
from collections.abc import Mapping
from typing import Any

import grpc

from serving.errors import ServingError
from serving.versions.state import Model
from serving.versions.wanted import ModelConfig


class UnavailableLabels(enum.Enum):
    """Which labels a new configuration may give to versions that are not available."""

    NONE = enum.auto()
    UNUSED = enum.auto()
    ANY = enum.auto()


def check_labels(
    configs: Mapping[str, ModelConfig], models: Mapping[str, Model[Any]], allowed: UnavailableLabels
) -> None:
    """Makes sure that every label is on a version that is available, or may wait for it.

    Args:
      configs: what is to be served.
      models: what is served now.
      allowed: labels that may wait; UNUSED: those that are on no other version now.

    Raises:
      ServingError: FAILED_PRECONDITION, one is not and may not.
    """
    for name, config in configs.items():
        model = models.get(name, Model[Any](None))
        for label, number in config.labels.items():
            unused = model.number_of(label) in (None, number)
            waits = allowed is UnavailableLabels.ANY or (allowed is UnavailableLabels.UNUSED and unused)
            if not model.has(number) and not waits:
                raise ServingError(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"Request to assign label to version {number} of model {name}, which is not currently "
                    "available for inference",
                )

"""Wanted versions of a model, from a folder or ``models.config``."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

STABLE = "stable"
"""The label of the version that answers requests which name none."""


@dataclass(frozen=True)
class VersionPolicy:
    """Which versions are to be available; FileSystemStoragePathSourceConfig.ServableVersionPolicy.

    Attributes:
      at_most: as many of the newest good ones; None: all.
      only: of these numbers; None: of any.
    """

    at_most: int | None = 1
    only: frozenset[int] | None = None

    def candidates(self, found: Collection[int]) -> list[int]:
        """The versions that may be served of those that were found, newest first."""
        return sorted((number for number in found if self.only is None or number in self.only), reverse=True)


NEWEST = VersionPolicy()


@dataclass(frozen=True)
class ModelConfig:
    """What is to be served of a model.

    Attributes:
      base_path: folder of its version folders; it may appear later.
      policy: which of them are available at the same time, beside those with a label.
      labels: label -> version.
    """

    base_path: Path
    policy: VersionPolicy = NEWEST
    labels: Mapping[str, int] = field(default_factory=dict)

    def labelled(self, found: Collection[int]) -> list[int]:
        """The versions with a label of those that were found: the stable one first, then newest first."""
        numbers = {number for number in self.labels.values() if number in found}
        return sorted(numbers, key=lambda number: (number != self.labels.get(STABLE), -number))

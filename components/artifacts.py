"""Artifacts as TFX hands them to an executor."""

from tfx.types import Artifact

Artifacts = dict[str, list[Artifact]]
"""Input or output -> its artifacts."""

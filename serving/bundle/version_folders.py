"""Models and numeric version folders on disk, and detection of changes."""

import os
from pathlib import Path

from trainer.errors import InputError

Snapshot = frozenset[tuple[str, int, int]]
"""Path, size in bytes and modification time in nanoseconds of every file of a version folder."""

_LARGEST_VERSION = 2**63 - 1


def version_number(name: str) -> int | None:
    """The version that a folder's name stands for, or None. ``007`` is 7, as in TensorFlow Serving."""
    if not (name.isascii() and name.isdecimal()) or int(name) > _LARGEST_VERSION:
        return None
    return int(name)


def find_versions(base_path: Path) -> dict[int, Path]:
    """The version folders of a model.

    Args:
      base_path: the model's folder.

    Returns:
      version -> folder; of two names for one version (``7``, ``007``) the first in alphabetical order is ignored.

    Raises:
      OSError: the folder cannot be read.
    """
    found = {}
    for name in sorted(os.listdir(base_path)):
        number = version_number(name)
        if number is not None and (base_path / name).is_dir():
            found[number] = base_path / name
    return found


def snapshot(folder: Path) -> Snapshot:
    """What is in a folder right now; a file that vanishes meanwhile is left out."""
    entries = []
    for directory, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(directory, name)
            try:
                status = os.lstat(path)
            except OSError:
                continue
            entries.append((os.path.relpath(path, folder), status.st_size, status.st_mtime_ns))
    return frozenset(entries)


def find_models(directory: Path, model_name: str | None = None) -> dict[str, Path]:
    """Which models a directory holds.

    Args:
      directory: of models, each a folder of version folders; or of the versions of one model.
      model_name: the one to serve. Its folder may be made later; if ``directory`` itself has version folders, they
        are served under this name.

    Returns:
      model name -> folder of its versions.

    Raises:
      InputError: no directory, or no model in it.
    """
    if not directory.is_dir():
        raise InputError(f"{directory} is not a directory. Give the one that models were pushed to.")
    if _has_versions(directory):
        return {model_name or directory.resolve().name: directory}
    if model_name is not None:
        return {model_name: directory / model_name}
    found = {path.name: path for path in sorted(directory.iterdir()) if _has_versions(path)}
    if not found:
        raise InputError(
            f"{directory} holds no model: expected {directory}/MODEL/VERSION with a number as VERSION. "
            "Push one first (polyrec run), or name the model to wait for."
        )
    return found


def _has_versions(path: Path) -> bool:
    return path.is_dir() and any(version_number(child.name) is not None for child in path.iterdir() if child.is_dir())

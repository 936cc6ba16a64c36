"""What stands on disk: numeric version folders, and whether one has changed since it was last looked at."""

import os
from pathlib import Path

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

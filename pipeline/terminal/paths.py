"""Paths as printed."""

from pathlib import Path


def shown(path: str | Path) -> str:
    """The path, relative where it lies below the working directory."""
    path = Path(path)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)

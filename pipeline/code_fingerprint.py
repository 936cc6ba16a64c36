"""A number for our code, because TFX's cache sees the arguments of a component and not the code behind them."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def fingerprint(parts: Iterable[str], root: Path = ROOT) -> str:
    """The SHA-256 over the Python sources of ``parts``, by name and content.

    Args:
      parts: files or folders (taken whole) below ``root``, such as ``components/ingestion``.
      root: where the packages are.

    Returns:
      16 hexadecimal digits.

    Raises:
      FileNotFoundError: a part does not exist.
    """
    digest = hashlib.sha256()
    for path in sorted({file for part in parts for file in _files(root / part)}):
        for piece in (path.relative_to(root).as_posix().encode(), path.read_bytes()):
            digest.update(len(piece).to_bytes(8, "big") + piece)
    return digest.hexdigest()[:16]


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return list(path.rglob("*.py"))
    if not path.is_file():
        raise FileNotFoundError(path)
    return [path]

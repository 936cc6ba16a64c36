r"""Path aliases without characters that TensorFlow and Beam read as patterns.

Both find files of their own, such as the parts of a checkpoint, by a pattern that begins with the folder's path. In a
folder with ``* ? [ \`` in its path they find none, or those of another folder.
"""

import hashlib
import os
import tempfile
from pathlib import Path

from trainer.errors import InputError

PATTERNS = "*?[\\"
"""What has a meaning of its own in a pattern."""


def plain_path(path: str) -> str:
    """The same place by a path without characters of patterns: itself, or through a symbolic link.

    Links are kept in the user's folder of caches (XDG_CACHE_HOME, or ~/.cache) and are always called the same, because
    the metadata of a pipeline remember paths.

    Args:
      path: a file or folder, there already or not; the folders above it that have such characters are there.

    Raises:
      InputError: the path is a URL, which nothing can be linked to, or the link cannot be made.
    """
    if not _found(path):
        return path
    if "://" in path:
        raise InputError(f"{path} has {_found(path)} in it, which TensorFlow takes for a pattern. Take another name.")
    parts = Path(os.path.abspath(path)).parts
    cut = 1 + max(place for place, part in enumerate(parts) if _found(part))
    return str(Path(_link(str(Path(*parts[:cut]))), *parts[cut:]))


def refuse_patterns(key: str, path: str) -> None:
    """Refuses a path that TensorFlow would take for a pattern.

    Args:
      key: of the configuration.
      path: its value.

    Raises:
      InputError: it has such characters.
    """
    if found := _found(path):
        raise InputError(
            f"{key}: {path} has {found} in it, which TensorFlow takes for a pattern. Take a folder without any of "
            f"{' '.join(PATTERNS)} in its path."
        )


def _found(text: str) -> str:
    return " ".join(sorted({character for character in text if character in PATTERNS}))


def _link(target: str) -> str:
    folder = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "polyrec", "paths")
    link = os.path.join(folder, hashlib.sha256(os.fsencode(target)).hexdigest()[:16])
    try:
        if _found(folder):
            raise OSError(f"its path has {_found(folder)} in it as well")
        os.makedirs(folder, exist_ok=True)
        if not os.path.islink(link) or os.readlink(link) != target:
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                os.symlink(target, os.path.join(scratch, "link"))
                os.replace(os.path.join(scratch, "link"), link)
    except OSError as error:
        raise InputError(
            f"{target} has {_found(target)} in its path, which TensorFlow takes for a pattern, and no link to it "
            f"can be made in {folder}: {error}. Set XDG_CACHE_HOME to a folder that can be written, or take one "
            f"without any of {' '.join(PATTERNS)} in its path."
        ) from error
    return link

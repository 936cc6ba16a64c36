"""Folders whose names TensorFlow and Beam would take for patterns."""

from collections.abc import Mapping

from trainer.errors import InputError

_PATTERNS = "*?[\\"


def refuse_patterns(folders: Mapping[str, str]) -> None:
    r"""Refuses folders that TensorFlow's checkpoints or Beam's sources cannot be read in.

    Both look their own files up by a pattern made of the folder's path: with ``* ? [ \`` in it they find others', or
    none, after minutes of work. Tables are opened by name, so that data.directory may be called anything.

    Args:
      folders: key of the configuration -> absolute path.

    Raises:
      InputError: a path has such a character in it.
    """
    for key, path in folders.items():
        if found := sorted({character for character in path if character in _PATTERNS}):
            raise InputError(
                f"{key}: {path} has {' '.join(found)} in it, which TensorFlow takes for a pattern: it would not find "
                f"its own files there. Set {key} to a folder without any of {' '.join(_PATTERNS)} in its path. "
                "(Folders and files of data may have them.)"
            )

"""Joins, moves and removes files and folders that may be on this machine or in an object store.

A URL is no path: normalising it turns ``gs://`` into ``gs:/``. An object store has no folders either, only names of
objects, so that an empty folder is none and a folder cannot be renamed.
"""

import os
import shutil


def is_url(path: str) -> bool:
    """Whether ``path`` is a URL such as gs://bucket/file."""
    return "://" in path


def join(folder: str, *names: str) -> str:
    """The path of something below a folder.

    Args:
      folder: a path or URL.
      names: relative, from the outermost inwards.
    """
    return "/".join([folder.rstrip("/"), *names]) if is_url(folder) else os.path.join(folder, *names)


def parent(path: str, levels: int = 1) -> str:
    """The folder that ``path`` lies in.

    Args:
      path: of a file or folder, with or without a slash at its end.
      levels: how many folders to go up.

    Raises:
      ValueError: a URL has fewer folders below its scheme.
    """
    if not is_url(path):
        return os.path.normpath(os.path.join(path, *[os.pardir] * levels))
    scheme, place = path.split("://", 1)
    parts = place.rstrip("/").split("/")
    if levels >= len(parts):
        raise ValueError(f"{path} has no {levels} folders above it.")
    return f"{scheme}://{'/'.join(parts[:-levels])}"


def remove_folder(folder: str) -> None:
    """Removes a folder with all that is in it, if it is there."""
    if not is_url(folder):
        shutil.rmtree(folder, ignore_errors=True)
        return
    import tensorflow as tf

    if tf.io.gfile.isdir(folder):
        tf.io.gfile.rmtree(folder)


def move_folder(source: str, target: str) -> None:
    """Puts a folder in the place of another, which is replaced.

    On this machine that is one rename. In an object store the files are renamed one by one, and of an empty folder
    nothing is left, neither ``source`` nor ``target``.

    Args:
      source: a folder; in an object store an empty one may be missing.
      target: of the same file system.
    """
    remove_folder(target)
    if not is_url(source):
        os.rename(source, target)
        return
    import tensorflow as tf

    if tf.io.gfile.isdir(source):
        for folder, _, names in list(tf.io.gfile.walk(source)):
            inside = folder[len(source) :].strip("/")
            for name in names:
                if not name:  # the marker of a folder
                    continue
                file = join(target, inside, name) if inside else join(target, name)
                tf.io.gfile.makedirs(parent(file))
                tf.io.gfile.rename(join(folder, name), file)
    remove_folder(source)

"""Atomic file writes, locally or on any file system that TensorFlow supports."""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import tensorflow as tf

from trainer.errors import InputError
from trainer.storage_paths import join, move_folder, remove_folder


def write_text(path: str, text: str) -> None:
    """Writes ``text`` under a temporary name and renames it."""
    partial = f"{path}.{uuid.uuid4().hex}.partial"
    with tf.io.gfile.GFile(partial, "w") as file:
        file.write(text)
    tf.io.gfile.rename(partial, path, overwrite=True)


def exists(path: str) -> bool:
    """Whether there is a file or folder."""
    return bool(tf.io.gfile.exists(path))


def read_text(path: str) -> str:
    """The text of a file."""
    with tf.io.gfile.GFile(path, "r") as file:
        return str(file.read())


def write_records(path: str, records: Iterable[bytes]) -> None:
    """Writes a gzipped TFRecord file at the fast level, under a temporary name, and renames it.

    A run that was killed leaves a name that ends in .partial, never a half file under ``path``.
    """
    partial = f"{path}.{uuid.uuid4().hex}.partial"
    options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)
    with tf.io.TFRecordWriter(partial, options) as writer:
        for record in records:
            writer.write(record)
    tf.io.gfile.rename(partial, path, overwrite=True)


@contextmanager
def full_disk_in_words(directory: str) -> Iterator[None]:
    """Turns "no space left" while writing below ``directory`` into an InputError."""
    try:
        yield
    except (OSError, tf.errors.ResourceExhaustedError) as error:
        no_space = isinstance(error, tf.errors.ResourceExhaustedError) or error.errno == 28
        if not no_space:
            raise
        raise InputError(
            f"No space left while writing below {directory}. Free some, or put the pipeline's root on another disk."
        ) from error


def split_folder(directory: str, split: str) -> str:
    """Where TFX looks for the files of ``split``."""
    return join(directory, f"Split-{split}")


def publish(staging: str, directory: str, splits: Iterable[str]) -> None:
    """Renames finished splits into place and removes what is left of the staging folder."""
    for split in splits:
        move_folder(split_folder(staging, split), split_folder(directory, split))
    remove_folder(staging)

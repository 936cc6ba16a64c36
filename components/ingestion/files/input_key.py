"""Cache key of the input tables: their content, read only where a file may have changed."""

import hashlib
import json
import os
import time
from collections.abc import Sequence

import tensorflow as tf

from components.ingestion.files.inputs import table_path
from components.ingestion.files.storage import read_text, write_text
from components.ingestion.files.tables import TableFile, find_files, inside, open_binary
from components.settings import DataSettings
from trainer.errors import InputError
from trainer.storage_paths import is_url

INPUT_HASHES = ".input_hashes.json"
"""File beside the artifacts: the hashes of files, and what the file system said of the files then."""

_BLOCK = 1 << 20
_FRESH_NS = 2_000_000_000
_GCS = "gs://"


class InputHashes:
    """Hashes of files' contents, kept from run to run.

    A file is read again unless the file system says that nothing has happened to it: path, device, inode, size, and
    the times of the last change of content and of state, in nanoseconds. The last one cannot be set, so that a file
    that was put in another's place with its time and size (``cp -p``, ``rsync -t``, ``tar``) is read.

    Args:
      path: where they are kept; None keeps them nowhere.
    """

    def __init__(self, path: str | None = None) -> None:
        self._path = path
        self._kept = _read(path) if path else {}
        self._changed = False

    def of(self, path: str) -> str:
        """The BLAKE2b of a file's content, 32 hexadecimal digits.

        Of an object of Google Cloud Storage it is that of what the service says of it: size, and the time of its
        last change, which the service sets itself. Other remote files are read every time.

        Raises:
          InputError: the file cannot be read.
        """
        try:
            return self._of(path)
        except (OSError, tf.errors.OpError) as error:
            raise InputError(f"{path} cannot be read: {error}. Check the file and its permissions.") from error

    def _of(self, path: str) -> str:
        if path.startswith(_GCS):
            status = tf.io.gfile.stat(path)
            return _digest(f"{status.length} {status.mtime_nsec}".encode())
        if is_url(path):
            return _content(path)
        now, before = time.time_ns(), _state(path)
        kept = self._kept.get(path)
        if isinstance(kept, list) and kept[:-1] == before:
            return str(kept[-1])
        content = _content(path)
        # The clock of a file system ticks every few milliseconds: a file that was changed just now could be changed
        # once more within the tick.
        if _state(path) == before and before[-1] < now - _FRESH_NS:
            self._kept[path] = [*before, content]
            self._changed = True
        return content

    def save(self) -> None:
        """Keeps what has been read."""
        if self._path is not None and self._changed:
            gone = [path for path in self._kept if not os.path.exists(path)]
            for path in gone:
                del self._kept[path]
            write_text(self._path, json.dumps(self._kept, indent=1))
            self._changed = False


def input_key(settings: DataSettings, tables: Sequence[str], hashes: InputHashes) -> str:
    """The content of tables, and the names of their files in the order in which they are read.

    Args:
      settings: names the tables.
      tables: of ``interactions``, ``items`` and ``users``; one that the settings do not name has no files.
      hashes: known so far; those read now are added.

    Returns:
      ``table:hash`` of each, with a space between.

    Raises:
      InputError: a table of the settings matches no file, see ``tables.find_files``; or one cannot be read.
    """
    return " ".join(f"{table}:{_table_key(settings, table, hashes)}" for table in tables)


def _table_key(settings: DataSettings, table: str, hashes: InputHashes) -> str:
    given = getattr(settings, table)
    if given is None:
        return "none"
    path = table_path(settings, given)
    return files_key(path, find_files(path, f"data.{table}"), hashes)


def files_key(path: str, files: Sequence[TableFile], hashes: InputHashes) -> str:
    """The content of the files of the table at ``path``, and their names below it.

    Raises:
      InputError: one cannot be read.
    """
    listed = [[inside(file.path, path), hashes.of(file.path)] for file in files]
    return _digest(json.dumps(listed).encode())


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _content(path: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with open_binary(path) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _state(path: str) -> list[int]:
    status = os.stat(path)
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _read(path: str) -> dict[str, list[int | str]]:
    try:
        kept = json.loads(read_text(path))
    except (tf.errors.OpError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}

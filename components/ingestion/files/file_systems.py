"""File systems that tables are read from: this machine's, those of TensorFlow, and those of fsspec."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Protocol

import pyarrow as pa

from trainer.errors import InputError
from trainer.storage_paths import is_url, join

_BUFFER_BYTES = 1 << 20
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs", "hdfs": "pyarrow"}


class FileSystem(Protocol):
    """What reading a table asks for. Every method raises OSError where the storage does not answer."""

    def is_folder(self, path: str) -> bool:
        """Whether ``path`` is a folder with something in it, or on a disk an existing one."""

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder."""

    def size(self, path: str) -> int:
        """Bytes of a file."""

    def open(self, path: str) -> BinaryIO | pa.NativeFile:
        """The bytes of a file, seekable."""

    def files_below(self, folder: str) -> Iterator[str]:
        """The paths of all files in a folder and those inside it; names that start with "." or "_" are passed over."""


def file_system(path: str) -> FileSystem:
    """The file system of a path or URL: TensorFlow's where it has one for the scheme, else fsspec's.

    Raises:
      InputError: the scheme is known to neither, or fsspec lacks the package for it.
    """
    if not is_url(path):
        return _Disk()
    import tensorflow as tf

    scheme = path.split("://", 1)[0]
    return _TensorFlow() if scheme in tf.io.gfile.get_registered_schemes() else _Fsspec(path, scheme)


class _Disk:
    def is_folder(self, path: str) -> bool:
        return os.path.isdir(path)

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def size(self, path: str) -> int:
        return os.path.getsize(path)

    def open(self, path: str) -> pa.NativeFile:
        return pa.OSFile(path, "rb")

    def files_below(self, folder: str) -> Iterator[str]:
        whole = os.path.realpath(folder)
        for parent, folders, names in os.walk(folder, followlinks=True):
            yield from (os.path.join(parent, name) for name in names if not _is_hidden(name))
            folders[:] = [
                name for name in folders if not (_is_hidden(name) or _leads_inside(os.path.join(parent, name), whole))
            ]


class _TensorFlow:
    def is_folder(self, path: str) -> bool:
        with _as_os_error():
            return bool(_gfile().isdir(path))

    def exists(self, path: str) -> bool:
        with _as_os_error():
            return bool(_gfile().exists(path))

    def size(self, path: str) -> int:
        with _as_os_error():
            return int(_gfile().stat(path).length)

    def open(self, path: str) -> BinaryIO:
        self.size(path)  # A GFile says only on reading that there is none.
        return io.BufferedReader(_GFileBytes(path), _BUFFER_BYTES)

    def files_below(self, folder: str) -> Iterator[str]:
        waiting = [folder]
        while waiting:
            inside = waiting.pop()
            with _as_os_error():
                # An object store lists a folder with a slash behind its name, and the marker of this one as "".
                names = [name.strip("/") for name in _gfile().listdir(inside)]
                paths = [join(inside, name) for name in names if name and not _is_hidden(name)]
                folders = {path for path in paths if _gfile().isdir(path)}
            waiting += folders
            yield from (path for path in paths if path not in folders)


class _GFileBytes(io.RawIOBase):
    """A file of TensorFlow as Python has them: tf.io.gfile.GFile lacks ``closed`` and ``readinto``, and its errors."""

    def __init__(self, path: str) -> None:
        self._file = _gfile().GFile(path, "rb")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _as_os_error():
            content: bytes = self._file.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with _as_os_error():
            self._file.seek(offset, whence)
            return int(self._file.tell())

    def tell(self) -> int:
        with _as_os_error():
            return int(self._file.tell())

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class _Fsspec:
    def __init__(self, path: str, scheme: str) -> None:
        try:
            import fsspec

            self._files: Any = fsspec.core.url_to_fs(path)[0]
        except ImportError as error:
            needed = " and ".join(dict.fromkeys(("fsspec", _PACKAGES.get(scheme, "what it needs for the scheme"))))
            raise InputError(f"{path}: reading {scheme}:// takes {needed} ({error}). Install them.") from error
        except ValueError as error:
            raise InputError(
                f"{path}: neither TensorFlow nor fsspec has a file system for {scheme}://. Copy the table to one that "
                "they have, such as s3:// or gs://, or to a folder."
            ) from error
        # Listings are kept by the process, and would hide what was written since.
        self._files.invalidate_cache()

    def is_folder(self, path: str) -> bool:
        return bool(self._files.isdir(path))

    def exists(self, path: str) -> bool:
        return bool(self._files.exists(path))

    def size(self, path: str) -> int:
        return int(self._files.size(path))

    def open(self, path: str) -> BinaryIO:
        opened: BinaryIO = self._files.open(path, "rb")
        return opened

    def files_below(self, folder: str) -> Iterator[str]:
        root = self._files._strip_protocol(folder).rstrip("/")
        for path in self._files.find(folder):
            inside = path[len(root) :].strip("/")
            if not any(_is_hidden(part) for part in inside.split("/")):
                yield join(folder, inside)


def _gfile() -> Any:
    import tensorflow as tf

    return tf.io.gfile


@contextmanager
def _as_os_error() -> Iterator[None]:
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        raise OSError(error.message or type(error).__name__) from error


def _leads_inside(path: str, folder: str) -> bool:
    """Whether a folder is a link to where files are read anyway, such as ``latest``."""
    if not os.path.islink(path):
        return False
    target = os.path.realpath(path)
    return os.path.commonpath([target, folder]) in (target, folder)


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_"))

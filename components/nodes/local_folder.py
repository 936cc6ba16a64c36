"""Local copies of artifacts, wherever the pipeline root is."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from tfx.utils import io_utils

from trainer.storage_paths import is_url


@contextmanager
def local_copy(uri: str) -> Iterator[str]:
    """The folder ``uri`` as a local one: itself, or a copy of a remote one that is removed afterwards."""
    if not is_url(uri):
        yield uri
        return
    with tempfile.TemporaryDirectory() as scratch:
        io_utils.copy_dir(uri, f"{scratch}/copy")
        yield f"{scratch}/copy"


@contextmanager
def local_target(uri: str) -> Iterator[str]:
    """A local folder to be made, which ends up as ``uri``: itself, or one that is copied there afterwards."""
    if not is_url(uri):
        yield uri
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield f"{scratch}/target"
        io_utils.copy_dir(f"{scratch}/target", uri)

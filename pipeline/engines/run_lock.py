"""Lock that allows one run at a time in a pipeline's folder."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from trainer.errors import InputError


@contextlib.contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Holds the folder, which is made if missing, until the block ends or the process dies.

    Args:
      folder: of the pipeline: ROOT/NAME.

    Raises:
      InputError: another process holds it, or the folder cannot be written.
    """
    path = folder / ".lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror}). Set pipeline.root to another folder."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise InputError(
                f"{folder}: process {file.read().strip() or 'unknown'} is running this pipeline. Wait for it to end, "
                "or set pipeline.name or pipeline.root to run beside it."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield

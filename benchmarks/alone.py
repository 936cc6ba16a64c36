"""For benchmarks that run the pipeline in a folder of theirs."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import click

from pipeline.engines.run_lock import run_lock
from trainer.errors import InputError


@contextlib.contextmanager
def alone(root: Path) -> Iterator[None]:
    """Holds ROOT until the block ends; what a user can mend is told without a traceback.

    Raises:
      click.ClickException: another process holds it, or an InputError came out of the block.
    """
    try:
        with run_lock(root):
            yield
    except InputError as error:
        raise click.ClickException(str(error)) from error

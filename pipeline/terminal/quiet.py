"""Keeps the terminal readable: everything else goes to the log file."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from pipeline.terminal.any_letter import ERRORS


@contextlib.contextmanager
def quiet(log: Path) -> Iterator[Console]:
    """Sends standard output and standard error to a file, those of C++ code and of child processes as well.

    Args:
      log: the file, appended to.

    Yields:
      A console on what standard output was before.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    log.parent.mkdir(parents=True, exist_ok=True)
    saved = os.dup(1), os.dup(2)
    encoding = sys.stdout.encoding  # the user's choice, which is not always that of the locale
    with (
        log.open("ab", buffering=0) as file,
        os.fdopen(os.dup(saved[0]), "w", encoding=encoding, errors=ERRORS) as terminal,
    ):
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield Console(file=terminal, highlight=False)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for descriptor, original in zip((1, 2), saved, strict=True):
                os.dup2(original, descriptor)
                os.close(original)


def log_everything() -> None:
    """Lets Python's loggers write to standard error, with times: to the log file, inside :func:`quiet`."""
    from absl import logging as absl_logging

    absl_logging.use_absl_handler()
    absl_logging.set_verbosity(absl_logging.INFO)
    absl_logging.set_stderrthreshold(absl_logging.INFO)
    logging.captureWarnings(True)

"""Options for item ids, with any characters in them."""

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from pipeline.terminal.any_letter import as_text
from trainer.errors import InputError

_Command = TypeVar("_Command", bound=Callable[..., Any])
_COMMA = re.compile(r"(?<!\\),")

RULE = r"once: A,B,... (\, is a comma in an id); several times: an id each"


def id_options(name: str, words: str, what: str = "Item ids") -> Callable[[_Command], _Command]:
    """Adds ``--NAME`` and ``--NAME-file``; the command is given ``NAME`` and ``NAME_file``, for :func:`given_ids`.

    Args:
      name: of the option.
      words: what the ids are for, the rest of a sentence.
      what: is named.
    """

    def add(command: _Command) -> _Command:
        option = click.option(f"--{name}", multiple=True, metavar="A,B,...", help=f"{what} {words}; {RULE}.")
        path = click.option(
            f"--{name}-file",
            metavar="FILE",
            type=click.Path(path_type=Path),
            help="Read them from a file, one per line; -: stdin.",
        )
        return option(path(command))

    return add


def given_ids(name: str, values: Sequence[str], path: Path | None = None) -> list[str]:
    r"""The ids that an option and its file name.

    Args:
      name: of the option, for messages.
      values: of the option. A single one is divided at its commas, but for ``\,``; of several each is one id.
      path: a file with an id a line, or ``-``.

    Raises:
      InputError: both are given, the file cannot be read, or an id is no UTF-8.
    """
    if path is None:
        values = [as_text(value) for value in values]
        if len(values) != 1:
            return [value for value in values if value]
        parts = (part.strip().replace("\\,", ",") for part in _COMMA.split(values[0]))
        return [part for part in parts if part]
    if values:
        raise InputError(f"--{name} and --{name}-file name the same: give one of them.")
    return read_lines(path, f"--{name}-file")


def read_lines(path: Path, option: str) -> list[str]:
    """The lines of a file, or of standard input for ``-``, without those that are empty.

    Raises:
      InputError: it cannot be read as text.
    """
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{option} {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{option} {path}: not UTF-8 at byte {error.start}.") from error
    return [line.removesuffix("\r") for line in text.split("\n") if line.strip()]

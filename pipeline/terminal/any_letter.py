"""Output that never fails on a character, whatever the terminal's encoding."""

import os
import sys
from io import TextIOWrapper

from trainer.errors import InputError

ERRORS = "backslashreplace"
"""A letter that the encoding lacks is written as its number, such as \\u0434, and loses nothing."""


def write_any_letter() -> None:
    """Has standard output and standard error write letters that their encoding lacks as numbers."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=ERRORS)


def as_text(argument: str) -> str:
    """A word of the command line as UTF-8, also where the locale knows ASCII only and Python could not read it.

    Raises:
      InputError: it is no UTF-8.
    """
    try:
        argument.encode()
    except UnicodeEncodeError:
        try:
            return os.fsencode(argument).decode()
        except UnicodeDecodeError as error:
            raise InputError(f"{argument!r} is no UTF-8.") from error
    return argument

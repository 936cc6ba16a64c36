"""Output that takes any letter, whatever encoding the terminal or the file behind it has."""

import sys
from io import TextIOWrapper

ERRORS = "backslashreplace"
"""A letter that the encoding lacks is written as its number, such as \\u0434, and loses nothing."""


def write_any_letter() -> None:
    """Has standard output and standard error write letters that their encoding lacks as numbers."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=ERRORS)

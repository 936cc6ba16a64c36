"""Errors of a step on a cluster, from its log: there is no other way to see them from outside."""

import re

from trainer.errors import GateRefused, InputError

_TOLD = re.compile(r"^(?:(?:\w+\.)*(InputError|GateRefused)|Error|Refused): (.*)$")
_RAISED: dict[str, type[InputError] | type[GateRefused]] = {
    "InputError": InputError,
    "GateRefused": GateRefused,
    "Error": InputError,
    "Refused": GateRefused,
}
_LAUNCHER = re.compile(r"[IWEF]\d{4} |time=|\s*$")
_PYTHON = re.compile(r"Traceback |During handling |The above exception ")
_BEAM = re.compile(r" \[while running .*\]$")


def error_in(log: str) -> InputError | GateRefused | None:
    """The last error in a log that a user can act on.

    Args:
      log: of a step that failed: with Python's traceback, or with ``Error:`` or ``Refused:`` before its last words.

    Returns:
      None if there is none: the step failed for another reason.
    """
    lines = log.splitlines()
    found: InputError | GateRefused | None = None
    for number, line in enumerate(lines):
        if (told := _TOLD.match(line)) is None:
            continue
        after = lines[number + 1 :]
        more = 0
        while more < len(after) and not _LAUNCHER.match(after[more]) and not _PYTHON.match(after[more]):
            more += 1
        # Other programs write "Error:" as well, and go on.
        if told[1] is None and not all(_LAUNCHER.match(rest) for rest in after[more:]):
            continue
        message = [told[2], *after[:more]]
        kind = told[1] or line.partition(":")[0]
        found = _RAISED[kind]("\n".join(_BEAM.sub("", words) for words in message))
    return found

"""Outcomes of a run and their exit codes."""

from typing import Literal

from trainer.errors import GateRefused, InputError

Outcome = Literal["pushed", "unchanged", "refused", "wrong input", "failed", "interrupted"]
"""``unchanged``: the version that is there already is the same to the byte."""

EXIT_CODES: dict[Outcome, int] = {
    "pushed": 0,
    "unchanged": 0,
    "failed": 1,
    "wrong input": 2,
    "refused": 4,
    "interrupted": 130,
}


def outcome_of(error: BaseException) -> Outcome:
    """The end of a run that an error ended."""
    if isinstance(error, GateRefused):
        return "refused"
    if isinstance(error, InputError):
        return "wrong input"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"

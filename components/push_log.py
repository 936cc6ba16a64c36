"""What the Pusher's log says of its end, for whoever follows a run on a cluster: artifacts are out of reach there."""

import re
from pathlib import Path

_PUSHED, _NOTHING = "polyrec pushed: ", "polyrec pushed nothing."


def announce(version: Path | None) -> None:
    """Says in the step's log what was pushed, for :func:`pushed_in` to find.

    Args:
      version: the version folder; None for nothing.
    """
    print(_NOTHING if version is None else f"{_PUSHED}{version}", flush=True)


def pushed_in(log: str) -> tuple[bool, str | None]:
    """What a Pusher's log says.

    Args:
      log: of the step.

    Returns:
      Whether it says anything, and the version folder, or None for nothing pushed.
    """
    found = re.findall(rf"^(?:{re.escape(_PUSHED)}(.+)|{re.escape(_NOTHING)})$", log, re.MULTILINE)
    return bool(found), (found[-1] or None) if found else None

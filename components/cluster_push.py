"""Pushing from a step of a cluster: its disk, and a refusal in words."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from tfx.components.util import model_utils
from tfx.types import Artifact

from components.execution import REASON
from trainer.errors import InputError

FAIL_WHEN_REFUSED = "fail_when_refused"
"""Key of the Pusher's custom_config, which it has on Kubeflow alone."""

MOUNTS = Path("/proc/self/mountinfo")
"""The mounts of a process, one a line; the fifth word is where (proc_pid_mountinfo(5))."""


def refuse_no_mount(folder: str) -> None:
    """Refuses a folder on the step's own disk, which ends with the step.

    Args:
      folder: to push to; it and folders above it may be missing.

    Raises:
      InputError: neither it nor a folder above it, the root apart, is where something is mounted.
    """
    path, points = Path(os.path.abspath(folder)), _mount_points()
    if not any(str(place) in points or os.path.ismount(place) for place in (path, *path.parents[:-1])):
        raise InputError(
            f"serving.directory: {folder} is on no mounted volume, and what is pushed there would be lost with this "
            "step. Mount a volume there with kubeflow.volumes, and compile again."
        )


def _mount_points() -> set[str]:
    """Of this process, where the system lists them: os.path.ismount misses a folder mounted on its own disk."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return set()
    # Spaces and the like are written as three octal digits.
    return {re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), line.split()[4]) for line in lines}


def refusal_in_words(model: Sequence[Artifact] | None, infra: Sequence[Artifact] | None) -> str:
    """Which gates did not bless a model, and why.

    Args:
      model: blessing of the Evaluator, if it is a gate.
      infra: blessing of the ServingValidator, if it is one.
    """
    gates = (
        ("Evaluation", model, model_utils.is_model_blessed),
        ("Serving validation", infra, model_utils.is_infra_validated),
    )
    reasons = [
        f"{name}: {blessing[0].get_string_custom_property(REASON) or 'the log of that step has the reason.'}"
        for name, blessing, passed in gates
        if blessing and not passed(blessing[0])
    ]
    return " ".join(["Nothing was pushed, and what was served stays.", *reasons])

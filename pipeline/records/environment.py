"""Environment of a run: code, packages, machine."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from pipeline.graph.code_fingerprint import PACKAGES, ROOT
from pipeline.records.record import Code

DISTRIBUTION = "polyrec"


def code(root: Path = ROOT) -> Code:
    """The version of the code and, where it lies in a checkout, the commit; without the components' keys.

    Args:
      root: where the packages are.
    """
    commit = modified = None
    # Not the repository that happens to be around an installed package.
    if (root / ".git").exists():
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", *PACKAGES)
        modified = None if changed is None else bool(changed)
    return Code(version=_version(DISTRIBUTION) or "unknown", commit=commit, modified=modified)


def packages() -> dict[str, str]:
    """Distribution -> installed version, of those that polyrec asks for, its extras included."""
    try:
        wanted = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        wanted = []
    names = sorted({Requirement(line).name for line in wanted})
    return {name: version for name in names if (version := _version(name)) is not None}


def machine() -> str:
    """Operating system, processor and number of cores that this process may use."""
    return f"{platform.platform()}, {len(os.sched_getaffinity(0))} cores"


def _git(root: Path, *arguments: str) -> str | None:
    """What git prints; None where it is not installed or refuses the folder."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None

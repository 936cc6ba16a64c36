"""`polyrec doctor`: check this machine and print the fixes."""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

LOCK = Path(__file__).resolve().parents[2] / "requirements.lock"
LEAST_GLIBC = (2, 27)
LEAST_FREE_BYTES = 5 << 30
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^ ;\\]+)")

_KERAS = """
import trainer, tensorflow as tf, tf_keras, tensorflow_recommenders
print("Keras", tf_keras.__version__ if "tf_keras" in tf.keras.__name__ else "3")
"""
_SCANN = "import trainer; from scann.scann_ops.py import scann_ops; print('loaded')"


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
      subject: what was looked at.
      ok: whether it is as it should be.
      words: what was found and, unless ok, what to do.
    """

    subject: str
    ok: bool
    words: str


def examine(folders: tuple[str, ...] = ("runs", "served")) -> Iterator[Finding]:
    """Looks at everything that a run needs; each finding comes as soon as it is known.

    Args:
      folders: where runs will write.
    """
    yield python_version()
    yield glibc()
    yield packages()
    yield _imports("Keras", _KERAS, lambda said: said.startswith("Keras 2"), "TFX, TFRS and TFMA need Keras 2")
    yield _imports("ScaNN op", _SCANN, lambda said: said == "loaded", "index.kind=exact works without it")
    for folder in folders:
        yield writable(Path(folder))
    yield free_space(Path.cwd())


def python_version() -> Finding:
    """3.10 is the only version that TFX 1.16 and ScaNN 1.3 both have wheels for."""
    ok = sys.version_info[:2] == (3, 10)
    return Finding("Python", ok, platform.python_version() + ("" if ok else ": 3.10 is needed, see .python-version"))


def glibc() -> Finding:
    """The C library that the wheels were built for."""
    name, version = platform.libc_ver()
    ok = name == "glibc" and tuple(int(part) for part in version.split(".")[:2]) >= LEAST_GLIBC
    least = ".".join(map(str, LEAST_GLIBC))
    found = f"{name or 'unknown'} {version}".strip()
    return Finding("C library", ok, found + ("" if ok else f": glibc {least} or newer is needed (ScaNN's wheel)"))


def packages(lock: Path = LOCK) -> Finding:
    """Installed versions against the lock or, without one, against the ranges that polyrec itself states."""
    if lock.is_file():
        pins = (_PIN.match(line) for line in lock.read_text().splitlines())
        wanted = [Requirement(f"{pin[1]}=={pin[2]}") for pin in pins if pin]
        source, cure = lock.name, "run make set-up"
    else:
        stated = (Requirement(text) for text in metadata.requires("polyrec") or [])
        wanted = [requirement for requirement in stated if not requirement.marker]
        source, cure = "polyrec's requirements", "install them: pip install polyrec"
    wrong = [words for requirement in wanted if (words := _mismatch(requirement))]
    if not wrong:
        return Finding("Packages", True, f"all {len(wanted)} are as in {source}")
    return Finding(
        "Packages", False, f"{len(wrong)} of {len(wanted)} are not as in {source}: {', '.join(wrong[:5])}; {cure}"
    )


def writable(folder: Path) -> Finding:
    """Whether the folder, or the nearest one above it that exists, can be written."""
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    ok = existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
    advice = "" if ok else f": {existing} cannot be written, choose another (pipeline.root, serving.directory)"
    return Finding(f"{folder}/", ok, ("writable" if ok else "not writable") + advice)


def free_space(folder: Path) -> Finding:
    """A run on a small data set writes some hundred megabytes; on 10 M interactions a few gigabytes."""
    free = shutil.disk_usage(folder).free
    ok = free >= LEAST_FREE_BYTES
    words = f"{free / (1 << 30):.1f} GiB free"
    return Finding("Disk", ok, words + ("" if ok else f": {LEAST_FREE_BYTES >> 30} GiB are a comfortable minimum"))


def _mismatch(requirement: Requirement) -> str | None:
    try:
        found = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return f"{requirement.name} is missing"
    if requirement.specifier.contains(found, prereleases=True):
        return None
    return f"{requirement.name} {found} instead of {str(requirement.specifier).removeprefix('==')}"


def _imports(subject: str, code: str, good: Callable[[str], bool], advice: str) -> Finding:
    """Tries in a process of its own, because a library that does not load can take the process with it."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    said = (done.stdout.strip().splitlines() or [""])[-1]
    if done.returncode == 0 and good(said):
        return Finding(subject, True, said)
    reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1] if done.returncode else said
    return Finding(subject, False, f"{reason}. {advice}; run make set-up")

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

ROOT = Path(__file__).resolve().parents[2]
LEAST_FREE_BYTES = 5 << 30
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*==[^\\]+)")


class Stack(NamedTuple):
    """A set of packages that polyrec is tested with.

    Attributes:
      lock: the file that pins it.
      tfx: the version of TFX that tells it.
      words: what it is made of.
      pythons: oldest and newest Python that all of it has wheels for.
      glibc: oldest glibc that the wheels load with, and the package that asks for it.
    """

    lock: str
    tfx: str
    words: str
    pythons: tuple[tuple[int, int], tuple[int, int]]
    glibc: tuple[tuple[int, int], str]

    def takes_python(self, version: tuple[int, int]) -> bool:
        """Whether it has wheels for this Python."""
        return self.pythons[0] <= version <= self.pythons[1]


TODAY = Stack(
    "requirements.lock", "1.21", "TFX 1.21, TensorFlow 2.20, ScaNN 1.4", ((3, 11), (3, 13)), ((2, 39), "ML Metadata")
)
OLDER = Stack(
    "requirements-glibc236.lock", "1.16", "TFX 1.16, TensorFlow 2.16, ScaNN 1.3", ((3, 10), (3, 11)), ((2, 27), "ScaNN")
)

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
    current = stack()
    yield python_version(current)
    yield glibc(current)
    yield other_stack(current)
    yield packages(ROOT / current.lock)
    yield _imports("Keras", _KERAS, lambda said: said.startswith("Keras 2"), "TFX, TFRS and TFMA need Keras 2")
    yield _imports("ScaNN op", _SCANN, lambda said: said == "loaded", "index.kind=exact works without it")
    for folder in folders:
        yield writable(Path(folder))
    yield free_space(Path.cwd())


def stack() -> Stack:
    """The stack that is installed; where no TFX is, the one that this Python and glibc can take."""
    try:
        return OLDER if metadata.version("tfx").startswith(OLDER.tfx) else TODAY
    except metadata.PackageNotFoundError:
        fits = TODAY.takes_python(sys.version_info[:2]) and _glibc() >= TODAY.glibc[0]
        return TODAY if fits else OLDER


def python_version(current: Stack) -> Finding:
    """Whether all packages of the stack have wheels for this Python."""
    ok = current.takes_python(sys.version_info[:2])
    return Finding("Python", ok, platform.python_version() + ("" if ok else f": {_range(current)} is needed"))


def glibc(current: Stack) -> Finding:
    """The C library that the wheels were built for."""
    least, asks = current.glibc
    ok = _glibc() >= least
    found = " ".join(platform.libc_ver()).strip() or "unknown"
    return Finding("C library", ok, found + ("" if ok else f": glibc {_dotted(least)} or newer is needed ({asks})"))


def other_stack(current: Stack) -> Finding:
    """Which stack this is, and what the other would take and bring."""
    words = f"{current.words} ({current.lock})"
    if current is TODAY:
        return Finding(
            "Stack", True, f"{words}. The other, {OLDER.words}, is for older systems and brings nothing here"
        )
    needs = f"glibc {_dotted(TODAY.glibc[0])} (here {_dotted(_glibc())}) and {_range(TODAY)}"
    cure = "Debian 13 or Ubuntu 24.04 have them"
    if _glibc() >= TODAY.glibc[0]:
        needs, cure = _range(TODAY), "install it, and run make set-up"
    return Finding("Stack", True, f"{words}. The one of today, {TODAY.words}, needs {needs}: {cure}")


def _glibc() -> tuple[int, ...]:
    name, version = platform.libc_ver()
    return tuple(int(part) for part in version.split(".")[:2]) if name == "glibc" else (0, 0)


def _range(of: Stack) -> str:
    oldest, newest = of.pythons
    return "Python " + " or ".join(f"3.{minor}" for minor in range(oldest[1], newest[1] + 1))


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def packages(lock: Path) -> Finding:
    """Installed versions against the lock or, without one, against the ranges that polyrec itself states."""
    if lock.is_file():
        pins = (_PIN.match(line) for line in lock.read_text().splitlines())
        stated = [Requirement(pin[1]) for pin in pins if pin]
        source, cure = lock.name, "run make set-up"
    else:
        stated = [Requirement(text) for text in metadata.requires("polyrec") or []]
        source, cure = "polyrec's requirements", "docs/install.md says how to install them"
    wanted = [asked for asked in stated if not asked.marker or asked.marker.evaluate({"extra": "pipeline"})]
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

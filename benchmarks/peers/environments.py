"""Each peer in an environment of its own, made once and kept in a folder."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

_STAMP = "installed"


def environment(name: str, requirements: Path, cache: Path, interpreter: str) -> Path:
    """The interpreter of an environment, which is made if there is none for these requirements.

    Args:
      name: of the environment, such as a peer's.
      requirements: file with the exact versions.
      cache: folder of the environments.
      interpreter: the Python that they are made with.

    Raises:
      CalledProcessError: pip failed; what it said is on standard error.
    """
    version = subprocess.run([interpreter, "--version"], check=True, capture_output=True, text=True).stdout
    digest = hashlib.sha256(version.encode() + requirements.read_bytes()).hexdigest()[:12]
    directory = cache.resolve() / f"{name}-{digest}"
    python = directory / "bin" / "python"
    if (directory / _STAMP).exists():
        return python
    shutil.rmtree(directory, ignore_errors=True)
    print(f"Installing {name} into {directory}", file=sys.stderr)
    subprocess.run([interpreter, "-m", "venv", str(directory)], check=True, stdout=sys.stderr)
    install = [str(python), "-m", "pip", "install", "--quiet", "--requirement", str(requirements)]
    subprocess.run(install, check=True, stdout=sys.stderr)
    (directory / _STAMP).touch()
    return python

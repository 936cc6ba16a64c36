"""Pushes a bundle to the served folder, whole or not at all."""

import errno
import os
import shutil
import tempfile
import time
from pathlib import Path

from serving.bundle import manifest
from serving.bundle.version_folders import find_versions
from serving.publish.rollout_labels import make_canary
from trainer.errors import InputError

_TEMPORARY = ".push-"
_ABANDONED_SECONDS = 24 * 3600
_FULL = (errno.ENOSPC, errno.EDQUOT)


def push_bundle(bundle_dir: str, base_dir: str) -> Path:
    """Copies a bundle to a new version folder, greater than all there are.

    The copy is made under a hidden name that no server looks at, verified against its manifest, and renamed. The
    version is the time in seconds, or one more than the newest if a clock was set back. Of a model with labels
    (``polyrec rollout``) it becomes the canary.

    Args:
      bundle_dir: the bundle.
      base_dir: folder of the model's versions, made if missing; on a file system of this machine.

    Returns:
      the version folder.

    Raises:
      InputError: the bundle is damaged, the disk is full, or the folder cannot be written. What was served before
        is untouched then, and nothing of the new version is left behind.
    """
    if "://" in base_dir:
        raise InputError(
            f"serving.directory: {base_dir} has no atomic rename, and a server could load half a model. "
            "Give a folder of a mounted file system."
        )
    base = Path(base_dir)
    try:
        base.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(base)
        temporary = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=base))
    except OSError as error:
        raise _in_words(error, base) from error
    try:
        shutil.copytree(bundle_dir, temporary, dirs_exist_ok=True)
        manifest.verify(temporary)
        os.chmod(temporary, 0o755)
        version = _rename(temporary, base)
    except (OSError, shutil.Error) as error:
        raise _in_words(error, base) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    make_canary(base, int(version.name))
    return version


def unchanged_version(bundle_dir: str, base_dir: str) -> Path | None:
    """The newest version, if it is the very bundle and whole, or the bundle with other items: nothing is to be pushed.

    An older one that is the bundle does not count: to go back to it, it has to become the newest. One that ``polyrec
    refresh`` made from the bundle does, or from what it made from it: a run that is repeated takes no items back.

    Args:
      bundle_dir: the bundle.
      base_dir: folder of the model's versions.

    Raises:
      InputError: the bundle has no valid manifest.
    """
    wanted = manifest.read(bundle_dir)
    try:
        versions = find_versions(Path(base_dir))
        number = max(versions, default=0)
        newest = versions[number]
        origin = manifest.verify(newest)
        while origin.made_from is not None and number > (number := int(origin.made_from.version)):
            origin = manifest.read(versions[number])
    except (OSError, KeyError, ValueError, manifest.BundleError):
        return None
    # When it was made is not what it is.
    return newest if origin.model_copy(update={"created": wanted.created}) == wanted else None


def _rename(temporary: Path, base: Path) -> Path:
    while True:
        version = max(int(time.time()), max(find_versions(base), default=0) + 1)
        try:
            os.rename(temporary, base / str(version))
        except OSError as error:
            # Another push took this number between the look and the rename.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            return base / str(version)


def _remove_abandoned(base: Path) -> None:
    """Removes what a push that was killed left, but not one that may still run."""
    for path in base.glob(f"{_TEMPORARY}*"):
        if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def _in_words(error: OSError, base: Path) -> InputError:
    # shutil.Error has the reasons of single files as texts in its argument.
    full = error.errno in _FULL or any(os.strerror(number) in str(error) for number in _FULL)
    if full:
        return InputError(
            f"{base}: no space left for the new version. Nothing was pushed, and what was served stays. "
            "Free some space (old version folders can be removed), and run again."
        )
    return InputError(f"{base}: the new version cannot be written: {error}. Nothing was pushed, what was served stays.")

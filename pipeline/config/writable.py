"""Checks that a run can write its folders and read its files, before it starts."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.errors import InputError

if TYPE_CHECKING:
    from pipeline.config.run import Config


def check_run_paths(config: "Config") -> None:
    """Refuses a run's folders and files; data are looked at by the run itself.

    Raises:
      InputError: see :func:`check_writable`.
    """
    root, schema = os.path.join(config.pipeline.root, config.pipeline.name), config.validation.schema_path
    check_writable(
        {"pipeline.root": root, "serving.directory": os.path.join(config.serving.directory, config.serving.model_name)},
        [("validation.schema_path", schema)] if schema else [],
    )


def check_writable(folders: Mapping[str, str], files: Iterable[tuple[str, str]] = ()) -> None:
    """Refuses folders that a run could not write, and files that it could not read, on this machine.

    Args:
      folders: key of the configuration -> path; a missing folder is made by the run.
      files: key and path.

    Raises:
      InputError: the first that cannot be used.
    """
    for key, path in folders.items():
        if "://" in path:
            continue
        here = Path(path).absolute()
        existing = next(folder for folder in (here, *here.parents) if os.path.lexists(folder))
        if not existing.is_dir():
            what = "a link that leads nowhere" if existing.is_symlink() and not existing.exists() else "a file"
            raise InputError(f"{key}: {path} cannot be a folder: {existing} is {what}. Set {key} to another folder.")
        if not os.access(existing, os.W_OK | os.X_OK):
            raise InputError(f"{key}: {path} cannot be written: {existing} allows it not. Set {key} to another folder.")
    for key, path in files:
        if "://" not in path and (os.path.isdir(path) or not os.access(path, os.R_OK)):
            what = "is a folder" if os.path.isdir(path) else "cannot be read"
            what = what if os.path.exists(path) else "does not exist"
            raise InputError(f"{key}: {path} {what}. Give another file, or leave {key} out.")

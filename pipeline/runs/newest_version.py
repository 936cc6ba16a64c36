"""Finds the newest pushed version of a model."""

from pathlib import Path

from pipeline.config.run import Config
from trainer.errors import InputError


def newest_version(config: Config) -> Path:
    """The folder of the newest version that ``serving`` names.

    Args:
      config: with absolute paths.

    Raises:
      InputError: there is none.
    """
    folder = Path(config.serving.directory) / config.serving.model_name
    versions = [path for path in folder.glob("[0-9]*") if path.name.isdigit()]
    if not versions:
        raise InputError(f"{folder} holds no version of a model. Run the pipeline first, or give one with --model.")
    return max(versions, key=lambda path: int(path.name))

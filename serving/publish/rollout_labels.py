"""Rollout labels, kept in ``models.config`` beside the models.

``stable`` answers whoever names no version, ``canary`` is what was pushed last, ``previous`` what was stable before: it
stays loaded, so that going back takes no time. Without a canary on trial, that label is on the stable version.
"""

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from tensorflow_serving.config import model_server_config_pb2

from serving.bundle.version_folders import find_models
from serving.logs import event
from serving.versions import config_file as models_config
from serving.versions.wanted import STABLE
from trainer.errors import InputError

CANARY, PREVIOUS = "canary", "previous"

log = logging.getLogger("serving.rollout_labels")

ModelLabels = dict[str, int]


def read_labels(directory: Path, model: str) -> ModelLabels:
    """The labels of a model, empty if it has none.

    Args:
      directory: of the models and ``models.config``.
      model: its name.

    Raises:
      InputError: the directory does not hold that model, or the file is no good.
    """
    return dict(_entry(_load(directory), directory, model).version_labels)


def base_path(directory: Path, model: str) -> Path:
    """The folder of a model's versions.

    Raises:
      InputError: as :func:`read_labels`.
    """
    relative: str = _entry(_load(directory), directory, model).base_path
    return directory / relative


@contextlib.contextmanager
def changing_labels(directory: Path, model: str) -> Iterator[ModelLabels]:
    """Lends the labels of a model to be changed, and writes the file, whole or not at all; one change at a time.

    Args:
      directory: of the models; the file is made if it has none.
      model: its name.

    Raises:
      InputError: as :func:`read_labels`, or the file cannot be written.
    """
    with _alone(directory):
        config = _load(directory)
        entry = _entry(config, directory, model)
        labels = dict(entry.version_labels)
        yield labels
        if labels == dict(entry.version_labels):
            return
        entry.version_labels.clear()
        entry.version_labels.update(labels)
        try:
            models_config.write(directory / models_config.MODELS_CONFIG, config)
        except OSError as error:
            raise InputError(f"{directory}: models.config cannot be written: {error.strerror}.") from error


def make_canary(base: Path, version: int) -> None:
    """Makes a version that was just pushed the canary, if the model has a stable version.

    A file that is no good is logged: the push itself is done.

    Args:
      base: folder of the model's versions.
      version: the one that was pushed.
    """
    for directory in (base.parent, base):
        if not (directory / models_config.MODELS_CONFIG).is_file():
            continue
        try:
            config = _load(directory).model_config_list.config
            for entry in config:
                if (directory / entry.base_path).resolve() == base.resolve():
                    with changing_labels(directory, entry.name) as labels:
                        if STABLE in labels:
                            labels[CANARY] = version
        except InputError as error:
            log.warning("%s Version %d is no canary.", error, version, extra=event("canary_not_set", version=version))


def _load(directory: Path) -> model_server_config_pb2.ModelServerConfig:
    path = directory / models_config.MODELS_CONFIG
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return model_server_config_pb2.ModelServerConfig()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    models_config.read(text, path)
    return models_config.parse(text, path)


def _entry(
    config: model_server_config_pb2.ModelServerConfig, directory: Path, model: str
) -> model_server_config_pb2.ModelConfig:
    models = {entry.name: entry for entry in config.model_config_list.config}
    if model in models:
        return models[model]
    found = find_models(directory)
    if model not in found:
        names = ", ".join(sorted(models.keys() | found.keys()))
        raise InputError(f"{directory} has no model {model}, only {names}. Name it with --model.")
    return config.model_config_list.config.add(
        name=model, base_path=os.path.relpath(found[model], directory), model_platform="tensorflow"
    )


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Holds the directory; who comes meanwhile waits."""
    with contextlib.ExitStack() as stack:
        try:
            descriptor = os.open(directory, os.O_RDONLY)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise InputError(f"{directory} cannot be locked: {error.strerror}.") from error
        yield

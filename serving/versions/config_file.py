"""Parser of ``models.config``, a ModelServerConfig in protobuf's text format.

Source: tensorflow_serving/config/model_server_config.proto; texts and rules of tensorflow_serving/model_servers/
server_core.cc. Beyond those a relative ``base_path`` in a file starts at the folder of the file, so that models and
file can be moved or mounted together.
"""

import os
import re
import tempfile
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from serving.errors import ServingError, invalid_argument
from serving.versions.wanted import ModelConfig, VersionPolicy
from trainer.errors import InputError

MODELS_CONFIG = "models.config"
_PLATFORM = "tensorflow"
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_POSITION = re.compile(r"^\d+:\d+ : ")


def parse(text: bytes, path: Path) -> model_server_config_pb2.ModelServerConfig:
    """Reads the text of a file.

    Args:
      text: what it holds.
      path: its name, for errors.

    Raises:
      InputError: it is no ModelServerConfig; with line and column.
    """
    try:
        return text_format.Parse(text.decode(), model_server_config_pb2.ModelServerConfig())
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file: {error.reason} at byte {error.start}.") from error
    except text_format.ParseError as error:
        where = f"{path}:{error.GetLine()}:{error.GetColumn()}"
        words = _POSITION.sub("", str(error)).rstrip(".")
        raise InputError(
            f"{where}: {words}. Expected the text form of ModelServerConfig, see docs/deploy.md."
        ) from error


def model_configs(
    models: model_server_config_pb2.ModelConfigList, folder: Path | None = None
) -> dict[str, ModelConfig]:
    """What a list of models wants to be served.

    Args:
      models: the list.
      folder: where relative paths start; None: there may be none.

    Returns:
      model name -> what is to be served of it.

    Raises:
      ServingError: INVALID_ARGUMENT, with TensorFlow Serving's text where it has one.
    """
    found: dict[str, ModelConfig] = {}
    for model in models.config:
        if model.name in found:
            raise invalid_argument(f"Illegal to list model {model.name} multiple times in config list")
        if not _NAME.fullmatch(model.name):
            raise invalid_argument(
                f"A model's name consists of letters, digits, dots, dashes and underscores. Received: {model.name!r}"
            )
        _check_platform(model)
        found[model.name] = ModelConfig(
            _base_path(model, folder), _policy(model.model_version_policy), dict(model.version_labels)
        )
    return found


def read(text: bytes, path: Path) -> dict[str, ModelConfig]:
    """What a file wants to be served.

    Args:
      text: what it holds.
      path: its name.

    Returns:
      as :func:`model_configs`.

    Raises:
      InputError: it is no ModelServerConfig, or not one that can be served.
    """
    config = parse(text, path)
    if config.WhichOneof("config") == "custom_model_config":
        raise InputError(f"{path}: custom_model_config is not supported, only model_config_list.")
    try:
        models = model_configs(config.model_config_list, path.resolve().parent)
    except ServingError as error:
        raise InputError(f"{path}: {error.text.rstrip('.')}.") from error
    if not models:
        raise InputError(f"{path}: model_config_list has no config: name at least one model.")
    return models


def write(path: Path, config: model_server_config_pb2.ModelServerConfig) -> None:
    """Replaces a file, whole or not at all.

    Raises:
      OSError: it cannot be written; what was there stays.
    """
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text_format.MessageToString(config, as_utf8=True))
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _check_platform(model: model_server_config_pb2.ModelConfig) -> None:
    if model.model_type:
        if model.model_platform:
            raise invalid_argument(
                "Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform."
            )
        if model.model_type != model_server_config_pb2.TENSORFLOW:
            raise invalid_argument(f"ModelServerConfig::model_type choice {model.model_type} not supported.")
    elif not model.model_platform:
        raise invalid_argument(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform."
        )
    elif model.model_platform != _PLATFORM:
        raise invalid_argument(f"Model {model.name} requests unsupported platform {model.model_platform}")


def _base_path(model: model_server_config_pb2.ModelConfig, folder: Path | None) -> Path:
    if not model.base_path:
        raise invalid_argument(f"Model {model.name} has no base_path: the folder of its version folders")
    if "\0" in model.base_path:
        raise invalid_argument(f"Model {model.name}: base_path has a zero byte: {model.base_path[:200]!r}")
    if "://" in model.base_path:
        raise invalid_argument(f"Model {model.name}: {model.base_path} is not a folder of this machine; mount it")
    path = Path(model.base_path)
    if not path.is_absolute():
        if folder is None:
            raise invalid_argument(
                f"Expected model {model.name} to have an absolute path or URI; got base_path()={model.base_path}"
            )
        path = folder / path
    return path


def _policy(policy: Any) -> VersionPolicy:
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return VersionPolicy(at_most=None)
    if choice == "specific":
        return VersionPolicy(at_most=None, only=frozenset(policy.specific.versions))
    return VersionPolicy(at_most=max(1, policy.latest.num_versions))

"""Source of the served models: a folder, or a ``models.config``."""

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from serving.bundle.version_folders import find_models
from serving.logs import event
from serving.server_settings import ServerSettings
from serving.versions import config_file as models_config
from serving.versions.wanted import ModelConfig
from trainer.errors import InputError

log = logging.getLogger("serving.model_source")

Configs = Mapping[str, ModelConfig]


class ModelSource:
    """What the settings say is to be served, read again when the file changes.

    Of a folder that is every model it holds, each as the folder's ``models.config`` says if that names it.

    Attributes:
      models: what is to be served: model name -> configuration.

    Args:
      settings: the folder or the file, and how often to look at the file.

    Raises:
      InputError: there is no such folder or file, or no model in it.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._directory = None if settings.directory is None else Path(settings.directory)
        self._file = Path(settings.model_config_file or Path(settings.directory or "") / models_config.MODELS_CONFIG)
        self._model_name, self._seconds = settings.model_name, settings.model_config_poll_seconds
        self._text = self._read()
        self.models = self._parse(self._text)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, changed: Callable[[Configs], None]) -> None:
        """Looks at the file again and again, on a thread of its own.

        Args:
          changed: called with what is to be served now. A file that is no good is logged and changes nothing.
        """
        if self._seconds > 0:
            self._thread = threading.Thread(target=self._watch, args=[changed], name="config-watch", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Looks no more; a change that is being made is not waited for."""
        self._stopping.set()

    def _watch(self, changed: Callable[[Configs], None]) -> None:
        while not self._stopping.wait(self._seconds):
            try:
                text = self._read()
                if text == self._text:
                    continue
                self._text = text
                changed(self._parse(text))
            except InputError as error:
                log.error("%s What was served stays.", error, extra=event("models_config_refused", reason=str(error)))
            except Exception:
                log.exception("unexpected error while reading %s; what was served stays", self._file)

    def _read(self) -> bytes | None:
        try:
            return self._file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"{self._file} cannot be read: {error.strerror}.") from error

    def _parse(self, text: bytes | None) -> Configs:
        if text is None and self._directory is None:
            raise InputError(f"{self._file} does not exist: --model-config-file wants a models.config.")
        named = {} if text is None else models_config.read(text, self._file)
        models = {**self._found(needed=not named), **named}
        if self._model_name is None:
            return models
        if self._model_name not in models:
            raise InputError(f"{self._file} has no model {self._model_name}, only {', '.join(models)}.")
        return {self._model_name: models[self._model_name]}

    def _found(self, needed: bool) -> Configs:
        if self._directory is None:
            return {}
        try:
            return {name: ModelConfig(path) for name, path in find_models(self._directory, self._model_name).items()}
        except InputError:
            if needed:
                raise
            return {}

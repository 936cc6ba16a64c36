"""Which version of which model answers: version folders are watched, loaded, swapped and unloaded.

A model is a folder with numeric version folders; the newest one that can be loaded is served. A new version is loaded
and warmed up while the old one answers, then takes over in one step; the old one is unloaded when its last request is
done. A version that cannot be loaded is refused until its folder changes, and whatever was served stays.

As in TensorFlow Serving: a version whose folder is removed is replaced by the newest one left; if none is left it is
unloaded, unless ``keep_last`` is set; if the model's whole folder cannot be read, nothing changes. Unlike there, the
newest folder being bad does not keep an older good one from being loaded at start.
"""

import contextlib
import gc
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Generic

import grpc

from serving.status import ServingError, not_found
from serving.version_folders import find_versions, snapshot
from serving.version_status import Model, State, T, Version, VersionStatus

log = logging.getLogger(__name__)


class ServableManager(Generic[T]):
    """Keeps the newest good version of each model loaded.

    Args:
      base_paths: model name -> the folder of its version folders; it may appear later.
      load: makes a model ready to answer, warm-up included, from its name and version folder. ServingError and
        ValueError (such as BundleError) refuse the version with their text.
      poll_seconds: between two looks at the folders.
      keep_last: keep serving the last version when all version folders are gone.
      on_change: called, on the watching thread, after what is available may have changed.
    """

    def __init__(
        self,
        base_paths: Mapping[str, Path],
        load: Callable[[str, Path], T],
        poll_seconds: float = 1.0,
        keep_last: bool = False,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._models: dict[str, Model[T]] = {name: Model(path) for name, path in base_paths.items()}
        self._load, self._on_change = load, on_change
        self._poll_seconds, self._keep_last = poll_seconds, keep_last
        self._changed = threading.Condition()
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._watch, name="version-watch", daemon=True)

    @property
    def model_names(self) -> list[str]:
        """Names of the models that are watched."""
        return list(self._models)

    def start(self) -> None:
        """Starts to watch; the first load happens on the watching thread."""
        self._thread.start()

    def stop(self, timeout: float | None = None) -> None:
        """Stops watching and unloads every model that no request uses.

        Args:
          timeout: seconds to wait for a load that is under way.
        """
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        with self._changed:
            for model in self._models.values():
                for version in model.versions.values():
                    if version.state == State.AVAILABLE:
                        version.state = State.UNLOADING
        self._unload_drained()

    @contextlib.contextmanager
    def use(self, name: str, number: int | None = None) -> Iterator[tuple[int, T]]:
        """Lends a model for one request; it is not unloaded before it is given back.

        Args:
          name: of the model.
          number: a version, or None for the newest that is available.

        Yields:
          the version's number and the model.

        Raises:
          ServingError: NOT_FOUND, nothing of that name and version is available.
        """
        version = self._borrow(name, number)
        try:
            assert version.servable is not None
            yield version.number, version.servable
        finally:
            with self._changed:
                version.requests -= 1
                drained = version.state == State.UNLOADING and not version.requests
            if drained:
                self._wake.set()

    def status(self, name: str) -> list[VersionStatus]:
        """Every version that was looked at since the start, newest first; empty for an unknown model."""
        with self._changed:
            model = self._models.get(name)
            versions = sorted(model.versions.values(), key=lambda version: -version.number) if model else []
            return [VersionStatus(version.number, version.state, version.error) for version in versions]

    def available(self, name: str) -> int | None:
        """The number of the version that answers, or None."""
        with self._changed:
            version = self._models[name].available()
            return version.number if version else None

    @property
    def requests_under_way(self) -> int:
        """Requests that have borrowed a model."""
        with self._changed:
            return sum(version.requests for model in self._models.values() for version in model.versions.values())

    def wait_until_available(self, timeout: float) -> bool:
        """Waits until every model can answer.

        Args:
          timeout: seconds.

        Returns:
          whether they can.
        """
        with self._changed:
            return self._changed.wait_for(lambda: all(m.available() for m in self._models.values()), timeout)

    def poll(self) -> None:
        """Looks at all folders once and does what follows from it. The watching thread calls it again and again."""
        for name, model in self._models.items():
            self._poll_model(name, model)
        self._unload_drained()

    def _watch(self) -> None:
        while not self._stopping:
            try:
                self._wake.clear()
                self.poll()
            except Exception:
                log.exception("unexpected error while looking for new versions; trying again")
            self._wake.wait(self._poll_seconds)

    def _borrow(self, name: str, number: int | None) -> Version[T]:
        with self._changed:
            model = self._models.get(name)
            version = None
            if model is not None:
                version = model.available() if number is None else model.versions.get(number)
            if version is None or version.state != State.AVAILABLE:
                asked = f"Latest({name})" if number is None else f"Specific({name}, {number})"
                raise not_found(f"Servable not found for request: {asked}")
            version.requests += 1
            return version

    def _poll_model(self, name: str, model: Model[T]) -> None:
        try:
            folders = find_versions(model.base_path)
        except OSError as error:
            self._say_once(model, f"model {name}: {model.base_path} cannot be read: {error.strerror}")
            return
        current = model.available()
        self._say_once(model, "" if folders else f"model {name}: no numeric version folder in {model.base_path}")
        for number in sorted(folders, reverse=True):
            if current is not None and number == current.number:
                return
            if self._stopping or self._try(name, model, number, folders[number]):
                return
        if current is not None and not folders and not self._keep_last:
            with self._changed:
                current.state = State.UNLOADING
            self._on_change()

    def _try(self, name: str, model: Model[T], number: int, folder: Path) -> bool:
        """Loads a version unless it was refused as it stands; true if it answers now."""
        before, now = model.versions.get(number), snapshot(folder)
        if before is not None and (before.state == State.UNLOADING or (before.error and before.seen == now)):
            return False
        version = Version[T](number, State.LOADING, seen=now)
        with self._changed:
            model.versions[number] = version
        try:
            servable = self._load(name, folder)
        except Exception as error:
            refusal = _as_refusal(error)
            with self._changed:
                version.state, version.error = State.END, refusal
            if before is None or before.error is None or before.error.text != refusal.text:
                log.warning("model %s version %d: refused: %s", name, number, refusal.text)
            return False
        with self._changed:
            replaced = model.available()
            version.servable, version.state = servable, State.AVAILABLE
            if replaced is not None:
                replaced.state = State.UNLOADING
            self._changed.notify_all()
        log.info(
            "model %s version %d: available%s", name, number, f", instead of {replaced.number}" if replaced else ""
        )
        self._on_change()
        return True

    def _unload_drained(self) -> None:
        unloaded = False
        for name, model in self._models.items():
            for version in list(model.versions.values()):
                with self._changed:
                    if version.state != State.UNLOADING or version.requests:
                        continue
                    servable, version.servable = version.servable, None
                if servable is not None:
                    servable.close()
                with self._changed:
                    version.state = State.END
                log.info("model %s version %d: unloaded", name, version.number)
                unloaded = True
        if unloaded:
            # The Python side of a graph is full of cycles; left to themselves they would go long after the model.
            gc.collect()

    def _say_once(self, model: Model[T], trouble: str) -> None:
        if trouble and trouble != model.trouble:
            log.warning("%s", trouble)
        model.trouble = trouble


def _as_refusal(error: Exception) -> ServingError:
    if isinstance(error, ServingError):
        return error
    if isinstance(error, ValueError):
        return ServingError(grpc.StatusCode.FAILED_PRECONDITION, str(error))
    log.error("unexpected error while loading", exc_info=error)
    return ServingError(grpc.StatusCode.INTERNAL, f"Internal error while loading: {error!r}")

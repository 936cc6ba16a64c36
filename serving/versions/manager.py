"""Version manager: watches folders, loads, swaps and unloads versions.

A model is a folder with numeric version folders. Those that its configuration wants are served: by default the newest
one that can be loaded. A new version is loaded and warmed up while the old one answers, then takes over in one step;
the old one is unloaded when its last request is done. A version that cannot be loaded is refused until its folder
changes, and whatever was served stays. A label moves to its version when that is available, and not before.

As in TensorFlow Serving: a version whose folder is removed is replaced by the newest one left; if none is left it is
unloaded, unless ``keep_last`` is set; if the model's whole folder cannot be read, nothing changes. Unlike there, the
newest folder being bad does not keep an older good one from being loaded at start, a version with a label is served
whether the policy names it or not, and the label ``stable`` says which version is meant by a request that names none.
"""

import gc
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from serving.bundle.version_folders import find_versions, snapshot
from serving.logs import event
from serving.runtime.allocator import give_back
from serving.versions.label_rules import UnavailableLabels, check_labels
from serving.versions.lease import Lender
from serving.versions.state import Model, State, T, Version, as_refusal
from serving.versions.wanted import ModelConfig

log = logging.getLogger("serving.versions")


class ServableManager(Lender[T]):
    """Keeps the wanted versions of each model loaded.

    Args:
      configs: model name -> what is to be served of it.
      load: makes a model ready to answer, warm-up included, from its name and version folder. ServingError and
        ValueError (such as BundleError) refuse the version with their text.
      poll_seconds: between two looks at the folders.
      keep_last: keep serving the last version when all version folders are gone.
      on_change: called, on the thread that caused it, after what is available may have changed.
    """

    def __init__(
        self,
        configs: Mapping[str, ModelConfig],
        load: Callable[[str, Path], T],
        poll_seconds: float = 1.0,
        keep_last: bool = False,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(configs)
        self._load, self._on_change = load, on_change
        self._poll_seconds, self._keep_last = poll_seconds, keep_last
        self._polling = threading.RLock()
        self._stopping = self._reconfigured = False
        self._thread = threading.Thread(target=self._watch, name="version-watch", daemon=True)

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
                model.retire(set())
        self._unload_drained()

    def reconfigure(
        self, configs: Mapping[str, ModelConfig], labels: UnavailableLabels = UnavailableLabels.ANY
    ) -> None:
        """Replaces what is served, in one step that waits for no load: that is left to the watching thread.

        Args:
          configs: as in the constructor; a model that is left out is unloaded.
          labels: which may be given to versions that are not available (they stay where they are until then).

        Raises:
          ServingError: FAILED_PRECONDITION, a label may not be given; nothing has changed.
        """
        with self._changed:
            check_labels(configs, self._models, labels)
            for name in dict.fromkeys([*self._models, *configs]):
                model = self._models.setdefault(name, Model(None))
                model.config = configs.get(name)
                self._move_labels(name, model)
                if model.config is None:
                    model.retire(set())
            self._reconfigured = True
        log.info("models: %s", ", ".join(configs) or "none", extra=event("models_reloaded", models=list(configs)))
        self._wake.set()

    def reload(self, configs: Mapping[str, ModelConfig], labels: UnavailableLabels = UnavailableLabels.ANY) -> None:
        """As :meth:`reconfigure`, and returns when new models were loaded."""
        self.reconfigure(configs, labels)
        self.poll()

    def poll(self) -> None:
        """Looks at all folders once and does what follows from it. The watching thread calls it again and again."""
        with self._polling:
            for name, model in list(self._models.items()):
                if (config := model.config) is not None:
                    self._poll_model(name, model, config)
            if self._reconfigured:
                self._reconfigured = False
                self._on_change()
            self._unload_drained()

    def _watch(self) -> None:
        while not self._stopping:
            try:
                self._wake.clear()
                self.poll()
            except Exception:
                log.exception("unexpected error while looking for new versions; trying again")
            self._wake.wait(self._poll_seconds)

    def _poll_model(self, name: str, model: Model[T], config: ModelConfig) -> None:
        try:
            folders = find_versions(config.base_path)
        except OSError as error:
            self._say_once(name, model, f"{config.base_path} cannot be read: {error.strerror}")
            return
        self._say_once(name, model, "" if folders else f"no numeric version folder in {config.base_path}")
        wanted = self._load_wanted(name, model, config, folders)
        if self._stopping:
            return
        with self._changed:
            if model.config is not config:
                return
            moved = self._move_labels(name, model)
            # Where all that is there is bad, or nothing is there and that is to be survived, what is served stays.
            stays = not wanted and (self._keep_last or config.policy.candidates(folders))
            retired = [] if stays else model.retire(wanted | model.waiting_labels())
        if moved or retired:
            self._on_change()

    def _load_wanted(self, name: str, model: Model[T], config: ModelConfig, folders: Mapping[int, Path]) -> set[int]:
        """Loads what is missing of the wanted versions; returns those of them that are available."""
        wanted: set[int] = set()
        for number in config.labelled(folders):
            if self._serve(name, model, config, number, folders[number]):
                wanted.add(number)
        left = config.policy.at_most
        for number in config.policy.candidates(folders):
            if left == 0:
                break
            if number in wanted or self._serve(name, model, config, number, folders[number]):
                wanted.add(number)
                left = None if left is None else left - 1
        return wanted

    def _serve(self, name: str, model: Model[T], config: ModelConfig, number: int, folder: Path) -> bool:
        """Makes a version available, if it is not and was not refused as it stands; true if it is available now."""
        with self._changed:
            if self._stopping or model.config is not config:
                return False
            version = model.versions.get(number)
            if model.has(number):
                return True
            if version is not None and version.servable is not None:
                version.state = State.AVAILABLE  # it was about to be unloaded
        if not model.has(number) and not self._try(name, model, number, folder, version):
            return False
        with self._changed:
            self._move_labels(name, model)
            self._changed.notify_all()
        log.info(
            "model %s version %d: available", name, number,
            extra=event("version_available", model=name, version=number),
        )  # fmt: skip
        self._on_change()
        return True

    def _try(self, name: str, model: Model[T], number: int, folder: Path, before: Version[T] | None) -> bool:
        """Loads a version unless it was refused as it stands; true if that went well."""
        now = snapshot(folder)
        if before is not None and (before.state == State.UNLOADING or (before.error and before.seen == now)):
            return False
        version = Version[T](number, State.LOADING, seen=now)
        with self._changed:
            model.versions[number] = version
        try:
            servable = self._load(name, folder)
        except Exception as error:
            refusal = as_refusal(error)
            with self._changed:
                version.state, version.error = State.END, refusal
            if before is None or before.error is None or before.error.text != refusal.text:
                log.warning(
                    "model %s version %d: refused: %s", name, number, refusal.text,
                    extra=event("version_refused", model=name, version=number, reason=refusal.text),
                )  # fmt: skip
            return False
        with self._changed:
            # The model may have been taken out meanwhile.
            version.servable, version.state = servable, State.AVAILABLE if model.config else State.UNLOADING
        return version.state == State.AVAILABLE

    def _unload_drained(self) -> None:
        unloaded = False
        for name, model in list(self._models.items()):
            for version in list(model.versions.values()):
                with self._changed:
                    if version.state != State.UNLOADING or version.requests:
                        continue
                    servable, version.servable = version.servable, None
                if servable is not None:
                    servable.close()
                with self._changed:
                    version.state = State.END
                log.info(
                    "model %s version %d: unloaded", name, version.number,
                    extra=event("version_unloaded", model=name, version=version.number),
                )  # fmt: skip
                unloaded = True
        if unloaded:
            # The Python side of a graph is full of cycles; left to themselves they would go long after the model.
            gc.collect()
            give_back()

    def _move_labels(self, name: str, model: Model[T]) -> bool:
        moved = model.move_labels()
        for label, number in moved.items():
            log.info(
                "model %s: label %r is on version %d", name, label, number,
                extra=event("label_moved", model=name, version=number, label=label),
            )  # fmt: skip
        return bool(moved)

    def _say_once(self, name: str, model: Model[T], trouble: str) -> None:
        if trouble and trouble != model.trouble:
            log.warning("model %s: %s", name, trouble, extra=event("folder_unusable", model=name))
        model.trouble = trouble

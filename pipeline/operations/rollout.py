"""`polyrec rollout`: stable and canary labels in ``models.config``, which the server follows.

The file is what lasts; the server is asked before a change whether it can answer with the version, and after it whether
it does.
"""

from collections.abc import Iterable
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from pipeline.operations.following_server import FollowingServer
from serving.bundle.version_folders import find_versions
from serving.client.answers import VersionStatus
from serving.publish.rollout_labels import CANARY, PREVIOUS, ModelLabels, base_path, changing_labels, read_labels
from serving.versions.wanted import STABLE
from trainer.errors import InputError


class RollOut:
    """The versions of one model, and who is answered by which.

    Args:
      directory: of the models, where ``models.config`` is or will be.
      model_name: name of the model.
      server: that serves the directory; None: only the file is changed.

    Raises:
      InputError: the directory does not hold the model, or the file is no good.
    """

    def __init__(self, directory: Path, model_name: str, server: FollowingServer | None) -> None:
        self._directory, self._model, self._server = directory, model_name, server
        self._labels = read_labels(directory, model_name)
        try:
            self._versions = set(find_versions(base_path(directory, model_name)))
        except OSError as error:
            raise InputError(f"{error.filename}: {error.strerror}. Push a version first (polyrec run).") from error

    def promote(self, version: int | None = None) -> str:
        """Makes a version stable.

        Args:
          version: the one; None: the canary, or without labels the newest that is served or loading, which is waited
            for.

        Returns:
          what was done.

        Raises:
          InputError: there is no canary, no such version, it was refused, or the server did not follow.
        """
        stable, canary = self._labels.get(STABLE), self._labels.get(CANARY)
        if version is None:
            version = self._newest() if stable is None else canary
        if version is None and stable is None:
            raise InputError(f"{self._model} has no version that can be served: see polyrec rollout status.")
        if version is None or version == stable:
            raise InputError(
                f"{self._model} has no canary: version {stable} is stable. Push a new version (polyrec run), name one "
                "with --version, or look with polyrec rollout status."
            )
        wanted = {STABLE: version, CANARY: version if canary is None or canary == stable else canary}
        if stable is not None:
            wanted[PREVIOUS] = stable
        self._change(wanted)
        before = "from now on what is pushed becomes the canary" if stable is None else f"before it was {stable}"
        return f"{self._model}: version {version} is stable; {before}."

    def rollback(self) -> str:
        """Makes the version before the stable one again; as :meth:`promote`."""
        stable, previous = self._labels.get(STABLE), self._labels.get(PREVIOUS)
        if stable is None or previous is None:
            raise InputError(
                f"{self._model} has no version to go back to: "
                + ("it has no labels yet." if stable is None else f"before {stable} none is known.")
                + " polyrec rollout promote --version N makes any version stable."
            )
        canary = self._labels.get(CANARY, stable)
        self._change({STABLE: previous, CANARY: previous if canary == stable else canary})
        return f"{self._model}: version {previous} is stable again; {stable} is not."

    def canary(self, version: int | None = None) -> str:
        """Puts a version, by default the newest, on trial; as :meth:`promote`."""
        stable = self._stable()
        version = max(self._versions) if version is None else version
        if version == stable:
            raise InputError(f"Version {version} of {self._model} is the stable one: a canary is another.")
        self._change(self._labels | {CANARY: version})
        return f"{self._model}: version {version} is the canary; {stable} is stable."

    def withdraw(self) -> str:
        """Ends the trial of the canary; as :meth:`promote`."""
        stable, canary = self._stable(), self._labels.get(CANARY)
        if canary in (None, stable):
            raise InputError(f"{self._model} has no canary: version {stable} is stable.")
        self._change(self._labels | {CANARY: stable})
        return f"{self._model}: version {canary} is no canary any more; {stable} is stable."

    def status(self) -> Table:
        """The versions, their states and labels, and the reasons of refused ones."""
        server = self._server
        known = {entry.version: entry for entry in server.versions()} if server else {}
        answering = {label: server.answering(label) if server else number for label, number in self._labels.items()}
        title = f"{self._model}: " + (
            f"version {self._labels[STABLE]} is stable" if STABLE in self._labels else "no labels, the newest answers"
        )
        table = Table("version", "state", "labels", "reason", title=title)
        for number in sorted(known.keys() | self._versions | set(self._labels.values()), reverse=True):
            entry = known.get(number, VersionStatus(number, "", ""))
            folder = "not loaded" if server else "in the folder"
            there = entry.state or (folder if number in self._versions else "no such folder")
            labels = [
                label if answering[label] == number else f"{label} (not yet)"
                for label, wanted in sorted(self._labels.items())
                if wanted == number
            ]
            labels += [f"{label} (still)" for label, now in answering.items() if now == number != self._labels[label]]
            reason, state = entry.error, "REFUSED" if entry.error else there
            table.add_row(str(number), state, ", ".join(labels), escape(reason))
        return table

    def _stable(self) -> int:
        if STABLE not in self._labels:
            raise InputError(f"{self._model} has no labels yet: polyrec rollout promote makes what is served stable.")
        return self._labels[STABLE]

    def _newest(self) -> int | None:
        if self._server is None:
            return max(self._versions, default=None)
        return self._server.newest()

    def _change(self, wanted: ModelLabels) -> None:
        """Writes the labels and waits until the server has them; if it does not, they are as before."""
        changed = {label: number for label, number in wanted.items() if self._labels.get(label) != number}
        for number in changed.values():
            if number not in self._versions:
                raise InputError(f"{self._model} has no version {number}, only {_words(self._versions)}.")
        if self._server is not None:
            self._server.check(changed)
        kept = {label: number for label, number in self._labels.items() if label not in (STABLE, CANARY, PREVIOUS)}
        self._write(self._labels, kept | wanted)
        try:
            if self._server is not None:
                self._server.wait_until_followed(changed)
        except BaseException:
            self._write(kept | wanted, self._labels)
            raise

    def _write(self, before: ModelLabels, wanted: ModelLabels) -> None:
        with changing_labels(self._directory, self._model) as labels:
            if labels != before:
                raise InputError(
                    f"The labels of {self._model} were changed meanwhile, to {labels}: look with polyrec rollout "
                    "status, and decide again."
                )
            labels.clear()
            labels.update(wanted)


def _words(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(numbers))) or "none at all"

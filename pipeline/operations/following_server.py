"""Client of a running server that follows the rollout labels in its ``models.config``."""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from serving.client import Client
from serving.client.answers import ClientError, VersionStatus
from trainer.errors import InputError

_SECONDS = 60.0
"""For a server to follow a change: to read the file and begin to load, or to move a label. A load takes its time."""
_POLL_SECONDS = 0.1
_LOADING = ("START", "LOADING")


class FollowingServer:
    """Asks a server what it answers with; also a context manager that ends the connection.

    Args:
      target: ``HOST:PORT``.
      model: name of the model.
      directory: what it should serve, for errors.
      tell: is given a line for the user, when something takes long.
      **encryption: ``tls``, ``ca``, ``certificate`` and ``key`` of the connection.

    Raises:
      InputError: a file of the encryption cannot be read.
    """

    def __init__(
        self,
        target: str,
        model: str,
        directory: Path,
        tell: Callable[[str], None] = lambda line: None,
        **encryption: Any,
    ) -> None:
        self._target, self._model, self._directory, self._tell = target, model, directory, tell
        self._told: set[int] = set()
        try:
            self._client = Client(target, model, **encryption)
        except ValueError as error:
            raise InputError(f"{error}.") from error

    def __enter__(self) -> "FollowingServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def versions(self) -> list[VersionStatus]:
        """The versions that it knows.

        Raises:
          InputError: it does not answer, or does not serve the model.
        """
        try:
            return self._client.status()
        except ClientError as error:
            offline = " With --offline the file alone is changed." if error.code == "UNAVAILABLE" else ""
            raise InputError(f"{error.text}{offline}") from error

    def answering(self, label: str) -> int | None:
        """The version that answers to a label; None: no version does."""
        try:
            (entry,) = self._client.status(label)
        except ClientError:
            return None
        return entry.version if entry.state == "AVAILABLE" else None

    def newest(self) -> int | None:
        """The newest version that answers, once those that are loading do; None: no version does.

        Raises:
          InputError: as :meth:`versions`.
        """
        while True:
            states = {entry.version: entry.state for entry in self.versions()}
            answering = max((number for number, state in states.items() if state == "AVAILABLE"), default=-1)
            if not self._loading(number for number in states if number > answering):
                return answering if answering >= 0 else None
            time.sleep(_POLL_SECONDS)

    def _loading(self, numbers: Iterable[int]) -> bool:
        """Whether any of these versions is loading; the user is told once of each."""
        wanted = set(numbers)
        loading = {entry.version for entry in self.versions() if entry.state in _LOADING} & wanted
        for number in sorted(loading - self._told):
            self._tell(f"Version {number} of {self._model} is loading: waiting until it can answer.")
        self._told |= loading
        return bool(loading)

    def check(self, labels: Mapping[str, int]) -> None:
        """Makes sure that labels can be given: no version among theirs was refused.

        Raises:
          InputError: one was, with the reason; or as :meth:`versions`.
        """
        for entry in self.versions():
            if entry.error and entry.version in labels.values():
                raise InputError(f"Version {entry.version} of {self._model} was refused: {entry.error}")

    def wait_until_followed(self, labels: Mapping[str, int]) -> None:
        """Waits until every label is on its version, as long as a version takes to load.

        Raises:
          InputError: a version was refused, or the time is over.
        """
        end = time.monotonic() + _SECONDS
        while any(self.answering(label) != number for label, number in labels.items()):
            self.check(labels)
            if self._loading(labels.values()):
                end = time.monotonic() + _SECONDS
            elif time.monotonic() > end:
                raise InputError(
                    f"The server at {self._target} did not follow within {_SECONDS:g} s, so nothing was changed. "
                    f"Does it serve {self._directory}, and look at models.config (--model-config-poll-seconds above 0)?"
                )
            time.sleep(_POLL_SECONDS)

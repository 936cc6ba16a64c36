"""What a servicer is told of a call that came over HTTP, in gRPC's terms."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import grpc


class Aborted(Exception):
    """A servicer ended the call with an error; the context has its code and words."""


class RestContext(grpc.ServicerContext):
    """The context of one HTTP request.

    Args:
      peer: address of the client.
      seconds: until nobody waits for the answer any more.
      headers: of the request; lower-case name and value.

    Attributes:
      trailing: what is told beside the answer, as headers.
    """

    def __init__(self, peer: str = "", seconds: float | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        self._peer, self._headers = peer, tuple(headers)
        self.trailing: Sequence[tuple[str, str]] = ()
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._lock = threading.Lock()
        self._active = True
        self._callbacks: list[Callable[[], None]] = []
        self._code: grpc.StatusCode | None = None
        self._details = ""

    def is_active(self) -> bool:
        """Whether somebody still waits for the answer."""
        return self._active and (self._deadline is None or time.monotonic() < self._deadline)

    def time_remaining(self) -> float | None:
        """Seconds until nobody waits for the answer any more; None: no limit."""
        return None if self._deadline is None else max(self._deadline - time.monotonic(), 0.0)

    def cancel(self) -> None:
        """The client has gone, or was answered; calls what was added with :meth:`add_callback`."""
        with self._lock:
            callbacks, self._callbacks, self._active = self._callbacks, [], False
        for callback in callbacks:
            callback()

    def add_callback(self, callback: Callable[[], None]) -> bool:
        """Has ``callback`` called when the call ends; false, and not called, if it has ended."""
        with self._lock:
            if self._active:
                self._callbacks.append(callback)
            return self._active

    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        """Ends the call with an error."""
        self._code, self._details = code, details
        raise Aborted(details)

    def abort_with_status(self, status: Any) -> NoReturn:
        """Ends the call with an error."""
        self.abort(status.code, status.details)

    def set_code(self, code: grpc.StatusCode) -> None:
        """Sets the code."""
        self._code = code

    def set_details(self, details: str) -> None:
        """Sets the words of an error."""
        self._details = details

    def code(self) -> grpc.StatusCode:
        """How the call ended, or stands."""
        return self._code or grpc.StatusCode.OK

    def details(self) -> str:
        """The words of an error."""
        return self._details

    def peer(self) -> str:
        """Address of the client."""
        return self._peer

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """The request's headers."""
        return self._headers

    def peer_identities(self) -> Iterable[bytes] | None:
        """Not looked at."""
        return None

    def peer_identity_key(self) -> str | None:
        """Not looked at."""
        return None

    def auth_context(self) -> dict[str, Iterable[bytes]]:
        """Empty."""
        return {}

    def send_initial_metadata(self, initial_metadata: Any) -> None:
        """HTTP has no place for it."""

    def set_trailing_metadata(self, trailing_metadata: Sequence[tuple[str, str]]) -> None:
        """Sends headers along with the answer."""
        self.trailing = tuple(trailing_metadata)

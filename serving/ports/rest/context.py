"""Call context of an HTTP request."""

import threading
import time
from collections.abc import Sequence


class RestContext:
    """One HTTP request.

    Args:
      seconds: until nobody waits for the answer any more.
      headers: of the request; lower-case name and value.

    Attributes:
      trailing: what is told beside the answer, as headers.
    """

    def __init__(self, seconds: float | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        self._headers = tuple(headers)
        self.trailing: Sequence[tuple[str, str]] = ()
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._gone = threading.Event()

    def is_active(self) -> bool:
        """Whether somebody still waits for the answer."""
        return not self._gone.is_set() and (self._deadline is None or time.monotonic() < self._deadline)

    def cancel(self) -> None:
        """The client has gone, or was answered."""
        self._gone.set()

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """The request's headers."""
        return self._headers

    def set_trailing_metadata(self, trailing_metadata: Sequence[tuple[str, str]]) -> None:
        """Sends headers along with the answer."""
        self.trailing = tuple(trailing_metadata)

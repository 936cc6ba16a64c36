"""Admission control: rejects requests above a bound on queued work."""

import threading


class Gate:
    """Lets a bounded number of requests, of a bounded number of bytes, in at a time.

    Args:
      requests: at a time.
      size: bytes of their bodies, together.
    """

    def __init__(self, requests: int, size: int) -> None:
        self._most_requests, self._most_bytes = requests, size
        self._requests = self._bytes = 0
        self._changed = threading.Condition()

    def enter(self, size: int) -> bool:
        """Lets a request in, or says that there is no room for it.

        Args:
          size: bytes that its body can have.
        """
        with self._changed:
            if self._requests >= self._most_requests or self._bytes + size > self._most_bytes:
                return False
            self._requests += 1
            self._bytes += size
            return True

    def leave(self, size: int) -> None:
        """A request that was let in is done."""
        with self._changed:
            self._requests -= 1
            self._bytes -= size
            self._changed.notify_all()

    def wait_until_empty(self, timeout: float) -> bool:
        """Waits until all are done; says whether they are.

        Args:
          timeout: seconds.
        """
        with self._changed:
            return self._changed.wait_for(lambda: not self._requests, timeout)

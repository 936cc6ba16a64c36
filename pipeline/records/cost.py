"""Cost of a step or a run: time, CPU and memory."""

import contextlib
import re
import resource
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """Time spent.

    Attributes:
      seconds: by the clock.
      cpu_seconds: of this process and of those that it waited for.
    """

    seconds: float
    cpu_seconds: float

    def __sub__(self, earlier: "Cost") -> "Cost":
        return Cost(self.seconds - earlier.seconds, self.cpu_seconds - earlier.cpu_seconds)

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s, {self.cpu_seconds:.1f} CPU-s"


def now() -> Cost:
    """Spent so far; only differences mean something."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Cost(time.monotonic(), sum(used.ru_utime + used.ru_stime for used in usage))


def peak_memory() -> int | None:
    """The most memory that this process has held since it began or :func:`reset_peak_memory`; None off Linux.

    Returns:
      bytes.
    """
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    except OSError:
        return None
    return 1024 * int(found[1]) if found else None


def reset_peak_memory() -> None:
    """Lets :func:`peak_memory` begin anew; where the kernel does not allow it, the peak stays that of the process."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")

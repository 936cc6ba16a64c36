"""What something cost."""

import resource
import time
from dataclasses import dataclass


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

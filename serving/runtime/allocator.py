"""Configures the C allocator to return memory to the system."""

import ctypes
import os

_M_ARENA_MAX = -8  # malloc.h


def keep_few_arenas() -> bool:
    """Limits malloc to an arena a core, where it is glibc's; to be called before threads are started.

    By default it makes eight a core, for any thread; each keeps what large requests that happened to fall on it left
    behind, which adds up to gigabytes.

    Returns:
      whether it is glibc's and took the limit.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_M_ARENA_MAX, max(os.cpu_count() or 1, 2)))


def give_back() -> None:
    """Returns what was freed to the system, where the allocator is glibc's, which keeps what is not at an end.

    To be called after much was freed at once.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)

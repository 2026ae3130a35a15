"""The C library's allocator: it should keep what a network gives back and asks for again a moment later."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of mallopt's parameters in glibc's malloc.h
_KEEP = 2**30
_FROM_HEAP = 2**25  # the most that glibc allows


def keep_freed_memory() -> None:
    """Stop glibc from returning every freed tensor to the system, whose zeroed pages cost a tenth of a map's time.

    dask sets the opposite for its workers, where it doubles the time. Without effect where there is no glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _KEEP)
        mallopt(_MMAP_THRESHOLD, _FROM_HEAP)

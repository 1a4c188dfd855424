"""What a process says to the C library about its memory, where that is glibc."""

import ctypes

M_ARENA_MAX = -8
"""The number that malloc.h gives the option."""


def give_back() -> None:
    """Give the system back what glibc keeps of the memory that bursts, long texts and loading took; costs some milliseconds."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def few_heaps() -> None:
    """Let all threads allocate from two heaps of glibc's: one for each would keep what a burst left free in it."""
    option = getattr(ctypes.CDLL(None), "mallopt", None)
    if option is not None:
        option(M_ARENA_MAX, 2)

"""Pairs of ports for installations of tests that run side by side: one for the API, the next for the demo blog."""

import fcntl
import os
import tempfile
from pathlib import Path
from typing import Final

from moderation.embedded import is_free

FIRST: Final = 20_000
LAST: Final = 29_998
"""Below the ports that Linux and macOS give to who names none, so that no outgoing connection and no test server has one."""

_kept: list[int] = []


def free_pair() -> int:
    """Return a port that is free together with its next one; no other process of the tests gets it before this one ends."""
    locks = Path(tempfile.gettempdir()) / f"tidegate-ports-{os.getuid()}"
    locks.mkdir(mode=0o700, exist_ok=True)
    pairs = (LAST - FIRST) // 2
    # Processes begin apart, so that each finds one soon.
    for step in range(pairs):
        port = FIRST + 2 * ((os.getpid() * 31 + step) % pairs)
        lock = os.open(locks / str(port), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        # Held until this process ends, also where somebody else listens there.
        _kept.append(lock)
        if is_free(port) and is_free(port + 1):
            return port
    raise AssertionError(f"no two ports from {FIRST} to {LAST} are free")

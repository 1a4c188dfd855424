"""Ends what would never end by itself: a process whose work hangs, and a worker whose child is gone for good.

Celery's time limits hold for the tasks of the prefork pool alone, not for the fallback thread and not for a pool of threads; and
Celery replaces a dead child only while it is connected to its broker. So each process watches its own work, and ends itself hard
when a piece of it takes too long: who started it starts it again, the lease runs out, and the comment is claimed alone.
"""

import faulthandler
import os
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from workers.app import TIME_LIMIT

log = structlog.get_logger(__name__)

LOADING = 120.0
"""Seconds that a model may take to be loaded."""

CHILDLESS = 5.0
"""Seconds that a worker may be without a living child: Celery replaces one in a fraction of a second while it can."""

STANDARD_ERROR = 2


class Watchdog:
    """Ends the process when a piece of work in one of its threads exceeds its limit; exit status 1.

    The timer is the one of ``faulthandler``: it needs no lock of the interpreter, so it also ends what hangs inside a library
    while holding that lock, and it writes to standard error where each thread stood, in functions and lines without values.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: dict[object, float] = {}

    @contextmanager
    def over(self, seconds: float = TIME_LIMIT) -> Iterator[None]:
        """Watch over the work inside, which may take so long."""
        work = object()
        with self._lock:
            self._ends[work] = time.monotonic() + seconds
            self._set()
        try:
            yield
        finally:
            with self._lock:
                del self._ends[work]
                self._set()

    def _set(self) -> None:
        if not self._ends:
            faulthandler.cancel_dump_traceback_later()
            return
        left = min(self._ends.values()) - time.monotonic()
        faulthandler.dump_traceback_later(max(left, 0.001), exit=True, file=STANDARD_ERROR)


class Childless(threading.Thread):
    """Ends a prefork worker that has had no living child for some seconds, so that whoever started it starts it anew.

    While Redis is away Celery does nothing but try to connect, and a child that dies meanwhile stays dead.
    """

    def __init__(self, worker: Any) -> None:
        super().__init__(name="childless", daemon=True)
        self._worker = worker
        self.ending = threading.Event()

    def run(self) -> None:
        """Look once a second until the worker ends."""
        seen = time.monotonic()
        while not self.ending.wait(1.0):
            if has_living_child(self._worker.pool):
                seen = time.monotonic()
            elif time.monotonic() - seen > CHILDLESS:
                log.critical("no_child_left")
                os._exit(1)


def has_living_child(pool: Any) -> bool:
    """Tell whether a process of Celery's pool lives; true for a pool that is being closed."""
    if pool is None or pool._pool is None:  # noqa: SLF001 (Celery shows its children nowhere else)
        return True
    # A pipe whose other end the child holds: to ask for its exit status would take that from Celery.
    return any(not _at_end(process.sentinel) for process in list(pool._pool._pool))  # noqa: SLF001 (the same)


def _at_end(pipe: int) -> bool:
    waiting = select.poll()
    waiting.register(pipe, select.POLLIN | select.POLLHUP)
    return bool(waiting.poll(0))

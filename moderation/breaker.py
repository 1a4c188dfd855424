"""One circuit breaker over all use of Redis: when it is down or hung, requests go on without it.

Redis makes Tidegate faster, never correct: doorbells, rate limits and caches can all be missed. So
its calls share one budget per request and one breaker per process, and a broken Redis costs a
request at most one short time-out.
"""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import structlog

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Open(Exception):
    """The breaker is open: the call was not made."""


class Breaker:
    """Stops calling what fails: after ``threshold`` failures in a row, one probe every ``cooldown`` seconds."""

    def __init__(self, *, threshold: int = 2, cooldown: float = 2.0, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.threshold = threshold
        self.cooldown = cooldown
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._failures = 0
        self._probe_at = 0.0

    @property
    def is_open(self) -> bool:
        """Tell whether calls are refused at the moment."""
        with self._lock:
            return self._failures >= self.threshold and self._monotonic() < self._probe_at

    def call(self, act: Callable[[], T], *, failures: tuple[type[Exception], ...]) -> T:
        """Call ``act``; raises Open without calling while the breaker is open, else what ``act`` raises."""
        with self._lock:
            if self._failures >= self.threshold:
                if self._monotonic() < self._probe_at:
                    raise Open
                # This caller is the probe; the others stay out meanwhile.
                self._probe_at = self._monotonic() + self.cooldown
        try:
            result = act()
        except failures as error:
            with self._lock:
                self._failures += 1
                self._probe_at = self._monotonic() + self.cooldown
                opened = self._failures == self.threshold
            if opened:
                log.warning("breaker_opened", error=type(error).__name__)
            raise
        with self._lock:
            closed = self._failures >= self.threshold
            self._failures = 0
        if closed:
            log.info("breaker_closed")
        return result

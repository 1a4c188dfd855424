"""The thread that makes the doorbell unnecessary: it looks for work by itself, and says that the process is alive.

With a bell it finds nothing and costs one SELECT a second. Without Redis, or after a lost ring, a comment waits a second longer.
"""

import random
import threading
import time
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from moderation.services import processes

if TYPE_CHECKING:
    from workers.process import WorkerProcess

log = structlog.get_logger(__name__)

EVERY = 1.0
"""Seconds between looks, give or take a fifth, so that many workers do not look at once."""


class Fallback(threading.Thread):
    """Looks for due jobs of the process's queues until the process ends."""

    def __init__(self, process: "WorkerProcess") -> None:
        super().__init__(name="fallback", daemon=True)
        self._process = process
        self._started_at = process.runtime.clock.now()
        self._beat_at = 0.0

    def run(self) -> None:
        """Look and beat, whatever fails: the database may be back with the next look."""
        while True:
            try:
                self._beat()
                for queue in self._process.queues:
                    self._process.drain(queue)
            except SQLAlchemyError as error:
                log.warning("fallback_failed", error=type(error).__name__)
            except Exception as error:
                log.exception("fallback_failed", error=type(error).__name__)
            if self._process.ending.wait(EVERY * random.uniform(0.8, 1.2)):  # noqa: S311 (jitter, not a secret)
                return

    def _beat(self) -> None:
        if time.monotonic() < self._beat_at:
            return
        with self._process.watchdog.over(), self._process.runtime.database.transaction() as session:
            processes.beat(
                session,
                self._process.name,
                "+".join(self._process.queues),
                started_at=self._started_at,
                now=self._process.runtime.database.now(session),
            )
        self._process.tidy()
        self._beat_at = time.monotonic() + processes.EVERY.total_seconds()

"""Counting readers without keeping them waiting: in memory, handed over to the database by a thread of its own now and then.

Nothing of a reader is noted, and a count that could not be handed over is tried again with the next ones. What does not fit is
not counted: a figure that is a little low harms nobody.
"""

import threading
from collections import Counter
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from moderation.database import Database
from moderation.services import views
from moderation.services.views import Seen

log = structlog.get_logger(__name__)

EVERY = 30.0
"""Seconds between two times that counts are handed over."""

MOST = 2000
"""Posts and hours that are counted at a time, some hundred kilobytes at most."""


class Views:
    """The count of one process; its thread begins with the first view."""

    def __init__(self, database: Database, *, every: float = EVERY) -> None:
        self._database = database
        self._every = every
        self._counted: Counter[Seen] = Counter()
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def count(self, site_id: UUID, post_id: UUID, *, now: datetime) -> None:
        """Count one view; returns at once and never raises."""
        seen = Seen(site_id, post_id, views.hour_of(now))
        with self._lock:
            if self._ending.is_set() or (seen not in self._counted and len(self._counted) >= MOST):
                return
            self._counted[seen] += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="views", daemon=True)
                self._thread.start()

    def hand_over(self) -> None:
        """Store what was counted; what the database does not take is kept for the next time."""
        with self._lock:
            counted, self._counted = self._counted, Counter()
        if not counted:
            return
        try:
            self._database.transact(lambda session: views.add(session, counted))
        except SQLAlchemyError as error:
            log.warning("views_kept", error=type(error).__name__)
            with self._lock:
                for seen, number in counted.items():
                    if seen in self._counted or len(self._counted) < MOST:
                        self._counted[seen] += number

    def end(self) -> None:
        """Hand over what is left and end the thread."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def _run(self) -> None:
        while not self._ending.wait(self._every):
            self.hand_over()
        self.hand_over()

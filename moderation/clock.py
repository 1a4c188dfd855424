"""Time as the services see it: one port, so that tests can own the clock.

Leases and retry times are compared with the *database's* clock where it has one (see
``moderation.queue``); this clock stamps records.
"""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        return datetime.now(UTC)

"""Time as the services see it: one port, so that tests can own the clock.

Leases and retry times are compared with the *database's* clock where it has one (see
``moderation.queue``); this clock stamps records.
"""

from datetime import UTC, datetime
from functools import cache
from typing import Protocol
from zoneinfo import ZoneInfo

import structlog

log = structlog.get_logger(__name__)


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


def zone_named(name: str) -> ZoneInfo:
    """Return a time zone of this machine; raises ValueError for a name that none has."""
    try:
        return ZoneInfo(name)
    except (OSError, KeyError) as error:
        # Half a name, such as Europe, is a folder to the library, and a very long one no name of a file.
        raise ValueError(f"{name!r} is not a time zone.") from error


@cache
def zone_of(name: str) -> ZoneInfo:
    """Return a time zone that was known when it was chosen; UTC, with a word in the log, where this machine has it no more."""
    try:
        return zone_named(name)
    except ValueError:
        # After a move to another machine, for one: a site's people are told at an odd hour rather than never.
        log.warning("time_zone_unknown", time_zone=name)
        return ZoneInfo("UTC")

"""When to try again: pure rules over an attempt's number and its reply.

The schedule, the jitter and the longer pause after a time-out or a 429 are those of Standard Webhooks and Svix.
A receiver's ``Retry-After`` can make us wait longer, for a day at most, and never less.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from moderation.outbound.http import Reply

JITTER = 0.2
THROTTLED = frozenset({429, 502, 504})
THROTTLED_PAUSE = timedelta(seconds=60)
RETRY_AFTER_LIMIT = timedelta(days=1)

FAILURES_TO_OPEN = 5
"""Failures in a row after which an endpoint gets one probe at a time."""

PROBE_AFTER_AT_MOST = timedelta(minutes=30)
"""The longest pause between probes: a receiver that is healed on Saturday should not wait for Sunday."""

GIVE_UP_AFTER = timedelta(days=5)
"""How long an endpoint may fail without one success before it is paused."""


def next_attempt(schedule: Sequence[float], attempts: int, reply: Reply, *, draw: float, now: datetime) -> datetime | None:
    """Return the time of the next attempt after ``attempts`` of them, or None when the schedule is used up.

    ``schedule`` holds the seconds before each attempt, the first one's included; ``draw`` is uniform in 0..1.
    """
    if attempts >= len(schedule):
        return None
    pause = timedelta(seconds=schedule[attempts] * (1 + JITTER * (2 * draw - 1)))
    if reply.trouble == "timeout" or reply.status in THROTTLED:
        pause = max(pause, THROTTLED_PAUSE)
    return now + max(pause, retry_after(reply.retry_after, now=now))


def retry_after(header: str | None, *, now: datetime) -> timedelta:
    """Return how long a receiver asks us to wait (seconds or an HTTP date), from nothing to one day; nonsense is nothing."""
    if header is None:
        return timedelta()
    try:
        asked = timedelta(seconds=int(header)) if header.strip().isdecimal() else _until(header, now)
    except (ValueError, OverflowError):
        return timedelta()
    return min(max(asked, timedelta()), RETRY_AFTER_LIMIT)


def _until(header: str, now: datetime) -> timedelta:
    moment = parsedate_to_datetime(header)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now


def throttle(reply: Reply, *, now: datetime) -> datetime | None:
    """Return until when a receiver wants to be left alone altogether (429 or 503 with ``Retry-After``), else None.

    All that is on its way there waits, for half an hour at most; the delivery itself waits as long as it was told.
    """
    if reply.status not in {429, 503} or reply.retry_after is None:
        return None
    return now + min(retry_after(reply.retry_after, now=now), PROBE_AFTER_AT_MOST)


def probe_at(schedule: Sequence[float], failures: int, *, now: datetime) -> datetime | None:
    """Return when the next probe may start after so many failures in a row; None while every delivery is tried.

    The pauses are the schedule's own, from its third step on (30 seconds by default), for half an hour at most.
    """
    if failures < FAILURES_TO_OPEN or not schedule:
        return None
    step = min(2 + failures - FAILURES_TO_OPEN, len(schedule) - 1)
    return now + min(timedelta(seconds=schedule[step]), PROBE_AFTER_AT_MOST)

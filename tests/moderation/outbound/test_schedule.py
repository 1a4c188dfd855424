"""When an attempt is repeated."""

from datetime import UTC, datetime, timedelta

import pytest

from moderation.config import DEFAULT_SCHEDULE
from moderation.outbound.http import Reply
from moderation.outbound.schedule import next_attempt, probe_at, retry_after, throttle

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def pause(attempts: int, reply: Reply, *, draw: float = 0.5) -> float | None:
    again = next_attempt(DEFAULT_SCHEDULE, attempts, reply, draw=draw, now=NOW)
    return None if again is None else (again - NOW).total_seconds()


def test_each_failure_is_followed_by_the_next_step_of_the_schedule_and_the_last_by_none() -> None:
    failed = Reply(status=500)
    assert [pause(attempts, failed) for attempts in range(1, 12)] == [*DEFAULT_SCHEDULE[1:], None]


def test_the_whole_schedule_lasts_three_days_and_a_half() -> None:
    assert timedelta(days=3) < timedelta(seconds=sum(DEFAULT_SCHEDULE)) < timedelta(days=4)


def test_the_pause_varies_by_a_fifth_either_way() -> None:
    assert pause(3, Reply(status=500), draw=0.0) == pytest.approx(240)
    assert pause(3, Reply(status=500), draw=1.0) == pytest.approx(360)


@pytest.mark.parametrize("reply", [Reply(trouble="timeout"), Reply(status=429), Reply(status=502), Reply(status=504)])
def test_a_receiver_that_has_too_much_to_do_is_left_alone_for_a_minute(reply: Reply) -> None:
    assert pause(1, reply) == 60
    assert pause(3, reply) == 300


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("Tue, 24 Nov 2026 12:05:00 GMT", 300),
        ("0", 0),
        ("-5", 0),
        ("soon", 0),
        ("", 0),
        ("99999999999999999999", 0),
        ("604800", 86400),
        ("Tue, 24 Nov 2020 12:05:00 GMT", 0),
        (None, 0),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_a_day_at_most(header: str | None, seconds: int) -> None:
    assert retry_after(header, now=NOW) == timedelta(seconds=seconds)


def test_retry_after_makes_us_wait_longer_and_never_less() -> None:
    assert pause(1, Reply(status=503, retry_after="900")) == 900
    assert pause(5, Reply(status=503, retry_after="1")) == 7200


def test_a_throttled_endpoint_is_left_alone_altogether_for_half_an_hour_at_most() -> None:
    assert throttle(Reply(status=429, retry_after="120"), now=NOW) == NOW + timedelta(seconds=120)
    assert throttle(Reply(status=429, retry_after="86400"), now=NOW) == NOW + timedelta(minutes=30)
    assert throttle(Reply(status=429), now=NOW) is None
    assert throttle(Reply(status=500, retry_after="120"), now=NOW) is None


def test_the_fifth_failure_in_a_row_opens_the_breaker_and_probes_become_rarer() -> None:
    assert probe_at(DEFAULT_SCHEDULE, 4, now=NOW) is None
    pauses = [(probe_at(DEFAULT_SCHEDULE, failures, now=NOW) or NOW) - NOW for failures in (5, 6, 7, 8, 30)]
    assert [pause.total_seconds() for pause in pauses] == [30, 300, 1800, 1800, 1800]
    assert probe_at((0.0, 1.0), 5, now=NOW) == NOW + timedelta(seconds=1)

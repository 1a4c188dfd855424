"""Webhooks on their way: each arrives at least once, in order, signed, or stands in a named state."""

import contextlib
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
import standardwebhooks
import svix
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from moderation.config import DEFAULT_SCHEDULE
from moderation.database import Database
from moderation.models import DeliveryState, EndpointState, Job, Message, MessageKind, Status
from moderation.outbound.http import Reply
from moderation.queue import Claim
from moderation.services import endpoints, events, messages
from moderation.services.attempts import Notifying, redact
from moderation.services.delivery import LEASE, SLOTS, SLOTS_PER_RECEIVER
from moderation.services.mailing import Mailing
from moderation.services.parcels import Parcel
from tests.moderation.outbound.receiver import Got, listening, status
from tests.moderation.services.outgoing import SECRET, Outgoing, outgoing


@pytest.fixture
def out(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outgoing]:
    with outgoing(database, tmp_path, monkeypatch) as world:
        yield world


def test_a_webhook_arrives_once_and_verifies_with_two_independent_libraries(out: Outgoing) -> None:
    new = out.subscribe()
    event = out.change(out.comment())
    assert out.drain() == 1
    (got,) = out.receiver.got
    assert got.id == event
    standardwebhooks.Webhook(new.secret).verify(got.body, dict(got.headers))
    svix.Webhook(new.secret).verify(got.body, dict(got.headers))
    assert orjson.loads(got.body)["type"] == events.APPROVED
    assert out.states() == ["delivered"]
    (attempt,) = out.attempts()
    assert (attempt.number, attempt.response_status, attempt.error) == (1, 204, None)
    assert out.drain() == 0
    assert out.jobs() == []


def test_the_text_goes_only_where_it_was_asked_for(out: Outgoing) -> None:
    out.subscribe()
    with listening() as curious:
        out.subscribe(curious.url, include_text=True)
        out.change(out.comment("a text to read"))
        out.drain()
        assert b"a text to read" not in out.receiver.got[0].body
        assert orjson.loads(curious.got[0].body)["data"]["comment"]["body"] == "a text to read"


@pytest.mark.parametrize("end", [events.ERASED, events.WITHDRAWN])
def test_news_of_an_erasure_or_withdrawal_carry_no_text(out: Outgoing, end: str) -> None:
    out.subscribe(include_text=True)
    comment = out.comment("a canary in the text")
    out.change(comment)
    out.change(comment, end, status=Status.ERASED)
    out.drain()
    assert [b"canary" in got.body for got in out.receiver.got] == [True, False]


def test_an_hour_of_500s_is_tried_by_the_schedule_with_the_same_bytes_and_the_same_id(out: Outgoing) -> None:
    out.subscribe()
    event = out.change(out.comment())
    out.receiver.answer = status(500, body=b"oops")
    for step in (5, 30, 300, 1800):
        assert out.drain() == 1
        out.clock.move(step - 1)
        assert out.drain() == 0, "not a second before its time"
        out.clock.move(1)
    assert out.drain() == 1
    out.receiver.answer = status(200)
    out.clock.move(7200)
    assert out.drain() == 1
    assert out.states() == ["delivered"]
    assert out.ids() == [event] * 6
    assert len({got.body for got in out.receiver.got}) == 1
    assert len({got.headers["webhook-timestamp"] for got in out.receiver.got}) == 6
    assert [attempt.error for attempt in out.attempts()] == ["http_500"] * 5 + [None]
    assert out.attempts()[0].response_excerpt == "oops"


def test_a_schedule_that_is_used_up_ends_in_dead_and_a_replay_begins_it_again(out: Outgoing) -> None:
    out.subscribe()
    event = out.change(out.comment())
    out.receiver.answer = status(500)
    for step in (*DEFAULT_SCHEDULE[1:], 86400):
        assert out.drain() == 1
        out.clock.move(step)
    assert out.drain() == 0
    (delivery,) = out.deliveries()
    assert (str(delivery.state), delivery.last_error, delivery.attempts) == ("dead", "http_500", len(DEFAULT_SCHEDULE))
    assert out.jobs() == []
    out.receiver.answer = status(200)
    with out.database.transaction() as session:
        endpoints.replay(session, out.site_id, delivery.id, by="test", now=out.clock.now())
    assert out.drain() == 1
    assert out.states() == ["delivered"]
    assert set(out.ids()) == {event}


def test_news_of_a_comment_come_in_order_and_wait_for_the_first(out: Outgoing) -> None:
    out.subscribe()
    comment, other = out.comment(), out.comment()
    first, second = out.change(comment), out.change(comment, events.REJECTED)
    elsewhere = out.change(other)

    def refuse_the_first(handler: BaseHTTPRequestHandler, got: Got) -> None:
        status(500 if got.id == first else 200)(handler, got)

    out.receiver.answer = refuse_the_first
    out.drain()
    assert sorted(out.ids()) == sorted([first, elsewhere])
    out.receiver.answer = status(200)
    out.clock.move(6)
    out.drain()
    assert [got for got in out.ids() if got != elsewhere] == [first, first, second]
    assert out.states() == ["delivered"] * 3


def test_a_dead_delivery_releases_the_next_in_order(out: Outgoing) -> None:
    out.subscribe()
    comment = out.comment()
    first, second = out.change(comment), out.change(comment, events.REJECTED)

    def refuse_the_first(handler: BaseHTTPRequestHandler, got: Got) -> None:
        status(500 if got.id == first else 200)(handler, got)

    out.receiver.answer = refuse_the_first
    for step in (*DEFAULT_SCHEDULE[1:], 1800):
        out.drain()
        assert second not in out.ids()
        out.clock.move(step)
    # The breaker that the first one opened lets a probe through after half an hour.
    assert out.drain() == 1
    assert out.states() == ["dead", "delivered"]
    assert out.ids()[-1] == second


def test_retry_after_is_honoured_and_holds_back_everything_for_that_endpoint(out: Outgoing) -> None:
    out.subscribe()
    (event,) = out.news(1)
    out.receiver.answer = status(429, Retry_After="900")
    assert out.drain() == 1
    out.receiver.answer = status(200)
    later = out.news(1)[0]
    out.clock.move(899)
    assert out.drain() == 0
    out.clock.move(1)
    assert out.drain() == 2
    assert sorted(out.ids()) == sorted([event, event, later])
    assert [delivery.attempts for delivery in out.deliveries()] == [2, 1]


def test_after_a_time_out_a_minute_passes_at_least(out: Outgoing) -> None:
    out.subscribe()
    out.news(1)
    impatient = out.another(timeout=0.3)

    def silence(handler: BaseHTTPRequestHandler, got: Got) -> None:
        out.receiver.closing.wait(10)

    out.receiver.answer = silence
    assert impatient.drain(lambda: False) == 1
    impatient.close()
    assert out.attempts()[0].error == "timeout"
    out.receiver.answer = status(200)
    out.clock.move(59)
    assert out.drain() == 0
    out.clock.move(1)
    assert out.drain() == 1


def test_a_redirect_is_a_failure_that_is_tried_again(out: Outgoing) -> None:
    out.subscribe()
    out.news(1)
    with listening() as elsewhere:
        out.receiver.answer = status(301, Location=elsewhere.url)
        assert out.drain() == 1
        assert elsewhere.got == []
    assert out.attempts()[0].error == "http_301"
    assert out.states() == ["pending"]


def test_a_receiver_that_says_gone_twice_is_disabled_and_what_waits_for_it_is_paused(out: Outgoing) -> None:
    new = out.subscribe()
    out.news(1)
    out.receiver.answer = status(410)
    out.drain()
    assert out.endpoint(new).state is EndpointState.ACTIVE
    out.clock.move(5)
    out.drain()
    out.news(1)
    endpoint = out.endpoint(new)
    assert (endpoint.state, endpoint.state_reason) == (EndpointState.DISABLED, "gone")
    assert out.states() == ["paused", "paused"]
    assert out.jobs() == []
    out.receiver.answer = status(200)
    with out.database.transaction() as session:
        assert endpoints.resume(session, out.site_id, new.endpoint.id, by="test", now=out.clock.now()) == 2
    out.drain()
    assert out.states() == ["delivered", "delivered"]


def test_an_endpoint_without_success_for_five_days_is_paused(out: Outgoing) -> None:
    new = out.subscribe()
    out.receiver.answer = status(500)
    out.news(1)
    out.drain()
    out.clock.move(timedelta(days=5).total_seconds())
    waiting = out.news(1)
    assert out.drain() >= 1
    endpoint = out.endpoint(new)
    assert (endpoint.state, endpoint.state_reason) == (EndpointState.PAUSED, "failing")
    assert set(out.states()) == {"paused"}
    assert len(waiting) == 1


def test_an_open_breaker_lets_one_probe_through_and_a_success_releases_all(out: Outgoing) -> None:
    new = out.subscribe()
    out.receiver.answer = status(500)
    out.news(5)
    out.drain()
    assert out.endpoint(new).failures == 5
    out.news(20)
    assert out.drain() == 0, "nothing is tried while the breaker is open"
    out.clock.move(30)
    assert out.drain() == 1, "one probe"
    assert sum(delivery.attempts for delivery in out.deliveries()) == 6
    out.clock.move(299)
    assert out.drain() == 0
    out.receiver.answer = status(200)
    out.clock.move(1)
    assert out.drain() == 25
    assert set(out.states()) == {"delivered"}
    endpoint = out.endpoint(new)
    assert (endpoint.failures, endpoint.failing_since, endpoint.open_until) == (0, None, None)


def test_a_burst_of_failures_opens_the_breaker_no_longer_than_five_do(out: Outgoing) -> None:
    new = out.subscribe()
    out.receiver.answer = status(500)
    out.news(SLOTS_PER_RECEIVER * 2)
    assert out.drain() >= 5
    endpoint = out.endpoint(new)
    assert (endpoint.failures, endpoint.open_until) == (5, out.clock.now() + timedelta(seconds=30))
    out.clock.move(30)
    assert out.drain() == 1
    endpoint = out.endpoint(new)
    assert (endpoint.failures, endpoint.open_until) == (6, out.clock.now() + timedelta(seconds=300))


def test_of_two_workers_that_claim_at_once_one_gets_the_probe(out: Outgoing, monkeypatch: pytest.MonkeyPatch) -> None:
    out.subscribe()
    out.receiver.answer = status(500)
    out.news(5)
    out.drain()
    out.news(5)
    out.clock.move(30)
    load = Notifying.load
    inside, second_is_done = threading.Event(), threading.Event()

    def load_and_linger(self: Notifying, *arguments: Any, **named: Any) -> list[Parcel]:
        parcels = load(self, *arguments, **named)
        if not inside.is_set():
            inside.set()
            # The second has to wait for this transaction, so this is over only with the time.
            second_is_done.wait(0.5)
        return parcels

    monkeypatch.setattr(Notifying, "load", load_and_linger)
    other = out.another()
    claimed: list[Parcel] = []

    def second() -> None:
        inside.wait(10)
        claimed.extend(parcel for _, parcel in other._claim())
        second_is_done.set()

    thread = threading.Thread(target=second)
    thread.start()
    claimed.extend(parcel for _, parcel in out.deliverer._claim())
    thread.join(10)
    other.close()
    assert len(claimed) == 1


def test_a_slow_endpoint_gets_four_attempts_at_once_and_starves_nobody(out: Outgoing) -> None:
    let_go = threading.Event()
    slow_now, most = 0, 0
    lock = threading.Lock()

    def slow(handler: BaseHTTPRequestHandler, got: Got) -> None:
        nonlocal slow_now, most
        with lock:
            slow_now += 1
            most = max(most, slow_now)
        let_go.wait(10)
        with lock:
            slow_now -= 1
        status(200)(handler, got)

    with listening() as fast:
        out.receiver.answer = slow
        out.subscribe()
        out.news(30)
        out.subscribe(fast.url)
        out.news(10)
        drain = threading.Thread(target=out.drain)
        drain.start()
        fast.wait_for(10)
        assert len(out.receiver.got) == SLOTS_PER_RECEIVER
        let_go.set()
        drain.join(30)
        assert not drain.is_alive()
    assert set(out.states()) == {"delivered"}
    assert most == SLOTS_PER_RECEIVER


def test_two_deliverers_and_several_threads_send_each_delivery_once(out: Outgoing) -> None:
    out.subscribe()
    wanted = out.news(40)
    others = [out.another(), out.another()]
    threads = [threading.Thread(target=deliverer.drain, args=(lambda: False,)) for deliverer in [*others, others[0]]]
    for thread in threads:
        thread.start()
    out.drain()
    for thread in threads:
        thread.join(30)
    for deliverer in others:
        deliverer.close()
    assert sorted(out.ids()) == sorted(wanted)
    assert {delivery.attempts for delivery in out.deliveries()} == {1}


def test_a_worker_whose_lease_ran_out_during_the_attempt_stores_nothing(out: Outgoing) -> None:
    new = out.subscribe()
    (event,) = out.news(1)

    def too_late(handler: BaseHTTPRequestHandler, got: Got) -> None:
        out.clock.move(LEASE.total_seconds() + 1)
        status(500)(handler, got)

    def answer(handler: BaseHTTPRequestHandler, got: Got) -> None:
        (too_late if len(out.receiver.got) == 1 else status(200))(handler, got)

    out.receiver.answer = answer
    out.drain()
    assert out.ids() == [event, event]
    (attempt,) = out.attempts()
    assert (attempt.number, attempt.response_status) == (1, 200)
    assert out.states() == ["delivered"]
    assert out.endpoint(new).failures == 0


@pytest.mark.parametrize(("late", "sent"), [(30, 1), (45, 1), (61, 0)])
def test_an_attempt_starts_only_with_enough_of_its_lease_left(out: Outgoing, late: int, sent: int) -> None:
    out.subscribe()
    out.news(1)
    ((lane, parcel),) = out.deliverer._claim()
    out.clock.move(late)
    seen: list[Job] = []

    def look(handler: BaseHTTPRequestHandler, got: Got) -> None:
        seen.extend(out.jobs())
        status(200)(handler, got)

    out.receiver.answer = look
    out.deliverer._attempt(lane, parcel)
    assert len(out.receiver.got) == sent
    for job in seen:
        assert job.lease_until is not None
        assert job.lease_until - out.clock.now() > timedelta(seconds=20)


def test_what_a_killed_worker_had_claimed_is_sent_when_its_lease_is_over(out: Outgoing) -> None:
    out.subscribe()
    (event,) = out.news(1)
    assert len(out.another()._claim()) == 1
    assert out.drain() == 0
    out.clock.move(LEASE.total_seconds() + 1)
    assert out.drain() == 1
    assert out.ids() == [event]


def test_an_outcome_that_could_not_be_stored_is_sent_again_under_the_same_id(
    out: Outgoing, monkeypatch: pytest.MonkeyPatch
) -> None:
    out.subscribe()
    (event,) = out.news(1)
    conclude = Notifying.conclude

    def broken(self: Notifying, *arguments: object, **named: object) -> None:
        raise OperationalError("INSERT", {}, Exception("disk full"))

    monkeypatch.setattr(Notifying, "conclude", broken)
    assert out.drain() == 1
    assert out.states() == ["pending"]
    monkeypatch.setattr(Notifying, "conclude", conclude)
    out.clock.move(LEASE.total_seconds() + 1)
    assert out.drain() == 1
    assert out.ids() == [event, event]
    assert out.states() == ["delivered"]


def test_a_fault_of_ours_while_sending_is_an_attempt_that_failed_and_ends_by_the_schedule(
    out: Outgoing, monkeypatch: pytest.MonkeyPatch
) -> None:
    out.subscribe()
    out.news(1)

    def broken(*_: object, **__: object) -> Reply:
        raise ValueError("a fault of ours")

    monkeypatch.setattr("moderation.services.attempts.signed_headers", broken)
    for step in (*DEFAULT_SCHEDULE[1:], 86400):
        assert out.drain() == 1
        out.clock.move(step)
    assert out.drain() == 0
    (delivery,) = out.deliveries()
    assert (str(delivery.state), delivery.last_error) == ("dead", "fault")
    assert out.jobs() == []


def test_what_one_lane_has_claimed_is_sent_although_the_next_lane_cannot_claim(
    out: Outgoing, monkeypatch: pytest.MonkeyPatch
) -> None:
    out.subscribe()
    _message(out, out.comment())

    def broken(self: Mailing, *arguments: object, **named: object) -> list[Parcel]:
        raise OperationalError("SELECT", {}, Exception("too slow"))

    with monkeypatch.context() as patched:
        patched.setattr(Mailing, "load", broken)
        # As often as there are slots in all: one that is not given back is missed in the end.
        for _ in range(SLOTS):
            out.news(1)
            with contextlib.suppress(OperationalError):
                out.drain()
    out.drain()
    assert out.states() == ["delivered"] * SLOTS
    assert out.deliverer._slots.room() == (SLOTS_PER_RECEIVER, ())


def test_a_job_that_cannot_be_loaded_is_put_back_for_longer_each_time_and_holds_up_no_other(
    out: Outgoing, monkeypatch: pytest.MonkeyPatch
) -> None:
    out.subscribe()
    poison = _message(out, out.comment())
    others = [_message(out, out.comment()) for _ in range(3)]
    parcel_of = Mailing._parcel

    def poisoned(self: Mailing, session: Session, held: Claim, message: Message, *, now: datetime) -> Parcel | None:
        if message.id == poison:
            raise KeyError("a fault of ours")
        return parcel_of(self, session, held, message, now=now)

    monkeypatch.setattr(Mailing, "_parcel", poisoned)
    out.news(5)
    for attempts in (1, 2, 3):
        out.drain()
        assert out.states() == ["delivered"] * 5
        (job,) = out.jobs()
        assert (job.subject_id, job.attempts, job.lease_until, job.last_error) == (poison, attempts, None, "KeyError")
        wait = (job.run_at - out.clock.now()).total_seconds()
        assert wait == 30 * 2**attempts
        out.clock.move(wait)
    with out.database.reading() as session:
        assert [session.get_one(Message, each).state for each in others] == [DeliveryState.CANCELLED] * 3


def _message(out: Outgoing, comment_id: UUID) -> UUID:
    """Announce an urgent comment; without anybody to tell, its message is settled as soon as it is loaded."""
    with out.database.transaction() as session:
        return messages.announce(
            session, MessageKind.URGENT, site_id=out.site_id, comment_id=comment_id, revision=1, now=out.clock.now()
        ).id


def test_a_secret_rotated_between_two_attempts_leaves_both_able_to_verify(out: Outgoing) -> None:
    old = out.subscribe()
    out.news(1)
    out.receiver.answer = status(500)
    out.drain()
    with out.database.transaction() as session:
        new = endpoints.rotate(
            session,
            out.site_id,
            old.endpoint.id,
            secret=SECRET,
            by="test",
            now=out.clock.now(),
            overlap=timedelta(seconds=20),
        )
    out.clock.move(5)
    out.drain()
    before, during = out.receiver.got
    standardwebhooks.Webhook(old.secret).verify(before.body, dict(before.headers))
    for secret in (old.secret, new.secret):
        standardwebhooks.Webhook(secret).verify(during.body, dict(during.headers))
    assert before.body == during.body
    out.clock.move(30)
    out.drain()
    after = out.receiver.got[2]
    standardwebhooks.Webhook(new.secret).verify(after.body, dict(after.headers))
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(old.secret).verify(after.body, dict(after.headers))


def test_a_paused_endpoint_keeps_its_deliveries_and_gets_them_in_order_when_resumed(out: Outgoing) -> None:
    new = out.subscribe()
    comment = out.comment()
    wanted = [out.change(comment)]
    with out.database.transaction() as session:
        endpoints.pause(session, out.site_id, new.endpoint.id, by="test", now=out.clock.now())
    wanted += [out.change(comment, events.REJECTED), out.change(comment)]
    assert out.drain() == 0
    assert out.states() == ["paused"] * 3
    with out.database.transaction() as session:
        assert endpoints.resume(session, out.site_id, new.endpoint.id, by="test", now=out.clock.now()) == 3
    assert out.drain() == 3
    assert out.ids() == wanted


def test_an_endpoint_paused_during_an_attempt_that_fails_keeps_the_delivery_as_paused(out: Outgoing) -> None:
    new = out.subscribe()
    out.news(1)

    def pause_and_fail(handler: BaseHTTPRequestHandler, got: Got) -> None:
        with out.database.transaction() as session:
            endpoints.pause(session, out.site_id, new.endpoint.id, by="test", now=out.clock.now())
        status(500)(handler, got)

    out.receiver.answer = pause_and_fail
    out.drain()
    assert out.states() == ["paused"]
    assert out.jobs() == []


def test_what_a_deleted_endpoint_did_not_get_is_cancelled_by_name_and_stays_in_the_feed(out: Outgoing) -> None:
    new = out.subscribe()
    out.receiver.answer = status(500)
    out.news(2)
    out.drain()
    with out.database.transaction() as session:
        endpoints.delete(session, out.site_id, new.endpoint.id, by="test", now=out.clock.now())
    out.clock.move(100_000)
    assert out.drain() == 0
    assert out.states() == ["cancelled", "cancelled"]
    assert out.jobs() == []
    out.news(1)
    assert len(out.deliveries()) == 2, "a deleted endpoint gets nothing new"


def test_what_is_pending_goes_to_the_address_that_the_endpoint_was_changed_to(out: Outgoing) -> None:
    new = out.subscribe()
    out.receiver.answer = status(500)
    events_ = out.news(6)
    out.drain()
    with listening() as elsewhere:
        with out.database.transaction() as session:
            endpoints.update(
                session,
                out.site_id,
                new.endpoint.id,
                url=elsewhere.url,
                guard=out.deliverer._client.guard,
                by="test",
                now=out.clock.now(),
            )
        assert out.drain() == 6
        assert sorted(got.id for got in elsewhere.got) == sorted(events_)
    assert set(out.states()) == {"delivered"}


def test_looking_for_work_that_is_not_there_waits_for_no_writer(out: Outgoing) -> None:
    found: list[int] = []
    look = threading.Thread(target=lambda: found.append(out.drain()))
    with out.database.transaction():
        look.start()
        look.join(5)
        assert found == [0]


def test_a_worker_that_has_to_stop_claims_nothing_more(out: Outgoing) -> None:
    out.subscribe()
    out.news(3)
    assert out.deliverer.drain(lambda: True) == 0
    assert out.receiver.got == []
    assert len(out.jobs()) == 3


def test_deliveries_publications_and_letters_take_turns_to_be_claimed_first(out: Outgoing) -> None:
    first = []
    for _ in range(6):
        first.append(out.deliverer._lanes[0].kind)
        out.deliverer._claim()
    assert sorted(first[:3]) == ["message", "notify", "publish"]
    assert first[:3] == first[3:]


def test_an_erasure_takes_the_text_out_of_what_is_still_to_be_sent(out: Outgoing) -> None:
    out.subscribe(include_text=True)
    comment = out.comment("a canary in the text")
    out.change(comment)
    out.receiver.answer = status(500, body=b"a canary echoed")
    out.drain()
    assert b"canary" in out.receiver.got[0].body
    with out.database.transaction() as session:
        redact(session, comment)
    assert b"canary" not in out.deliveries()[0].body
    assert out.attempts()[0].response_excerpt == ""
    out.receiver.answer = status(200)
    out.clock.move(5)
    out.drain()
    assert b"canary" not in out.receiver.got[1].body
    assert out.states() == ["delivered"]


def test_a_reply_is_a_success_only_within_the_two_hundreds() -> None:
    assert [code for code in range(100, 600) if Reply(status=code).ok] == list(range(200, 300))

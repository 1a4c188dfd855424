"""Bringing a blog up to date: the newest state, signed, until the blog has it."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import orjson
import pytest
import standardwebhooks

from moderation.config import DEFAULT_SCHEDULE
from moderation.database import Database
from moderation.errors import NotFound
from moderation.ids import show
from moderation.models import Comment, DeliveryState, Status
from moderation.outbound.http import ForbiddenAddress
from moderation.services import events, publishing, states
from moderation.services.delivery import LEASE
from moderation.services.publishing import NewPublisher
from tests.moderation.outbound.receiver import Got, status
from tests.moderation.services.outgoing import GUARD, SECRET, Outgoing, outgoing


@pytest.fixture
def out(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outgoing]:
    with outgoing(database, tmp_path, monkeypatch) as world:
        yield world


def publish_to(out: Outgoing, path: str = "comments/{id}", **options: Any) -> NewPublisher:
    with out.database.transaction() as session:
        return publishing.create(
            session,
            out.site_id,
            url=f"http://127.0.0.1:{out.receiver.port}/{path}",
            guard=GUARD,
            secret=SECRET,
            by="test",
            now=out.clock.now(),
            **options,
        )


def sent(got: Got) -> dict[str, Any]:
    state: dict[str, Any] = orjson.loads(got.body)["data"]["comment"]
    return state


def test_an_approved_comment_is_put_at_the_address_that_names_it_and_verifies(out: Outgoing) -> None:
    new = publish_to(out)
    comment = out.comment("what was said")
    out.change(comment)
    assert out.drain() == 1
    (got,) = out.receiver.got
    assert (got.method, got.path) == ("PUT", f"/comments/{show('comment', comment)}")
    standardwebhooks.Webhook(new.secret).verify(got.body, dict(got.headers))
    state = sent(got)
    assert (state["visible"], state["body"], state["author"]["name"], state["version"]) == (True, "what was said", "Ann", 2)
    (publication,) = out.publications()
    assert (publication.wanted, publication.applied, publication.state) == (2, 2, DeliveryState.DELIVERED)
    assert out.jobs() == []


def test_a_rejected_comment_is_taken_down_without_showing_its_text(out: Outgoing) -> None:
    publish_to(out, method="POST")
    comment = out.comment("what should not be seen")
    out.change(comment)
    out.drain()
    out.change(comment, events.REJECTED, status=Status.REJECTED)
    out.drain()
    up, down = out.receiver.got
    assert up.method == "POST"
    state = sent(down)
    assert (state["visible"], state["body"], state["author"], state["status"]) == (False, None, None, "rejected")
    assert b"should not be seen" not in down.body
    assert up.id != down.id


def test_a_blog_that_does_not_know_a_hidden_comment_is_up_to_date(out: Outgoing) -> None:
    publish_to(out)
    out.receiver.answer = status(404)
    out.change(out.comment(), events.REJECTED, status=Status.REJECTED)
    out.drain()
    out.change(out.comment())
    out.drain()
    hidden, shown = out.publications()
    assert hidden.state is DeliveryState.DELIVERED
    assert (shown.state, shown.last_error) == (DeliveryState.PENDING, "http_404")


def test_a_blog_that_was_away_gets_the_newest_state_and_not_the_history(out: Outgoing) -> None:
    publish_to(out)
    comment = out.comment()
    out.receiver.answer = status(503)
    out.change(comment)
    out.drain()
    out.change(comment, events.REJECTED, status=Status.REJECTED)
    out.change(comment)
    out.receiver.answer = status(200)
    out.clock.move(6)
    assert out.drain() == 1
    assert [sent(got)["version"] for got in out.receiver.got] == [2, 4]


def test_the_same_state_is_sent_with_the_same_bytes_and_the_same_id(out: Outgoing) -> None:
    publish_to(out)
    out.change(out.comment())
    out.receiver.answer = status(500)
    out.drain()
    out.clock.move(6)
    out.drain()
    first, second = out.receiver.got
    assert (first.id, first.body) == (second.id, second.body)


def test_what_is_decided_while_an_attempt_is_under_way_is_sent_after_it(out: Outgoing) -> None:
    publish_to(out)
    comment = out.comment()
    out.change(comment)

    def decide_meanwhile(handler: BaseHTTPRequestHandler, got: Got) -> None:
        if len(out.receiver.got) == 1:
            out.change(comment, events.REJECTED, status=Status.REJECTED)
        status(200)(handler, got)

    out.receiver.answer = decide_meanwhile
    assert out.drain() == 2
    assert [sent(got)["version"] for got in out.receiver.got] == [2, 3]
    (publication,) = out.publications()
    assert (publication.wanted, publication.applied, publication.state) == (3, 3, DeliveryState.DELIVERED)


def test_an_attempt_whose_lease_ran_out_stores_nothing(out: Outgoing) -> None:
    publish_to(out)
    out.change(out.comment())

    def too_late(handler: BaseHTTPRequestHandler, got: Got) -> None:
        if len(out.receiver.got) == 1:
            out.clock.move(LEASE.total_seconds() + 1)
            status(500)(handler, got)
        else:
            status(200)(handler, got)

    out.receiver.answer = too_late
    out.drain()
    assert len(out.receiver.got) == 2
    (publication,) = out.publications()
    assert (publication.state, publication.last_error, publication.attempts) == (DeliveryState.DELIVERED, None, 0)


def test_a_publication_that_failed_to_the_end_is_dead_until_the_next_decision_or_a_resumption(out: Outgoing) -> None:
    new = publish_to(out)
    comment = out.comment()
    out.change(comment)
    out.receiver.answer = status(500)
    for step in (*DEFAULT_SCHEDULE[1:], 86400):
        out.drain()
        out.clock.move(step)
    assert len(out.receiver.got) == len(DEFAULT_SCHEDULE)
    assert out.publications()[0].state is DeliveryState.DEAD
    out.receiver.answer = status(200)
    with out.database.transaction() as session:
        assert publishing.resume(session, out.site_id, new.publisher.id, by="test", now=out.clock.now()) == 1
    assert out.drain() == 1
    assert out.publications()[0].state is DeliveryState.DELIVERED


def test_a_paused_publisher_catches_up_when_it_is_resumed(out: Outgoing) -> None:
    new = publish_to(out)
    out.change(out.comment())
    with out.database.transaction() as session:
        publishing.pause(session, out.site_id, new.publisher.id, by="test", now=out.clock.now())
    out.change(out.comment())
    assert out.drain() == 0
    assert [publication.state for publication in out.publications()] == [DeliveryState.PAUSED] * 2
    with out.database.transaction() as session:
        assert publishing.resume(session, out.site_id, new.publisher.id, by="test", now=out.clock.now()) == 2
    assert out.drain() == 2


def test_what_a_deleted_publisher_did_not_get_is_cancelled_by_name(out: Outgoing) -> None:
    new = publish_to(out)
    out.change(out.comment())
    with out.database.transaction() as session:
        publishing.delete(session, out.site_id, new.publisher.id, by="test", now=out.clock.now())
    out.change(out.comment())
    assert out.drain() == 0
    (publication,) = out.publications()
    assert publication.state is DeliveryState.CANCELLED
    with out.database.transaction() as session:
        assert publishing.page(session, out.site_id) == []
        with pytest.raises(NotFound):
            publishing.resume(session, out.site_id, new.publisher.id, by="test", now=out.clock.now())


def test_a_dead_blog_gets_one_probe_at_a_time_and_all_of_it_once_it_is_back(out: Outgoing) -> None:
    publish_to(out)
    out.receiver.answer = status(500)
    for _ in range(5):
        out.change(out.comment())
    out.drain()
    tried = len(out.receiver.got)
    assert tried >= 5
    for _ in range(10):
        out.change(out.comment())
    assert out.drain() == 0
    out.receiver.answer = status(200)
    out.clock.move(30)
    assert out.drain() == 15
    assert {publication.state for publication in out.publications()} == {DeliveryState.DELIVERED}


def test_a_publisher_address_is_guarded_like_any_other(out: Outgoing) -> None:
    with out.database.transaction() as session, pytest.raises(ForbiddenAddress):
        publishing.create(
            session,
            out.site_id,
            url="https://169.254.169.254/{id}",
            guard=GUARD,
            secret=SECRET,
            by="test",
            now=out.clock.now(),
        )


def test_the_secret_of_a_publisher_is_not_in_the_database(out: Outgoing) -> None:
    new = publish_to(out)
    assert new.secret.startswith("whsec_")
    assert new.secret.removeprefix("whsec_") not in orjson.dumps(new.publisher.config).decode()


def test_a_state_tells_what_is_public_of_a_comment(out: Outgoing) -> None:
    comment = out.comment("hello")
    with out.database.reading() as session:
        hidden = states.state_of(session, session.get_one(Comment, comment))
    out.change(comment)
    with out.database.reading() as session:
        shown = states.state_of(session, session.get_one(Comment, comment))
    assert (hidden.visible, hidden.body, hidden.author_name) == (False, None, None)
    assert (shown.visible, shown.body, shown.author_name) == (True, "hello", "Ann")

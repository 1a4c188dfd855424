"""A blog that shows something else than it should is found out and mended, at night by itself."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import update

from moderation.database import Database
from moderation.errors import NotFound, Refused
from moderation.models import Comment, Publisher, Status
from moderation.outbound.http import ForbiddenAddress
from moderation.services import comparing, connecting, events, publishing
from tests.moderation.outbound.publishers.blogs import GhostBlog
from tests.moderation.outbound.receiver import status
from tests.moderation.services.outgoing import GUARD, SECRET, Outgoing, outgoing

DAY = timedelta(days=1).total_seconds()


@pytest.fixture
def out(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outgoing]:
    with outgoing(database, tmp_path, monkeypatch) as world:
        yield world


def connected(out: Outgoing, kind: str, **given: str) -> Publisher:
    with out.database.transaction() as session:
        return connecting.add(
            session, out.site_id, kind, given, guard=GUARD, secret=SECRET, by="test", now=out.clock.now()
        ).publisher


def ghost(out: Outgoing) -> tuple[GhostBlog, Publisher]:
    blog = GhostBlog(f"http://127.0.0.1:{out.receiver.port}")
    out.receiver.answer = blog.answer
    return blog, connected(out, "ghost", **blog.config())


def shown(out: Outgoing) -> UUID:
    comment = out.comment()
    with out.database.transaction() as session:
        session.execute(update(Comment).where(Comment.id == comment).values(external_id=GhostBlog.known))
    out.change(comment)
    out.drain()
    return comment


def config(out: Outgoing, publisher: Publisher) -> dict[str, Any]:
    with out.database.reading() as session:
        return session.get_one(Publisher, publisher.id).config


def test_the_night_finds_a_difference_mends_it_and_plans_the_next_night(out: Outgoing) -> None:
    blog, publisher = ghost(out)
    shown(out)
    assert blog.visible
    blog.place = "hidden"
    (job,) = out.jobs()
    assert job.subject_id == publisher.id
    assert timedelta(0) < job.run_at - out.clock.now() <= timedelta(days=1, hours=1)
    out.clock.move(DAY + 3600)
    out.drain()
    assert blog.visible
    compared = config(out, publisher)["compared"]
    assert (compared["comments"], compared["differences"], compared["error"]) == (1, 1, None)
    out.clock.move(DAY)
    out.drain()
    assert config(out, publisher)["compared"]["differences"] == 0
    assert len(out.jobs()) == 1


def test_a_blog_that_cannot_be_asked_at_night_is_asked_the_next_night(out: Outgoing) -> None:
    blog, publisher = ghost(out)
    shown(out)
    out.receiver.answer = status(500)
    out.clock.move(DAY + 3600)
    out.drain()
    assert config(out, publisher)["compared"]["error"] == "protocol"
    (job,) = out.jobs()
    assert job.run_at > out.clock.now()
    assert blog.visible


def test_many_comments_are_compared_in_slices(out: Outgoing, monkeypatch: pytest.MonkeyPatch) -> None:
    _, publisher = ghost(out)
    for _ in range(5):
        out.change(out.comment(), events.REJECTED, status=Status.REJECTED)
    out.drain()
    slices: list[int] = []
    load = comparing.load

    def small(session: Any, publisher: Publisher, **options: Any) -> Any:
        part = load(session, publisher, **{**options, "limit": 2})
        slices.append(len(part.states))
        return part

    monkeypatch.setattr(comparing, "load", small)
    out.clock.move(DAY + 3600)
    out.drain()
    assert slices == [2, 2, 1]
    assert config(out, publisher)["compared"]["comments"] == 5


def test_a_removed_publisher_is_not_compared_and_its_credentials_are_forgotten(out: Outgoing) -> None:
    _, publisher = ghost(out)
    with out.database.transaction() as session:
        publishing.delete(session, out.site_id, publisher.id, by="test", now=out.clock.now())
    assert out.jobs() == []
    assert "sealed" not in config(out, publisher)
    with out.database.reading() as session, pytest.raises(NotFound):
        connecting.find(session, out.site_id, publisher.id)


def test_a_paused_publisher_is_compared_again_when_it_is_resumed(out: Outgoing) -> None:
    _, publisher = ghost(out)
    with out.database.transaction() as session:
        publishing.pause(session, out.site_id, publisher.id, by="test", now=out.clock.now())
    assert out.jobs() == []
    with out.database.transaction() as session:
        publishing.resume(session, out.site_id, publisher.id, by="test", now=out.clock.now())
    assert len(out.jobs()) == 1


def test_credentials_are_nowhere_in_the_database_and_need_the_installations_secret(out: Outgoing) -> None:
    blog, publisher = ghost(out)
    assert "c0ffee" not in orjson.dumps(config(out, publisher)).decode()
    assert connecting.missing(publisher, out.deliverer._client, secret=SECRET, now=out.clock.now()) == []
    (said,) = connecting.missing(publisher, out.deliverer._client, secret=b"another", now=out.clock.now())
    assert "another master secret" in said
    assert not blog.visible


def test_what_a_kind_needs_is_asked_for_by_name(out: Outgoing) -> None:
    for given, code in (
        ({"url": "https://blog.example"}, "setting_missing"),
        ({"url": "https://blog.example", "username": "a", "password": "b", "colour": "c"}, "setting_unknown"),
    ):
        with pytest.raises(Refused) as refused:
            connected(out, "wordpress", **given)
        assert refused.value.code == code
    with pytest.raises(ForbiddenAddress):
        connected(out, "wordpress", url="https://169.254.169.254", username="a", password="b")

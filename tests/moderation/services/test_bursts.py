"""Bursts of newcomers under one post."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from moderation.ids import new_id, read
from moderation.models import Author, Case, CaseKind, Comment, IdentityKind, Openness, Post
from moderation.services import bursts, desk
from tests.moderation.services.conftest import ABUSIVE, CIVIL


def come(blog: Any, count: int) -> list[Any]:
    """Let people come whom nobody has published before, each held."""
    return [blog.judged(f"{ABUSIVE} This is number {number} of them.") for number in range(count)]


def found(blog: Any, *, now: datetime | None = None) -> bursts.Burst | None:
    with blog.database.reading() as session:
        return bursts.find(session, blog.site_id, now=now or datetime.now(UTC))


def test_ten_newcomers_in_ten_minutes_are_a_burst_and_nine_are_none(blog: Any) -> None:
    blog.activate("watch")
    come(blog, 9)
    assert found(blog) is None
    blog.judged(CIVIL)
    burst = found(blog)
    assert burst is not None
    assert (burst.comments, burst.usual, burst.title) == (10, 0.0, "Arms and the treaty")
    assert found(blog, now=datetime.now(UTC) + timedelta(minutes=11)) is None


def test_whoever_was_published_here_is_no_newcomer(blog: Any) -> None:
    blog.activate("watch")
    first, *_ = come(blog, 10)
    blog.decide(first)
    assert found(blog) is None


def test_what_is_usual_here_is_no_burst(blog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    blog.activate("watch")
    ids = [read("comment", each.id) for each in come(blog, 23)]
    hour_ago = datetime.now(UTC) - timedelta(minutes=50)
    with blog.database.transaction() as session:
        session.execute(update(Comment).where(Comment.id.in_(ids[:13])).values(created_at=hour_ago))
    burst = found(blog)
    assert burst is not None
    assert round(burst.usual, 3) == round(13 * 10 / (7 * 24 * 60 - 10), 3)
    monkeypatch.setattr(bursts, "USUAL_OF", timedelta(minutes=60))
    assert found(blog) is None, "2.6 in ten minutes are usual, and ten are not five times as many"


def test_a_post_that_is_not_open_needs_no_offer(blog: Any) -> None:
    blog.activate("watch")
    come(blog, 10)
    with blog.database.transaction() as session:
        session.execute(update(Post).values(openness=Openness.NEWCOMERS_HELD, openness_set_at=datetime.now(UTC)))
    assert found(blog) is None


def flooded(blog: Any, count: int) -> None:
    """Let one author write so much, an hour ago and now, all of which waits."""
    now = datetime.now(UTC)
    shared = {"site_id": blog.site_id, "post_id": new_id(), "author_id": new_id()}
    name = new_id().hex
    with blog.database.transaction() as session:
        session.add(Post(id=shared["post_id"], site_id=blog.site_id, created_at=now, canonical_key=name, url="/", title="Flood"))
        session.add(
            Author(
                id=shared["author_id"],
                site_id=blog.site_id,
                created_at=now,
                identity_kind=IdentityKind.CLAIMED,
                identity_key=name,
            )
        )
        session.flush()
        ids = [new_id() for _ in range(count)]
        at = [now - timedelta(minutes=70 if place % 2 else 1) for place in range(count)]
        session.add_all(Comment(id=id_, created_at=when, **shared) for id_, when in zip(ids, at, strict=True))
        session.flush()
        kind = {"revision": 1, "kind": CaseKind.FLAGGED, "reasons": [], "priority": 0.0}
        session.add_all(
            Case(id=new_id(), created_at=when, comment_id=id_, **kind, **shared) for id_, when in zip(ids, at, strict=True)
        )


def steps(blog: Any) -> int:
    """Return how many hundreds of steps SQLite takes for what the queue's page says of newcomers."""
    taken = 0

    def one() -> int:
        nonlocal taken
        taken += 1
        return 0

    with blog.database.reading() as session:
        connection: Any = session.connection().connection.driver_connection
        connection.set_progress_handler(one, 100)
        try:
            assert bursts.find(session, blog.site_id, now=datetime.now(UTC)) is not None
            assert desk.waiting(session, blog.site_id).newcomers > 0
        finally:
            connection.set_progress_handler(None, 0)
    return taken


def test_the_flood_of_one_author_costs_the_queue_in_proportion_to_it(sqlite_blog: Any) -> None:
    flooded(sqlite_blog, 300)
    before = steps(sqlite_blog)
    flooded(sqlite_blog, 900)
    assert steps(sqlite_blog) < 6 * before, "four times as much, and not sixteen"

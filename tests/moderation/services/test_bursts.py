"""Bursts of newcomers under one post."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from moderation.ids import read
from moderation.models import Comment, Openness, Post
from moderation.services import bursts
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

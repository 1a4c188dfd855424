"""Bursts of newcomers: many comments under one post within minutes, by people who were never published here."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, aliased

from moderation.models import Comment, Openness, Post, Status
from moderation.services import openness

WITHIN = timedelta(minutes=10)
TIMES = 5
"""How many times the usual makes a burst ..."""
LEAST = 10
"""... and comments below which nothing is one, however quiet the site is."""
USUAL_OF = timedelta(days=7)
MOST = 2000
"""Newest comments that the usual is counted from."""


@dataclass(frozen=True, slots=True)
class Burst:
    """Newcomers' ``comments`` of the last ten minutes under one post, where ``usual`` ones come in on the whole site."""

    post_id: UUID
    title: str
    comments: int
    usual: float


def find(session: Session, site_id: UUID, *, now: datetime) -> Burst | None:
    """Return the greatest burst under a post that is open; one look along an index where there is none."""
    row = session.execute(
        select(Comment.post_id, func.count())
        .where(Comment.site_id == site_id, Comment.created_at > now - WITHIN, _by_newcomer())
        .group_by(Comment.post_id)
        .having(func.count() >= LEAST)
        .order_by(func.count().desc(), Comment.post_id)
        .limit(1)
    ).first()
    if row is None:
        return None
    post_id, comments = row
    post = session.get_one(Post, post_id)
    usual = _usual(session, site_id, now=now)
    if comments < TIMES * usual or openness.now_at(session, post, now=now) is not Openness.OPEN:
        return None
    return Burst(post_id, post.title or post.url, comments, usual)


def _usual(session: Session, site_id: UUID, *, now: datetime) -> float:
    """Return how many newcomers' comments come in ten minutes, by those of the week before."""
    came = session.scalars(
        select(Comment.created_at)
        .where(
            Comment.site_id == site_id,
            Comment.created_at > now - USUAL_OF,
            Comment.created_at <= now - WITHIN,
            _by_newcomer(),
        )
        .order_by(Comment.created_at.desc())
        .limit(MOST)
    ).all()
    since = came[-1] if len(came) == MOST else now - USUAL_OF
    return len(came) * (WITHIN / (now - WITHIN - since))


def _by_newcomer() -> ColumnElement[bool]:
    other = aliased(Comment)
    approved = select(other.id).where(
        other.site_id == Comment.site_id, other.author_id == Comment.author_id, other.status == Status.APPROVED
    )
    return ~approved.exists()

"""Bursts of newcomers: many comments under one post within minutes, by people who were never published here."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from moderation.models import Comment, Openness, Post, Status
from moderation.services import openness

WITHIN = timedelta(minutes=10)
TIMES = 5
"""How many times the usual makes a burst ..."""
LEAST = 10
"""... and comments below which nothing is one, however quiet the site is."""
USUAL_OF = timedelta(days=7)
MOST = 5000
"""Newest comments, whoever's, that the usual is counted from."""


@dataclass(frozen=True, slots=True)
class Burst:
    """Newcomers' ``comments`` of the last ten minutes under one post, where ``usual`` ones come in on the whole site."""

    post_id: UUID
    title: str
    comments: int
    usual: float


def find(session: Session, site_id: UUID, *, now: datetime) -> Burst | None:
    """Return the greatest burst under a post that is open; one look along an index where there is none."""
    # By author first: a flood by one author costs one look at what they wrote, and not one for each comment.
    came = (
        select(Comment.post_id, Comment.author_id, func.count().label("comments"))
        .where(Comment.site_id == site_id, Comment.created_at > now - WITHIN)
        .group_by(Comment.post_id, Comment.author_id)
        .subquery()
    )
    comments = func.sum(came.c.comments)
    row = session.execute(
        select(came.c.post_id, comments)
        .where(_is_newcomer(site_id, came.c.author_id))
        .group_by(came.c.post_id)
        .having(comments >= LEAST)
        .order_by(comments.desc(), came.c.post_id)
        .limit(1)
    ).first()
    if row is None:
        return None
    post_id, count = row[0], int(row[1])
    post = session.get_one(Post, post_id)
    usual = _usual(session, site_id, now=now)
    if count < TIMES * usual or openness.now_at(session, post, now=now) is not Openness.OPEN:
        return None
    return Burst(post_id, post.title or post.url, count, usual)


def _usual(session: Session, site_id: UUID, *, now: datetime) -> float:
    """Return how many newcomers' comments come in ten minutes, by the newest of the week before."""
    newest = (
        select(Comment.author_id, Comment.created_at)
        .where(Comment.site_id == site_id, Comment.created_at > now - USUAL_OF, Comment.created_at <= now - WITHIN)
        .order_by(Comment.created_at.desc())
        .limit(MOST)
        .subquery()
    )
    by_author = (
        select(newest.c.author_id, func.count().label("comments"), func.min(newest.c.created_at).label("since"))
        .group_by(newest.c.author_id)
        .subquery()
    )
    looked_at, since = session.execute(select(func.sum(by_author.c.comments), func.min(by_author.c.since))).one()
    if (looked_at or 0) < MOST:
        since = now - USUAL_OF
    came = session.scalar(select(func.sum(by_author.c.comments)).where(_is_newcomer(site_id, by_author.c.author_id)))
    share: float = WITHIN / (now - WITHIN - since)
    return int(came or 0) * share


def _is_newcomer(site_id: UUID, author_id: ColumnElement[UUID]) -> ColumnElement[bool]:
    approved = select(Comment.id).where(
        Comment.site_id == site_id, Comment.author_id == author_id, Comment.status == Status.APPROVED
    )
    return ~approved.exists()

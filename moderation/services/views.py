"""How often posts are read: counted in memory by whoever answers readers, and added up here by the hour.

A view is a browser that asked for the first page of a thread: our comment section and the page without JavaScript. It needs no
cookie and knows no reader, so that somebody who comes twice is two. What a blog's server fetches for its readers is not counted,
and a process that is killed loses what it had not handed over.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from moderation.models import PostViews

HOUR: Final = timedelta(hours=1)
KEPT: Final = timedelta(days=31)
MOST: Final = 20_000
"""Newest counts that a figure is taken from."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A post and the hour (its beginning) in which its thread was read."""

    site_id: UUID
    post_id: UUID
    hour: datetime


@dataclass(frozen=True, slots=True)
class Span:
    """From when until when something stood under a post."""

    post_id: UUID
    since: datetime
    until: datetime


def hour_of(moment: datetime) -> datetime:
    """Return the beginning of the hour."""
    return moment.replace(minute=0, second=0, microsecond=0)


def add(session: Session, counted: Mapping[Seen, int]) -> None:
    """Add views to what is there."""
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    # In one order everywhere, so that two processes do not wait for each other.
    rows = [
        {"site_id": seen.site_id, "post_id": seen.post_id, "hour": seen.hour, "views": counted[seen]}
        for seen in sorted(counted, key=lambda seen: (seen.site_id, seen.post_id, seen.hour))
    ]
    if rows:
        new = insert(PostViews)
        session.execute(
            new.on_conflict_do_update(
                index_elements=["site_id", "post_id", "hour"], set_={"views": PostViews.views + new.excluded.views}
            ),
            rows,
        )


def during(session: Session, site_id: UUID, spans: Sequence[Span]) -> list[float]:
    """Return how often each span's post was read within it: of an hour that it shares only a part of, that part of the views."""
    if not spans:
        return []
    rows = session.execute(
        select(PostViews.post_id, PostViews.hour, PostViews.views)
        .where(
            PostViews.site_id == site_id,
            PostViews.post_id.in_({span.post_id for span in spans}),
            PostViews.hour > min(span.since for span in spans) - HOUR,
            PostViews.hour < max(span.until for span in spans),
        )
        .order_by(PostViews.hour.desc())
        .limit(MOST)
    )
    by_post: dict[UUID, list[tuple[datetime, int]]] = {}
    for post_id, hour, views in rows:
        by_post.setdefault(post_id, []).append((hour, views))
    return [sum(_within(span, by_post.get(span.post_id, ()))) for span in spans]


def _within(span: Span, counted: Iterable[tuple[datetime, int]]) -> Iterable[float]:
    for hour, views in counted:
        shared = min(span.until, hour + HOUR) - max(span.since, hour)
        if shared > timedelta():
            yield views * (shared / HOUR)

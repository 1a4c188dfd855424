"""Comparing what a blog shows with what it should show: at night by itself, and whenever somebody asks.

Compared is what was sent and arrived; what is still on its way is not a difference. A difference is mended by wanting the
comment's newest state there once more, with all of a publication's retries. The nightly run goes through a month's comments in
slices, each of them a job of its own under a lease, and its result is kept with the publisher.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation import queue
from moderation.clock import zone_of
from moderation.ids import show
from moderation.models import Comment, DeliveryState, JobKind, Priority, Publication, Publisher, Site
from moderation.outbound.publishers import KINDS, CommentState, Seen
from moderation.services import events
from moderation.services.states import state_of

HOUR: Final = 3
"""The hour of the night, in the site's time zone, about which the nightly comparison begins."""

REACH: Final = timedelta(days=31)
"""How far back the nightly comparison goes: what nobody touched for longer was compared thirty times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A comment that a blog shows and should not, or the other way round; ``detail`` is the blog's word for its state."""

    comment_id: UUID
    should_be_visible: bool
    detail: str

    def as_json(self) -> dict[str, Any]:
        """Return it as the command line prints it."""
        return {
            "comment": show("comment", self.comment_id),
            "should_be_visible": self.should_be_visible,
            "blog_says": self.detail,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Some comments that a blog was brought up to date with, and where to go on (None at the end)."""

    states: dict[UUID, CommentState]
    next: UUID | None


def load(session: Session, publisher: Publisher, *, since: datetime, after: UUID | None, limit: int) -> Slice:
    """Return the next comments to compare, in the order of their publications: those begun since then that arrived."""
    query = (
        select(Publication, Comment)
        .join(Comment, Comment.id == Publication.comment_id)
        .where(
            Publication.site_id == publisher.site_id,
            Publication.publisher_id == publisher.id,
            Publication.state == DeliveryState.DELIVERED,
            Publication.created_at >= since,
        )
        .order_by(Publication.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(Publication.id > after)
    rows = session.execute(query).all()
    states = {comment.id: state_of(session, comment, remote_id=sent.remote_id) for sent, comment in rows}
    return Slice(states=states, next=rows[-1][0].id if len(rows) == limit else None)


def differences(states: dict[UUID, CommentState], seen: Sequence[Seen]) -> list[Difference]:
    """Return where a blog shows something else than it should; what could not be found out is no difference."""
    shown = {each.id: each for each in seen}
    return [
        Difference(comment_id=comment_id, should_be_visible=state.visible, detail=found.detail)
        for comment_id, state in states.items()
        if (found := shown.get(state.id)) is not None and found.visible is not None and found.visible != state.visible
    ]


def mend(session: Session, publisher: Publisher, found: Sequence[Difference], *, now: datetime) -> None:
    """Want the newest state of the comments on the blog once more."""
    for difference in found:
        comment = session.get(Comment, difference.comment_id)
        if comment is not None:
            events.want(session, comment, publisher, now=now)


def plan(session: Session, publisher: Publisher, *, now: datetime) -> None:
    """Have the blog compared in the coming night, where it can be asked; a second time changes nothing."""
    if KINDS[publisher.kind].at_once:
        _enqueue(session, publisher, run_at=coming_night(session, publisher, now=now), now=now)


def go_on(session: Session, publisher: Publisher, *, now: datetime) -> None:
    """Have the next slice compared now."""
    _enqueue(session, publisher, run_at=now, now=now)


def coming_night(session: Session, publisher: Publisher, *, now: datetime) -> datetime:
    """Return when the next nightly comparison begins; publishers spread over an hour, so that not all begin at once."""
    zone = zone_of(session.get_one(Site, publisher.site_id).time_zone)
    spread = timedelta(seconds=int.from_bytes(publisher.id.bytes[-2:]) % 3600)
    local = now.astimezone(zone)
    tonight = local.replace(hour=HOUR, minute=0, second=0, microsecond=0) + spread
    return (tonight if tonight > local else tonight + timedelta(days=1)).astimezone(now.tzinfo)


def _enqueue(session: Session, publisher: Publisher, *, run_at: datetime, now: datetime) -> None:
    queue.enqueue(
        session,
        JobKind.PUBLISH,
        site_id=publisher.site_id,
        subject_id=publisher.id,
        now=now,
        priority=Priority.RETRY,
        run_at=run_at,
        # Found together with the publisher's publications, and held up by none of them.
        order=(publisher.id.hex + "compare", 0),
    )

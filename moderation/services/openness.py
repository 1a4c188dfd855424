"""What posts accept: an editor's word about one of them, else the site's rule, which closes a post some days after it came out.

Nothing closes a post at a moment: what it accepts is worked out whenever somebody asks, so no timer can be missed.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from moderation.errors import NotFound, Refused
from moderation.ids import show
from moderation.models import Openness, Post
from moderation.services import audit, choosing, policies

SETTING: Final = "close_after_days"
"""Key of the site's rule in its settings."""

MOST_DAYS: Final = 3650
LONGEST: Final = timedelta(days=MOST_DAYS)


def closes_after(settings: Mapping[str, Any]) -> timedelta | None:
    """Return how long after it came out a post is closed by the rule in a site's settings; None for never."""
    days: int | None = settings.get(SETTING)
    return timedelta(days=days) if days is not None else None


def now_at(session: Session, post: Post, *, now: datetime) -> Openness:
    """Return what a post accepts now."""
    return post.openness_at(now, closes_after(policies.settings(session, post.site_id)))


def close_after(session: Session, site_id: UUID, days: int | None, *, by: str, now: datetime) -> None:
    """Make it the site's rule that a post is closed so many days after it came out; None for never.

    It holds at once for all posts about which no editor said otherwise, old ones too. Raises Refused for less than one day or
    more than ten years, and NotFound for a site without a policy.
    """
    if days is not None and not 1 <= days <= MOST_DAYS:
        raise Refused("close-after", f"Give 1 to {MOST_DAYS} days.", "/days")
    choosing.change_settings(session, site_id, {SETTING: days}, by=by, now=now)


def set_post(
    session: Session, site_id: UUID, post_id: UUID, openness: Openness | None, *, until: datetime | None, by: str, now: datetime
) -> Post:
    """Say what a post accepts from now on, until a time or for good; None leaves it to the site's rule again.

    Raises NotFound, and Refused for a time that is over or more than ten years ahead.
    """
    post = session.get(Post, post_id)
    if post is None or post.site_id != site_id:
        raise NotFound("post", show("post", post_id))
    if until is not None and not now < until < now + LONGEST:
        raise Refused("until", "That time is over already, or too far ahead.", "/until")
    post.openness = openness or Openness.OPEN
    post.openness_set_at = now if openness is not None else None
    post.openness_until = until if openness is not None else None
    audit.record(
        session,
        site_id=site_id,
        actor=by,
        action="post.set",
        subject=show("post", post_id),
        now=now,
        openness=str(openness or "usual"),
        until=post.openness_until.isoformat() if post.openness_until is not None else None,
    )
    session.flush()
    return post

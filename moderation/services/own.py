"""What an author sees of their own comment: the text as it stands, what was decided and why, and what they can do about it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.errors import NotFound
from moderation.models import Case, CaseKind, Comment, Decider, Decision, Openness, Post, Revision, Site, Status
from moderation.services import authorship, openness, policies, second_looks
from moderation.services.second_looks import SecondLook

LONG = timedelta(hours=24)
"""After that long, who waits is told that they are not forgotten."""

LOOKED_AT = 200
"""Cases from which the usual wait is taken, newest first, ..."""
ENOUGH = 5
"""... and how many there have to be."""

PERCENT = 80

SENTENCE = frozenset({8, 9})
"""Reasons that the moderator's own words complete; with all others a note is for colleagues."""

DONE = frozenset({Status.WITHDRAWN, Status.ERASED})


class Outcome(StrEnum):
    """What became of a comment, as its author is told."""

    PENDING = "pending"
    PUBLISHED = "published"
    AFTER_PARENT = "after_parent"
    HELD = "held"
    NEWCOMER = "newcomer"
    NOT_SCORED = "not_scored"
    LANGUAGE = "language"
    STILL = "still"
    REJECTED = "rejected"
    REMOVED = "removed"
    CLOSED = "closed"
    SECOND_LOOK = "second_look"
    OVERTURNED = "overturned"
    UPHELD = "upheld"
    UPHELD_ALONE = "upheld_alone"
    WITHDRAWN = "withdrawn"
    ERASED = "erased"


PLAIN = {Status.WITHDRAWN: Outcome.WITHDRAWN, Status.ERASED: Outcome.ERASED, Status.PENDING: Outcome.PENDING}
HELD_FOR = {"newcomer": Outcome.NEWCOMER, "not_scored": Outcome.NOT_SCORED, "language": Outcome.LANGUAGE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """An author's comment; ``reason`` is a key 1..9, ``sentence`` the moderator's words to it.

    ``usual_wait`` is how long 80 in 100 held comments wait at most; ``settings`` are the site's, which may reword a reason.
    """

    comment: Comment
    post: Post
    site: Site
    revision: Revision
    outcome: Outcome
    by: Decider | None
    decided_at: datetime | None
    reason: int | None
    sentence: str
    second_look: SecondLook
    second_look_until: datetime | None
    usual_wait: timedelta | None
    openness: Openness
    settings: Mapping[str, Any]

    @property
    def public(self) -> bool:
        """Tell whether readers see the text as it stands."""
        return self.comment.visible_revision == self.comment.current_revision

    @property
    def editable(self) -> bool:
        """Tell whether the author may send another text."""
        return self.comment.status not in DONE and self.outcome is not Outcome.CLOSED and self.openness is not Openness.CLOSED

    @property
    def withdrawable(self) -> bool:
        """Tell whether there is something to take back."""
        return self.comment.status not in DONE

    @property
    def settled(self) -> bool:
        """Tell whether nobody has to decide anything at the moment."""
        waits = {Status.PENDING, Status.FLAGGED}
        return self.comment.status not in waits and self.second_look is not SecondLook.OPEN

    @property
    def tag(self) -> str:
        """Return what changes with anything that the author is told."""
        basis = (
            f"{self.comment.id.hex}:{self.comment.version}:{self.outcome}:{self.second_look}:{self.usual_wait}:{self.settings}"
        )
        return hashlib.blake2b(basis.encode(), digest_size=12).hexdigest()


def view(session: Session, token: str, *, secret: bytes, now: datetime, site_id: UUID | None = None) -> Own:
    """Return the comment that an author's token opens; raises NotFound, also for one of another site where one is named."""
    comment = authorship.opened(session, token, secret=secret)
    if site_id is not None and comment.site_id != site_id:
        raise NotFound("comment", "of this link")
    revision = session.scalars(
        select(Revision).where(Revision.comment_id == comment.id, Revision.number == comment.current_revision)
    ).one()
    decision = session.scalars(
        select(Decision).where(
            Decision.comment_id == comment.id,
            Decision.seq == comment.decision_seq,
            Decision.revision == comment.current_revision,
        )
    ).first()
    look = second_looks.standing(session, comment, now=now)
    outcome = _outcome(session, comment, decision, look, now=now)
    post = session.get_one(Post, comment.post_id)
    settings = policies.settings(session, comment.site_id)
    return Own(
        comment=comment,
        post=post,
        site=session.get_one(Site, comment.site_id),
        revision=revision,
        outcome=outcome,
        by=decision.decider if decision else None,
        decided_at=decision.created_at if decision else None,
        reason=_reason(decision),
        sentence=decision.note if decision is not None and decision.reason in SENTENCE else "",
        second_look=look.state,
        second_look_until=look.until,
        usual_wait=usual_wait(session, comment.site_id) if comment.status is Status.FLAGGED else None,
        openness=post.openness_at(now, openness.closes_after(settings)),
        settings=settings,
    )


def usual_wait(session: Session, site_id: UUID) -> timedelta | None:
    """Return within what time 80 in 100 of the held comments were decided lately; None where too few were."""
    closed = session.execute(
        select(Case.created_at, Case.closed_at)
        .where(Case.site_id == site_id, Case.closed_at.is_not(None), Case.kind == CaseKind.FLAGGED)
        .order_by(Case.id.desc())
        .limit(LOOKED_AT)
    ).all()
    waits = sorted(ended - began for began, ended in closed if ended is not None)
    return waits[min(len(waits) - 1, len(waits) * PERCENT // 100)] if len(waits) >= ENOUGH else None


def _outcome(
    session: Session, comment: Comment, decision: Decision | None, look: second_looks.Standing, *, now: datetime
) -> Outcome:
    if comment.status in PLAIN:
        return PLAIN[comment.status]
    if comment.status is Status.FLAGGED:
        return _held(comment, decision, now=now)
    if comment.status is Status.REJECTED:
        return _rejected(comment, decision, look)
    if look.state is SecondLook.OVERTURNED:
        return Outcome.OVERTURNED
    return Outcome.PUBLISHED if _parents_are_public(session, comment) else Outcome.AFTER_PARENT


def _held(comment: Comment, decision: Decision | None, *, now: datetime) -> Outcome:
    if comment.visible_revision == comment.current_revision:
        # Public at once and read afterwards: the policy publishes what it flags.
        return Outcome.PUBLISHED
    since = decision.created_at if decision else comment.created_at
    if now - since >= LONG:
        return Outcome.STILL
    reasons = [why.get("reason") for why in decision.reasons] if decision else []
    return next((HELD_FOR[reason] for reason in reasons if reason in HELD_FOR), Outcome.HELD)


def _rejected(comment: Comment, decision: Decision | None, look: second_looks.Standing) -> Outcome:
    if look.state is SecondLook.OPEN:
        return Outcome.SECOND_LOOK
    if look.state is SecondLook.UPHELD:
        return Outcome.UPHELD_ALONE if look.same_person else Outcome.UPHELD
    if decision is not None and any(why.get("reason") == second_looks.CLOSED for why in decision.reasons):
        return Outcome.CLOSED
    return Outcome.REMOVED if comment.published_at is not None else Outcome.REJECTED


def _reason(decision: Decision | None) -> int | None:
    if decision is None or decision.status is not Status.REJECTED:
        return None
    if decision.reason is not None:
        return decision.reason
    rejecting = [why for why in decision.reasons if why.get("verdict") == "reject"]
    return next((why["reason"] for why in rejecting or decision.reasons if isinstance(why.get("reason"), int)), None)


def _parents_are_public(session: Session, comment: Comment) -> bool:
    above = comment.parent_id
    while above is not None:
        parent = session.get_one(Comment, above)
        if parent.visible_revision is None and parent.status in {Status.PENDING, Status.FLAGGED}:
            return False
        above = parent.parent_id
    return True

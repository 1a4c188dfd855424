"""Second looks: an author asks, with one click, that another human looks at a rejection.

Once for each revision, within six months of the decision. The answer is the decision that follows it. Whoever rejected the
comment does not judge the appeal, unless the site has nobody else.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.errors import Conflict, NotFound, Refused
from moderation.ids import new_id, show
from moderation.models import Appeal, Case, CaseKind, Comment, Decider, Decision, Membership, Role, Status, User
from moderation.services import audit, decisions
from moderation.services.decisions import NewCase

WITHIN = timedelta(days=183)
"""How long after the decision a second look can be asked for: six months."""

CLOSED = "closed"
"""The machine's reason for which there is nothing to look at: the page took no comments."""

JUDGES = (Role.ADMIN, Role.EDITOR, Role.MODERATOR)


class SecondLook(StrEnum):
    """Where an author's appeal stands."""

    IMPOSSIBLE = "impossible"
    POSSIBLE = "possible"
    OPEN = "open"
    OVERTURNED = "overturned"
    UPHELD = "upheld"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the appeal stands, until when one can be asked for, and whether the same person had to look twice."""

    state: SecondLook
    until: datetime | None = None
    same_person: bool = False


def standing(session: Session, comment: Comment, *, now: datetime) -> Standing:
    """Return where the appeal against the newest decision on the comment's current revision stands."""
    newest = _decision(session, comment)
    if newest is None:
        return Standing(SecondLook.IMPOSSIBLE)
    appeal = _appeal(session, comment)
    if appeal is None:
        until = newest.created_at + WITHIN
        possible = newest.status is Status.REJECTED and comment.status is Status.REJECTED and now < until
        possible = possible and not any(why.get("reason") == CLOSED for why in newest.reasons)
        return Standing(SecondLook.POSSIBLE, until) if possible else Standing(SecondLook.IMPOSSIBLE)
    appealed = session.get_one(Decision, appeal.decision_id)
    if newest.seq == appealed.seq or (newest.undoes is not None and newest.status is Status.REJECTED):
        return Standing(SecondLook.OPEN)
    if newest.status is Status.APPROVED:
        return Standing(SecondLook.OVERTURNED)
    if newest.status is Status.REJECTED:
        return Standing(SecondLook.UPHELD, same_person=newest.user_id is not None and newest.user_id == appealed.user_id)
    return Standing(SecondLook.OPEN)


def ask(session: Session, site_id: UUID, comment_id: UUID, *, now: datetime) -> Standing:
    """Open a case for another human; a second time changes nothing.

    Raises NotFound, and Refused where nothing was rejected or the time is over.
    """
    comment = decisions.lock(session, site_id, comment_id)
    if comment is None:
        raise NotFound("comment", show("comment", comment_id))
    found = standing(session, comment, now=now)
    if found.state in {SecondLook.OPEN, SecondLook.OVERTURNED, SecondLook.UPHELD}:
        return found
    newest = _decision(session, comment)
    if found.state is not SecondLook.POSSIBLE or newest is None:
        raise Refused("no-second-look", "There is no rejection here that can be looked at again.")
    session.add(
        Appeal(
            id=new_id(),
            site_id=site_id,
            created_at=now,
            comment_id=comment.id,
            revision=comment.current_revision,
            decision_id=newest.id,
        )
    )
    reasons = newest.reasons or [
        {
            "rule": "rejected by a moderator",
            "verdict": newest.verdict,
            "reason": newest.reason,
            "priority": "high",
            "alert": False,
            "explanation": "The author asks for a second look.",
        }
    ]
    decisions.open_case(session, comment, NewCase(kind=CaseKind.SECOND_LOOK, harm=2.0, reasons=tuple(reasons)), now=now)
    audit.record(
        session,
        site_id=site_id,
        actor="author",
        action="second-look.asked",
        subject=show("comment", comment.id),
        now=now,
        decision=show("decision", newest.id),
    )
    session.flush()
    return standing(session, comment, now=now)


def refuse_own(session: Session, case: Case, user_id: UUID | None) -> None:
    """Keep who rejected a comment from judging the appeal against it; raises Conflict where the site has somebody else."""
    if case.kind is not CaseKind.SECOND_LOOK or user_id is None:
        return
    appealed = session.scalars(
        select(Decision)
        .join(Appeal, Appeal.decision_id == Decision.id)
        .where(Appeal.comment_id == case.comment_id, Appeal.revision == case.revision)
    ).first()
    if appealed is None or appealed.decider is not Decider.MODERATOR or appealed.user_id != user_id:
        return
    colleague = session.scalar(
        select(Membership.user_id)
        .join(User, User.id == Membership.user_id)
        .where(
            Membership.site_id == case.site_id,
            Membership.user_id != user_id,
            Membership.role.in_(JUDGES),
            User.disabled_at.is_(None),
        )
        .limit(1)
    )
    if colleague is not None:
        raise Conflict("You rejected this comment; the second look is a colleague's.", case=show("case", case.id))


def _decision(session: Session, comment: Comment) -> Decision | None:
    return session.scalars(
        select(Decision).where(
            Decision.comment_id == comment.id,
            Decision.seq == comment.decision_seq,
            Decision.revision == comment.current_revision,
        )
    ).first()


def _appeal(session: Session, comment: Comment) -> Appeal | None:
    return session.scalars(
        select(Appeal).where(Appeal.comment_id == comment.id, Appeal.revision == comment.current_revision)
    ).first()

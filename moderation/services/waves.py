"""Waves: many copies of one text, decided at once and taken back at once.

Each copy is decided by itself, with the revision that was shown, so that a copy which a colleague or its author was faster with
is left out and the others are not. All decisions of one act share the beginning of their cause, by which they are found again.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from moderation.database import Database
from moderation.errors import Conflict, NotFound, NotUndoable
from moderation.ids import show
from moderation.models import Author, Case, Comment, Decision, Revision, Status
from moderation.policy.verdict import Verdict
from moderation.services import review
from moderation.services.desk import ESCALATED, UNDOABLE
from moderation.services.shares import BY_PEOPLE

MOST = 100
"""Copies decided by one act."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """An open case whose comment says the same, as it was read."""

    case_id: UUID
    comment_id: UUID
    revision: int
    decision_seq: int
    author_name: str
    body: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many of a wave were decided or taken back, and how many were left out because somebody was faster."""

    done: int
    left: int


def copies(session: Session, site_id: UUID, comment_ids: list[UUID]) -> list[Copy]:
    """Return the open cases, not escalated, of these comments."""
    rows = session.execute(
        select(Case.id, Comment, Author.name, Revision)
        .join(Comment, Comment.id == Case.comment_id)
        .join(Author, Author.id == Comment.author_id)
        .join(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.current_revision))
        .where(
            Case.site_id == site_id,
            Case.comment_id.in_(comment_ids),
            Case.closed_at.is_(None),
            Case.escalated == ESCALATED,
            Comment.status != Status.ERASED,
        )
        .order_by(Case.id)
        .limit(MOST)
    )
    return [
        Copy(
            case_id=case_id,
            comment_id=comment.id,
            revision=comment.current_revision,
            decision_seq=comment.decision_seq,
            author_name=revision.context.get("author_name") or name,
            body=revision.body,
        )
        for case_id, comment, name, revision in rows
    ]


def decide(
    database: Database,
    site_id: UUID,
    picked: list[tuple[UUID, int, int]],
    *,
    verdict: Verdict,
    reason: int | None,
    note: str,
    user_id: UUID,
    batch: str,
    now: datetime,
) -> Outcome:
    """Decide each picked case (its id, the revision and the decision number that were shown) in a transaction of its own.

    Raises Refused for a rejection without a reason, before any was decided.
    """
    done = 0
    for case_id, revision, decision_seq in picked[:MOST]:

        def unit(session: Session, case_id: UUID = case_id, revision: int = revision, seq: int = decision_seq) -> Decision:
            case = session.scalars(select(Case).where(Case.site_id == site_id, Case.id == case_id)).first()
            if case is None:
                raise NotFound("case", show("case", case_id))
            return review.decide(
                session,
                site_id,
                case.comment_id,
                verdict=verdict,
                revision=revision,
                decision_seq=seq,
                reason=reason,
                note=note,
                user_id=user_id,
                cause=f"{batch}{case_id.hex}",
                now=now,
            )

        try:
            database.transact(unit)
        except (Conflict, NotFound):
            continue
        done += 1
    return Outcome(done, len(picked) - done)


def decided(session: Session, site_id: UUID, *, user_id: UUID, batch: str, now: datetime) -> list[UUID]:
    """Return the decisions of a person's act, while they can be undone."""
    return list(
        session.scalars(
            select(Decision.id).where(
                Decision.site_id == site_id,
                Decision.user_id == user_id,
                BY_PEOPLE,
                Decision.created_at > now - UNDOABLE,
                Decision.undoes.is_(None),
                Decision.cause.startswith(batch, autoescape=True),
            )
        )
    )


def undo(database: Database, site_id: UUID, *, user_id: UUID, batch: str, now: datetime) -> Outcome:
    """Take all decisions of an act back, but for those that another decision followed."""
    with database.reading() as session:
        ids = decided(session, site_id, user_id=user_id, batch=batch, now=now)
    done = 0
    for decision_id in ids:

        def unit(session: Session, decision_id: UUID = decision_id) -> Decision:
            cause = f"{batch}undo:{decision_id.hex}"
            return review.undo(session, site_id, decision_id, user_id=user_id, cause=cause, now=now)

        try:
            database.transact(unit)
        except NotUndoable:
            continue
        done += 1
    return Outcome(done, len(ids) - done)

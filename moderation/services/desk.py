"""The moderator's desk: how much waits, what is new, what I did last, and how the day went."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, TextClause, and_, func, select, update
from sqlalchemy.orm import Session, aliased

from moderation.clock import zone_of
from moderation.errors import NotFound, Refused
from moderation.ids import new_id, show
from moderation.models import Author, Case, CaseKind, Comment, Decision, Note, Publication, Status
from moderation.services import audit, decisions, review
from moderation.services.decisions import NewCase
from moderation.services.shares import BY_PEOPLE

ESCALATED = False
"""What an index that begins with it is asked for: cases that were not handed to the editors."""

DRAWN_WITHIN = timedelta(days=7)
DRAWN_FROM = 2000
DAILY = 5
"""Comments that are drawn for the audit each day by themselves, where chance has not drawn as many."""
AUDIT_HARM = 0.1
"""Cases drawn for the audit wait behind those that anything speaks against."""
UNDOABLE = timedelta(hours=1)
"""How long the console offers to undo one's last decision; later it is changed by a new one."""

_chance = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Waiting:
    """Open cases by kind, and those that wait for the editors."""

    by_kind: dict[CaseKind, int]
    escalated: int
    newcomers: int

    @property
    def total(self) -> int:
        """Open cases that any moderator may decide; the random audit waits for a quiet hour and is not among them."""
        return sum(count for kind, count in self.by_kind.items() if kind is not CaseKind.AUDIT)


@dataclass(frozen=True, slots=True)
class Last:
    """A moderator's last decision, while it can be undone."""

    decision_id: UUID
    comment_id: UUID
    verdict: str
    reason: int | None
    author_name: str


@dataclass(frozen=True, slots=True)
class Today:
    """What people decided since midnight in the site's time zone, and the longest that one of these comments waited."""

    decided: int
    longest: timedelta | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a comment stands for its readers."""

    status: Status
    public: bool
    blog_behind: bool
    case_id: UUID | None


def waiting(session: Session, site_id: UUID) -> Waiting:
    """Count the open cases of a site."""
    rows = session.execute(
        select(Case.kind, Case.escalated, func.count())
        .where(Case.site_id == site_id, Case.closed_at.is_(None))
        .group_by(Case.kind, Case.escalated)
    ).all()
    by_kind = dict.fromkeys(CaseKind, 0)
    for kind, escalated, count in rows:
        if not escalated:
            by_kind[CaseKind(kind)] += count
    read_by_people = [Case.site_id == site_id, Case.closed_at.is_(None), Case.escalated == ESCALATED, Case.kind != CaseKind.AUDIT]
    newcomers = review.count(session, read_by_people, newcomers=True)
    return Waiting(by_kind, sum(count for _, escalated, count in rows if escalated), newcomers)


def newer(
    session: Session,
    site_id: UUID,
    *,
    since: datetime,
    kind: CaseKind | None = None,
    escalated: bool = False,
    newcomers: bool = False,
    but: CaseKind | None = None,
) -> int:
    """Count the open cases that were opened after ``since`` (for the other words see ``review.queue``)."""
    wanted = [Case.site_id == site_id, Case.closed_at.is_(None), Case.escalated == escalated, Case.created_at > since]
    if kind is not None:
        wanted.append(Case.kind == kind)
    if but is not None:
        wanted.append(Case.kind != but)
    if newcomers:
        wanted.append(Case.kind != CaseKind.AUDIT)
    return review.count(session, wanted, newcomers=newcomers)


def draw_audit(session: Session, site_id: UUID, *, count: int, now: datetime) -> int:
    """Put comments before the moderators that the machine alone let through, drawn by chance; returns how many.

    They come from the newest DRAWN_FROM of a week, and none was ever read by a person.
    """
    case = select(Case.id).where(Case.comment_id == Comment.id)
    ids = session.scalars(
        select(Comment.id)
        .where(
            Comment.site_id == site_id,
            Comment.created_at > now - DRAWN_WITHIN,
            Comment.status == Status.APPROVED,
            Comment.decision_seq == 1,
            ~case.exists(),
        )
        .order_by(Comment.created_at.desc())
        .limit(DRAWN_FROM)
    ).all()
    drawn = 0
    for comment_id in _chance.sample(ids, min(count, len(ids))):
        comment = decisions.lock(session, site_id, comment_id)
        if comment is not None and comment.status is Status.APPROVED and comment.decision_seq == 1:
            new = NewCase(kind=CaseKind.AUDIT, harm=AUDIT_HARM)
            decisions.open_case(session, comment, new, now=now, revision=comment.visible_revision)
            drawn += 1
    return drawn


def draw_daily(session: Session, site_id: UUID, *, time_zone: str, now: datetime) -> int:
    """Draw what is missing of DAILY comments since midnight in the site's time zone; returns how many.

    Where nobody reads them, no more than a week's are left lying.
    """
    midnight = _midnight(time_zone, now)
    is_audit = (Case.site_id == site_id, Case.kind == CaseKind.AUDIT)
    lying = session.scalars(select(Case.created_at).where(*is_audit, Case.closed_at.is_(None))).all()
    read = session.scalars(select(Case.created_at).where(*is_audit, Case.closed_at >= midnight)).all()
    drawn = sum(at >= midnight for at in (*lying, *read))
    missing = min(DAILY - drawn, DAILY * DRAWN_WITHIN.days - len(lying))
    return draw_audit(session, site_id, count=missing, now=now) if missing > 0 else 0


def _midnight(time_zone: str, now: datetime) -> datetime:
    return now.astimezone(zone_of(time_zone)).replace(hour=0, minute=0, second=0, microsecond=0)


def last_of(session: Session, site_id: UUID, user_id: UUID, *, now: datetime) -> Last | None:
    """Return a person's newest decision of the last hour that nothing followed, None where there is none."""
    row = session.execute(
        select(Decision, Author.name)
        .join(Comment, and_(Comment.id == Decision.comment_id, Comment.decision_seq == Decision.seq))
        .join(Author, Author.id == Comment.author_id)
        .where(
            Decision.site_id == site_id,
            Decision.user_id == user_id,
            BY_PEOPLE,
            Decision.created_at > now - UNDOABLE,
            Decision.undoes.is_(None),
            Comment.current_revision == Decision.revision,
            Comment.status.in_([Status.APPROVED, Status.REJECTED]),
        )
        .order_by(Decision.id.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    decision, name = row
    return Last(decision.id, decision.comment_id, decision.verdict, decision.reason, name)


def today(session: Session, site_id: UUID, *, time_zone: str, now: datetime) -> Today:
    """Return the day's figures."""
    midnight = _midnight(time_zone, now)
    by_people: list[ColumnElement[bool] | TextClause] = [
        Decision.site_id == site_id,
        BY_PEOPLE,
        Decision.undoes.is_(None),
        Decision.created_at >= midnight,
    ]
    decided = session.scalar(select(func.count()).select_from(Decision).where(*by_people)) or 0
    closed = session.execute(
        select(Case.created_at, Case.closed_at).where(Case.site_id == site_id, Case.closed_at >= midnight)
    ).all()
    longest = max((end - begin for begin, end in closed if end is not None), default=None)
    return Today(decided, longest)


def place(session: Session, site_id: UUID, comment_id: UUID) -> Place:
    """Return where a comment stands for its readers, and its open case; raises NotFound."""
    comment = session.scalars(select(Comment).where(Comment.site_id == site_id, Comment.id == comment_id)).first()
    if comment is None:
        raise NotFound("comment", show("comment", comment_id))
    behind = session.scalar(
        select(func.count())
        .select_from(Publication)
        .where(Publication.comment_id == comment_id, Publication.applied < Publication.wanted)
    )
    case_id = session.scalar(select(Case.id).where(Case.comment_id == comment_id, Case.closed_at.is_(None)))
    return Place(comment.status, comment.visible_revision is not None, bool(behind), case_id)


def decision(session: Session, site_id: UUID, decision_id: UUID) -> Decision:
    """Return a decision of the site; raises NotFound."""
    found = session.scalars(select(Decision).where(Decision.site_id == site_id, Decision.id == decision_id)).first()
    if found is None:
        raise NotFound("decision", show("decision", decision_id))
    return found


def still_newest(session: Session, decided: Decision) -> bool:
    """Tell whether no other decision followed."""
    later = aliased(Decision)
    followed = select(later.id).where(later.comment_id == decided.comment_id, later.seq > decided.seq)
    return session.scalars(followed.limit(1)).first() is None


def keep_note(session: Session, site_id: UUID, case_id: UUID, *, body: str, user_id: UUID, now: datetime) -> Note:
    """Keep a note for colleagues beside a case's comment. Raises NotFound, and Refused for an empty one."""
    comment_id = session.scalar(select(Case.comment_id).where(Case.site_id == site_id, Case.id == case_id))
    if comment_id is None:
        raise NotFound("case", show("case", case_id))
    if not body.strip():
        raise Refused("note-empty", "There is nothing in the note.", "/note")
    note = Note(id=new_id(), created_at=now, site_id=site_id, comment_id=comment_id, user_id=user_id, body=body.strip())
    session.add(note)
    audit.record(
        session,
        site_id=site_id,
        actor=show("user", user_id),
        action="note.kept",
        subject=show("comment", comment_id),
        now=now,
    )
    session.flush()
    return note


def put_down(session: Session, site_id: UUID, user_id: UUID, *, but: UUID) -> None:
    """Give back whatever else a person has claimed: in the console one card lies open at a time."""
    session.execute(
        update(Case)
        .where(Case.site_id == site_id, Case.claimed_by == user_id, Case.id != but, Case.closed_at.is_(None))
        .values(claimed_by=None, claimed_until=None)
        .execution_options(synchronize_session=False)
    )

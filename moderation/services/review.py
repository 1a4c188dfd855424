"""The moderators' work: what waits, who is at it, what they decide, and taking a decision back.

A decision names the revision that the moderator read. When the author or a colleague was faster it is refused, with the present
state, so that nobody decides about what they did not see.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from moderation.errors import AlreadyDecided, ClaimedByAnother, Conflict, NotFound, NotUndoable, Refused, StaleRevision
from moderation.ids import show
from moderation.models import Case, CaseKind, Comment, Decider, Decision, MessageKind, Status, User
from moderation.policy.shipped import REASONS
from moderation.policy.verdict import Verdict
from moderation.services import audit, decisions, messages, posts, second_looks
from moderation.services.comments import CommentView, views
from moderation.services.decisions import Outcome

CLAIM = timedelta(minutes=5)
"""How long a case stays with the moderator who opened it; the console renews it while the card is open."""

OTHER = 9
"""Key of the reason that needs a sentence of the moderator's own."""

GONE = frozenset({Status.WITHDRAWN, Status.ERASED})


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """A case with its comment, as a moderator needs it to decide; ``claimed_by`` is the id of the colleague at work on it."""

    id: UUID
    kind: CaseKind
    revision: int
    reasons: list[dict[str, object]]
    alert: bool
    escalated: bool
    priority: float
    opened_at: datetime
    claimed_by: UUID | None
    claimed_by_name: str | None
    claimed_until: datetime | None
    closed_at: datetime | None
    comment: CommentView


@dataclass(frozen=True, slots=True)
class Queue:
    """A page of what waits, most urgent first; ``waiting`` counts all open cases that fit the question."""

    items: list[CaseView]
    next: tuple[float, UUID] | None
    waiting: int


def queue(
    session: Session,
    site_id: UUID,
    *,
    now: datetime,
    kind: CaseKind | None = None,
    post: str | None = None,
    escalated: bool = False,
    newcomers: bool = False,
    but: CaseKind | None = None,
    after: tuple[float, UUID] | None = None,
    before: tuple[float, UUID] | None = None,
    limit: int = 25,
) -> Queue:
    """Return open cases of the site: a query, never a table; ``but`` leaves a kind out. Raises NotFound for an unknown post.

    ``after`` and ``before`` are places (a priority and a case): what comes next after one, or what comes last before one; then
    ``next`` leads on before these.
    """
    counted = [Case.site_id == site_id, Case.escalated == escalated, Case.closed_at.is_(None)]
    if but is not None:
        counted.append(Case.kind != but)
    if kind is not None:
        counted.append(Case.kind == kind)
    if post is not None:
        counted.append(Case.post_id == posts.find(session, site_id, post).id)
    behind = [*counted, of_newcomer()] if newcomers else [*counted]
    if after is not None:
        priority, case_id = after
        behind.append(or_(Case.priority < priority, and_(Case.priority == priority, Case.id < case_id)))
    order = (Case.priority.desc(), Case.id.desc())
    if before is not None:
        priority, case_id = before
        behind.append(or_(Case.priority > priority, and_(Case.priority == priority, Case.id > case_id)))
        order = (Case.priority.asc(), Case.id.asc())
    found = session.scalars(select(Case).where(*behind).order_by(*order).limit(limit + 1)).all()
    cases = found[:limit]
    waiting = count(session, counted, newcomers=newcomers)
    following = (cases[-1].priority, cases[-1].id) if len(found) > limit else None
    if before is not None:
        cases = cases[::-1]
    return Queue(_views(session, cases, now=now), following, waiting)


def of_newcomer() -> ColumnElement[bool]:
    """Return the condition on a case that nothing by its author was ever approved; one look at an index per case."""
    approved = select(Comment.id).where(
        Comment.site_id == Case.site_id, Comment.author_id == Case.author_id, Comment.status == Status.APPROVED
    )
    return ~approved.exists()


def count(session: Session, wanted: Sequence[ColumnElement[bool]], *, newcomers: bool = False) -> int:
    """Count cases; ``newcomers`` counts those alone by whom nothing was ever approved.

    By author first: a flood by one author costs one look at what they wrote, and not one for each of its cases.
    """
    if not newcomers:
        return session.scalar(select(func.count()).select_from(Case).where(*wanted)) or 0
    by_author = (
        select(Case.site_id, Case.author_id, func.count().label("cases"))
        .where(*wanted)
        .group_by(Case.site_id, Case.author_id)
        .subquery()
    )
    approved = select(Comment.id).where(
        Comment.site_id == by_author.c.site_id, Comment.author_id == by_author.c.author_id, Comment.status == Status.APPROVED
    )
    return int(session.scalar(select(func.sum(by_author.c.cases)).where(~approved.exists())) or 0)


def case(session: Session, site_id: UUID, case_id: UUID, *, now: datetime) -> CaseView:
    """Return one case, open or closed; raises NotFound."""
    return _views(session, [_find(session, site_id, case_id)], now=now)[0]


def claim(session: Session, site_id: UUID, case_id: UUID, *, user_id: UUID, now: datetime) -> CaseView:
    """Take a case for a moderator, or keep it: others see that they need not begin.

    Raises NotFound, ClaimedByAnother while a colleague's claim lasts, and Conflict for a closed case or one's own second look.
    """
    found = _find(session, site_id, case_id, lock=True)
    if found.closed_at is not None:
        raise Conflict("The case is closed.", case=show("case", found.id))
    _refuse_if_claimed(session, found, user_id, now=now)
    second_looks.refuse_own(session, found, user_id)
    found.claimed_by = user_id
    found.claimed_until = now + CLAIM
    session.flush()
    return _views(session, [found], now=now)[0]


def release(session: Session, site_id: UUID, case_id: UUID, *, user_id: UUID, now: datetime) -> CaseView:
    """Give a case back before its claim runs out; a claim of somebody else's is left alone. Raises NotFound."""
    found = _find(session, site_id, case_id, lock=True)
    if found.claimed_by == user_id:
        found.claimed_by = None
        found.claimed_until = None
        session.flush()
    return _views(session, [found], now=now)[0]


def escalate(session: Session, site_id: UUID, case_id: UUID, *, user_id: UUID | None, now: datetime) -> CaseView:
    """Move a case to the editors' queue; raises NotFound, and Conflict for a closed case."""
    found = _find(session, site_id, case_id, lock=True)
    if found.closed_at is not None:
        raise Conflict("The case is closed.", case=show("case", found.id))
    if not found.escalated:
        found.escalated = True
        found.alert = True
        found.claimed_by = None
        found.claimed_until = None
        audit.record(
            session,
            site_id=site_id,
            actor=show("user", user_id) if user_id else "site",
            action="case.escalated",
            subject=show("case", found.id),
            now=now,
        )
        messages.announce(
            session,
            MessageKind.ESCALATED,
            site_id=site_id,
            comment_id=found.comment_id,
            revision=found.revision,
            now=now,
        )
        session.flush()
    return _views(session, [found], now=now)[0]


def decide(
    session: Session,
    site_id: UUID,
    comment_id: UUID,
    *,
    verdict: Verdict,
    revision: int,
    decision_seq: int | None = None,
    reason: int | None = None,
    note: str = "",
    user_id: UUID | None,
    cause: str,
    now: datetime,
) -> Decision:
    """Approve or reject the revision that a moderator read.

    The same ``cause`` (the request's) again gives the decision that it made. ``decision_seq`` is the newest decision that the
    moderator saw; without it, a colleague's decision on the same revision is in the way. Raises NotFound; Refused for a
    rejection without one of the reasons 1..9, or reason 9 without a sentence; StaleRevision, AlreadyDecided or
    ClaimedByAnother with the present state when someone was faster.
    """
    made = session.scalars(select(Decision).where(Decision.site_id == site_id, Decision.cause == cause)).first()
    if made is not None:
        return made
    _refuse_unreasoned(verdict, reason, note)
    comment = decisions.lock(session, site_id, comment_id)
    if comment is None:
        raise NotFound("comment", show("comment", comment_id))
    if comment.status in GONE:
        raise Conflict(f"The comment was {comment.status}.", **_state(session, comment))
    if comment.current_revision != revision:
        raise StaleRevision("The author changed the comment; please read it again.", **_state(session, comment))
    newest = _newest(session, comment)
    if decision_seq is not None and decision_seq != comment.decision_seq:
        raise AlreadyDecided("The comment was decided in the meantime.", **_state(session, comment))
    open_case = session.scalars(select(Case).where(Case.comment_id == comment.id, Case.closed_at.is_(None))).first()
    if (
        decision_seq is None
        and open_case is None
        and newest is not None
        and newest.decider is Decider.MODERATOR
        and newest.revision == revision
    ):
        raise AlreadyDecided("A colleague decided first.", **_state(session, comment))
    if open_case is not None:
        _refuse_if_claimed(session, open_case, user_id, now=now)
        second_looks.refuse_own(session, open_case, user_id)
    return decisions.decide(
        session,
        comment,
        Outcome(
            verdict=verdict,
            revision=revision,
            decider=Decider.MODERATOR,
            cause=cause,
            publish=verdict is Verdict.APPROVE,
            user_id=user_id,
            reason=reason if verdict is Verdict.REJECT else None,
            note=note,
        ),
        now=now,
    )


def undo(session: Session, site_id: UUID, decision_id: UUID, *, user_id: UUID | None, cause: str, now: datetime) -> Decision:
    """Take a moderator's newest decision on a comment back: a new decision restores what it replaced and reopens the case.

    The same ``cause`` again gives the decision that it made. Raises NotFound, and NotUndoable with the present state for a
    machine's decision, an undo, one that another followed, or a comment revised or gone since.
    """
    made = session.scalars(select(Decision).where(Decision.site_id == site_id, Decision.cause == cause)).first()
    if made is not None:
        return made
    undone = session.scalars(select(Decision).where(Decision.site_id == site_id, Decision.id == decision_id)).first()
    if undone is None:
        raise NotFound("decision", show("decision", decision_id))
    comment = decisions.lock(session, site_id, undone.comment_id)
    if comment is None:
        raise NotFound("comment", show("comment", undone.comment_id))
    if undone.decider is not Decider.MODERATOR or undone.undoes is not None:
        raise NotUndoable("Only a moderator's own decision can be undone.", **_state(session, comment))
    if undone.seq != comment.decision_seq:
        raise NotUndoable("Another decision followed; only the newest can be undone.", **_state(session, comment))
    if comment.status in GONE or comment.current_revision != undone.revision:
        raise NotUndoable("The author changed or withdrew the comment since.", **_state(session, comment))
    return decisions.undo(session, comment, undone, user_id=user_id, cause=cause, now=now)


def _refuse_unreasoned(verdict: Verdict, reason: int | None, note: str) -> None:
    if verdict is Verdict.FLAG:
        raise Refused("verdict", "A moderator approves or rejects; to hand it on, escalate the case.", "/verdict")
    if verdict is Verdict.REJECT and reason not in REASONS:
        raise Refused("reason-required", "A rejection names one of the reasons 1 to 9.", "/reason")
    if verdict is Verdict.REJECT and reason == OTHER and not note.strip():
        raise Refused("note-required", "Reason 9 needs a sentence that the author can read.", "/note")


def _find(session: Session, site_id: UUID, case_id: UUID, *, lock: bool = False) -> Case:
    query = select(Case).where(Case.site_id == site_id, Case.id == case_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    found = session.scalars(query).first()
    if found is None:
        raise NotFound("case", show("case", case_id))
    return found


def _newest(session: Session, comment: Comment) -> Decision | None:
    return session.scalars(
        select(Decision).where(Decision.comment_id == comment.id, Decision.seq == comment.decision_seq)
    ).first()


def _refuse_if_claimed(session: Session, found: Case, user_id: UUID | None, *, now: datetime) -> None:
    if found.claimed_by is None or found.claimed_by == user_id or found.claimed_until is None or found.claimed_until <= now:
        return
    colleague = session.get_one(User, found.claimed_by)
    raise ClaimedByAnother(
        f"{colleague.name} is at work on this case.",
        case=show("case", found.id),
        claimed_by=show("user", found.claimed_by),
        claimed_until=found.claimed_until.isoformat(),
    )


def _state(session: Session, comment: Comment) -> dict[str, object]:
    newest = _newest(session, comment)
    return {
        "comment": show("comment", comment.id),
        "revision": comment.current_revision,
        "status": str(comment.status),
        "decision_seq": comment.decision_seq,
        "decision": decisions.as_public(newest) if newest else None,
    }


def _views(session: Session, cases: Sequence[Case], *, now: datetime) -> list[CaseView]:
    if not cases:
        return []
    ids = {found.comment_id for found in cases}
    comments = list(session.scalars(select(Comment).where(Comment.id.in_(ids))))
    shown = dict(zip((comment.id for comment in comments), views(session, comments), strict=True))
    holders = {found.claimed_by for found in cases if found.claimed_by}
    names = {user.id: user.name for user in session.scalars(select(User).where(User.id.in_(holders)))} if holders else {}
    result = []
    for found in cases:
        held = found.claimed_until is not None and found.claimed_until > now
        result.append(
            CaseView(
                id=found.id,
                kind=found.kind,
                revision=found.revision,
                reasons=list(found.reasons),
                alert=found.alert,
                escalated=found.escalated,
                priority=found.priority,
                opened_at=found.created_at,
                claimed_by=found.claimed_by if held else None,
                claimed_by_name=names.get(found.claimed_by) if held and found.claimed_by else None,
                claimed_until=found.claimed_until if held else None,
                closed_at=found.closed_at,
                comment=shown[found.comment_id],
            )
        )
    return result

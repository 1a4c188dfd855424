"""The one place where a comment's status changes.

Every change compares and sets the comment's version, appends what it must (a decision, an event, an audit
row), opens or closes the case, and does so in the caller's transaction: there is no half state.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Executable, Table, bindparam, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from moderation.database import answer, asked_once, store
from moderation.errors import AlreadyDecided
from moderation.ids import new_id, show
from moderation.models import Case, CaseKind, Comment, Decider, Decision, Status
from moderation.policy.verdict import Verdict
from moderation.services import audit, events, explanations, followers, messages

TAU = timedelta(hours=6)
"""How long a case waits to gain as much priority as one that is e times as harmful."""

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

STATUS_OF = {Verdict.APPROVE: Status.APPROVED, Verdict.FLAG: Status.FLAGGED, Verdict.REJECT: Status.REJECTED}
EVENT_OF = {Status.APPROVED: events.APPROVED, Status.FLAGGED: events.FLAGGED, Status.REJECTED: events.REJECTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is to be recorded: a verdict on a revision, by whom, because of what.

    ``cause`` names the job or the request; the same cause decides once. ``publish`` says whether the revision
    becomes public with it. ``reasons`` are rules that matched (machine); ``reason`` is a key 1..9 (moderator).
    """

    verdict: Verdict
    revision: int
    decider: Decider
    cause: str
    publish: bool
    user_id: UUID | None = None
    reason: int | None = None
    note: str = ""
    reasons: tuple[dict[str, Any], ...] = ()
    policy: str | None = None
    assessment_id: UUID | None = None
    versions: dict[str, str] = field(default_factory=dict)
    case: "NewCase | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCase:
    """Why a human should look, and how soon."""

    kind: CaseKind
    harm: float = 1.0
    reach: float = 1.0
    doubt: float = 1.0
    alert: bool = False
    reasons: tuple[dict[str, Any], ...] = ()


def priority(*, harm: float, reach: float, doubt: float, opened_at: datetime) -> float:
    """Return ln(harm x reach x doubt) - opened_at / tau: stored once, because ageing never changes the order."""
    return math.log(max(harm * reach * doubt, 1e-9)) - (opened_at - EPOCH) / TAU


def lock(session: Session, site_id: UUID, comment_id: UUID) -> Comment | None:
    """Return a comment of the site, locked against concurrent changes where the database has row locks."""
    return session.scalars(_LOCK, {"site": site_id, "comment": comment_id}).first()


def lock_all(session: Session, comment_ids: Sequence[UUID]) -> dict[UUID, Comment]:
    """Return comments by their ids, locked as by ``lock`` and in one order everywhere."""
    return {comment.id: comment for comment in session.scalars(_LOCK_ALL, {"comments": list(comment_ids)})}


_LOCK = (
    select(Comment)
    .where(Comment.site_id == bindparam("site"), Comment.id == bindparam("comment"))
    .with_for_update()
    .execution_options(populate_existing=True)
)


_LOCK_ALL = (
    select(Comment)
    .where(Comment.id.in_(bindparam("comments", expanding=True)))
    .order_by(Comment.id)
    .with_for_update()
    .execution_options(populate_existing=True)
)


def decide(session: Session, comment: Comment, outcome: Outcome, *, now: datetime) -> Decision:
    """Record a decision on the comment as the caller read it; raises AlreadyDecided when it changed since."""
    status = STATUS_OF[outcome.verdict]
    by_human = outcome.decider is Decider.MODERATOR
    decision = Decision(
        id=new_id(),
        site_id=comment.site_id,
        created_at=now,
        comment_id=comment.id,
        seq=comment.decision_seq + 1,
        revision=outcome.revision,
        verdict=str(outcome.verdict),
        status=status,
        decider=outcome.decider,
        user_id=outcome.user_id,
        reason=outcome.reason,
        note=outcome.note,
        reasons=list(outcome.reasons),
        policy=outcome.policy,
        assessment_id=outcome.assessment_id,
        versions=outcome.versions,
        cause=outcome.cause,
        replaced_status=comment.status,
        replaced_visible=comment.visible_revision,
        replaced_human_rejected=comment.human_rejected,
    )
    if outcome.publish:
        visible: int | None = outcome.revision
    else:
        # A held revision leaves the approved one before it in public; a rejection takes everything down, and so does a hold of
        # the very revision that is public.
        taken_down = status is Status.REJECTED or by_human or comment.visible_revision == outcome.revision
        visible = None if taken_down else comment.visible_revision
    _change(
        session,
        comment,
        status=status,
        visible_revision=visible,
        decision_seq=decision.seq,
        human_rejected=comment.human_rejected or (by_human and status is Status.REJECTED),
        published_at=comment.published_at or (now if visible else None),
    )
    store(session, decision)
    _settle_case(session, comment, outcome, now=now)
    emit_decision(session, comment, decision, now=now)
    return decision


def undo(session: Session, comment: Comment, undone: Decision, *, user_id: UUID | None, cause: str, now: datetime) -> Decision:
    """Record the decision that restores what ``undone`` replaced, and open the case again.

    The caller has checked that ``undone`` is the comment's newest decision; raises AlreadyDecided otherwise.
    """
    verdict = {status: verdict for verdict, status in STATUS_OF.items()}.get(undone.replaced_status, Verdict.FLAG)
    decision = Decision(
        id=new_id(),
        site_id=comment.site_id,
        created_at=now,
        comment_id=comment.id,
        seq=comment.decision_seq + 1,
        revision=undone.revision,
        verdict=str(verdict),
        status=undone.replaced_status if undone.replaced_status in EVENT_OF else Status.FLAGGED,
        decider=Decider.MODERATOR,
        user_id=user_id,
        reason=None,
        reasons=[],
        policy=None,
        assessment_id=undone.assessment_id,
        versions={},
        cause=cause,
        undoes=undone.id,
        replaced_status=comment.status,
        replaced_visible=comment.visible_revision,
        replaced_human_rejected=comment.human_rejected,
    )
    _change(
        session,
        comment,
        status=decision.status,
        visible_revision=undone.replaced_visible,
        decision_seq=decision.seq,
        human_rejected=undone.replaced_human_rejected,
    )
    store(session, decision)
    open_case(session, comment, NewCase(kind=CaseKind.FLAGGED, reasons=tuple(undone.reasons)), now=now, revision=undone.revision)
    emit_decision(session, comment, decision, now=now)
    return decision


def set_status(session: Session, comment: Comment, status: Status, *, now: datetime, event: str, **changes: Any) -> None:
    """Change the status without a decision: a new revision, a withdrawal or an erasure by the author."""
    visible = changes.pop("visible_revision", comment.visible_revision)
    _change(session, comment, status=status, visible_revision=visible, **changes)
    explanations.forget(session, comment.id)
    if status in {Status.WITHDRAWN, Status.ERASED}:
        close_case(session, comment, now=now)
        followers.forget(session, comment)
    events.emit(session, event, comment, now=now)


def emit_decision(session: Session, comment: Comment, decision: Decision, *, now: datetime) -> None:
    """Announce and audit a decision that was recorded."""
    followers.decided(session, comment, decision, now=now)
    events.emit(
        session,
        events.REOPENED if decision.undoes and decision.status is Status.FLAGGED else EVENT_OF[decision.status],
        comment,
        now=now,
        decision=as_public(decision),
    )
    audit.record(
        session,
        site_id=comment.site_id,
        actor=show("user", decision.user_id) if decision.user_id else str(decision.decider),
        action="comment.decided" if decision.undoes is None else "decision.undone",
        subject=show("comment", comment.id),
        now=now,
        decision=show("decision", decision.id),
        seq=decision.seq,
        revision=decision.revision,
        verdict=decision.verdict,
        status=str(decision.status),
        reason=decision.reason,
        policy=decision.policy,
    )


def as_public(decision: Decision) -> dict[str, Any]:
    """Return a decision as the world outside the console may see it: by machine or moderator, never a name."""
    return {
        "id": show("decision", decision.id),
        "seq": decision.seq,
        "revision": decision.revision,
        "verdict": decision.verdict,
        "by": str(decision.decider),
        "reason": decision.reason,
        "reasons": decision.reasons,
        "policy": decision.policy,
        "undoes": show("decision", decision.undoes) if decision.undoes else None,
        "decided_at": events.iso(decision.created_at),
    }


def open_case(session: Session, comment: Comment, new: NewCase, *, now: datetime, revision: int | None = None) -> Case:
    """Put a comment before the moderators, or renew the case that is open: a later look never waits behind itself."""
    case = _open_case_of(session, comment.id)
    rank = priority(harm=new.harm, reach=new.reach, doubt=new.doubt, opened_at=now)
    if case is None:
        case = Case(
            id=new_id(),
            site_id=comment.site_id,
            created_at=now,
            comment_id=comment.id,
            post_id=comment.post_id,
            author_id=comment.author_id,
            revision=revision or comment.current_revision,
            kind=new.kind,
            reasons=list(new.reasons),
            alert=new.alert,
            priority=rank,
        )
        store(session, case)
    else:
        case.revision = revision or comment.current_revision
        case.kind = new.kind
        case.reasons = list(new.reasons)
        case.alert = case.alert or new.alert
        case.priority = max(case.priority, rank)
        session.flush()
    messages.announce_case(session, case, now=now)
    return case


def close_case(session: Session, comment: Comment, *, now: datetime) -> None:
    """Close the open case of a comment, if there is one."""
    case = _open_case_of(session, comment.id)
    if case is not None:
        case.closed_at = now
        case.claimed_by = None
        case.claimed_until = None
        session.flush()


def foresee(session: Session, comments: Sequence[Comment]) -> None:
    """Ask for several comments at once what deciding each of them asks, in a joined transaction."""
    comment_ids = [comment.id for comment in comments]
    cases = {case.comment_id: case for case in session.scalars(_OPEN_CASES, {"comments": comment_ids})}
    answer(session, {(Case, comment_id): cases.get(comment_id) for comment_id in comment_ids})
    followers.foresee(session, comment_ids)
    events.foresee(session, {comment.post_id for comment in comments})


def _open_case_of(session: Session, comment_id: UUID) -> Case | None:
    return asked_once(session, (Case, comment_id), lambda: session.scalars(_OPEN_CASE, {"comment": comment_id}).first())


_OPEN_CASE = select(Case).where(Case.comment_id == bindparam("comment"), Case.closed_at.is_(None))
_OPEN_CASES = select(Case).where(Case.comment_id.in_(bindparam("comments", expanding=True)), Case.closed_at.is_(None))


def _settle_case(session: Session, comment: Comment, outcome: Outcome, *, now: datetime) -> None:
    if outcome.case is not None:
        open_case(session, comment, outcome.case, now=now, revision=outcome.revision)
    elif outcome.verdict is not Verdict.FLAG:
        close_case(session, comment, now=now)


@cache
def _setting(names: frozenset[str]) -> Executable:
    table = cast("Table", Comment.__table__)
    columns: dict[str, Any] = {name: bindparam(name) for name in ("version", *sorted(names))}
    return update(table).where(table.c.id == bindparam("_id"), table.c.version == bindparam("_seen")).values(columns)


def _change(session: Session, comment: Comment, **changes: Any) -> None:
    """Set the columns and count the version up, if the comment is still as it was read."""
    seen = comment.version
    changed = session.execute(_setting(frozenset(changes)), {"_id": comment.id, "_seen": seen, "version": seen + 1, **changes})
    if getattr(changed, "rowcount", 0) != 1:
        raise AlreadyDecided("The comment changed in the meantime.", comment=show("comment", comment.id))
    # As it was read, but for what was just written: the version would not have matched otherwise.
    for name, value in {"version": seen + 1, **changes}.items():
        set_committed_value(comment, name, value)

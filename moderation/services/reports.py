"""Readers' reports: a complaint brings a comment before a human; the policy says how many hide it until one has looked.

Readers are told apart by their network, so that one of them counts once. A comment that a human has approved stays, and more
complaints of a kind that was there when it was approved change nothing.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from moderation.errors import NotFound
from moderation.ids import new_id, show
from moderation.models import Assessment, Case, CaseKind, Comment, Decider, Decision, Mode, Report, Revision, Status
from moderation.policy.evaluate import Ruling, evaluate
from moderation.policy.verdict import Verdict
from moderation.services import decisions, policies
from moderation.services.decisions import NewCase, Outcome

REPORTED = "reported"
"""The reason of the rule by which reports hide a comment."""

OURS_TO_RENEW = frozenset({CaseKind.AUDIT, CaseKind.REPORTED})
"""Open cases that a report takes over; the others say more about the comment than it does."""


def report(
    session: Session, site_id: UUID, comment_id: UUID, *, reason: int, note: str = "", reporter: tuple[bytes, ...], now: datetime
) -> bool:
    """Store a reader's complaint (reason 1 to 9); false where this reader has complained before.

    ``reporter`` holds the hashes of the reader's address, newest first. Raises NotFound for a comment that is not public.
    """
    comment = decisions.lock(session, site_id, comment_id)
    if comment is None or comment.visible_revision is None:
        raise NotFound("comment", show("comment", comment_id))
    if _has_complained(session, comment, reporter):
        return False
    earlier = session.execute(select(Report.reason, Report.created_at).where(Report.comment_id == comment.id)).all()
    session.add(
        Report(
            id=new_id(),
            site_id=site_id,
            created_at=now,
            comment_id=comment.id,
            reporter_key=reporter[0],
            reason=str(reason),
            note=note,
        )
    )
    session.flush()
    approved_at = _approved_by_a_human_at(session, comment)
    if approved_at is not None and any(kind == str(reason) and at <= approved_at for kind, at in earlier):
        return True
    count = session.scalar(select(func.count()).select_from(Report).where(Report.comment_id == comment.id)) or 0
    reasons = _reasons(reason, count)
    if approved_at is None and (hidden := _hidden_by_policy(session, comment, count, now=now)) is not None:
        decisions.decide(session, comment, hidden, now=now)
        return True
    case = session.scalars(select(Case).where(Case.comment_id == comment.id, Case.closed_at.is_(None))).first()
    if case is None or case.kind in OURS_TO_RENEW:
        new = NewCase(kind=CaseKind.REPORTED, harm=1.0 + count, reasons=reasons)
        decisions.open_case(session, comment, new, now=now, revision=comment.visible_revision)
    return True


def _has_complained(session: Session, comment: Comment, reporter: tuple[bytes, ...]) -> bool:
    found = session.scalar(
        select(Report.id)
        .where(Report.site_id == comment.site_id, Report.comment_id == comment.id, Report.reporter_key.in_(reporter))
        .limit(1)
    )
    return found is not None


def _approved_by_a_human_at(session: Session, comment: Comment) -> datetime | None:
    return session.scalar(
        select(func.max(Decision.created_at)).where(
            Decision.comment_id == comment.id,
            Decision.revision == comment.visible_revision,
            Decision.decider == Decider.MODERATOR,
            Decision.status == Status.APPROVED,
        )
    )


def _reasons(reason: int, count: int) -> tuple[dict[str, Any], ...]:
    why = {
        "rule": REPORTED,
        "verdict": str(Verdict.FLAG),
        "reason": reason,
        "priority": "high",
        "alert": False,
        "explanation": f"Readers who asked us to look at it: {count}.",
    }
    return (why,)


def _hidden_by_policy(session: Session, comment: Comment, count: int, *, now: datetime) -> Outcome | None:
    """Ask the policy in force again with what is known of the public revision and the reports; None where they hide nothing."""
    if comment.visible_revision != comment.current_revision or comment.status is not Status.APPROVED:
        return None
    before = session.scalars(
        select(Assessment)
        .join(Revision, Revision.id == Assessment.revision_id)
        .where(Assessment.comment_id == comment.id, Assessment.mode == Mode.LIVE, Revision.number == comment.visible_revision)
        .order_by(Assessment.id.desc())
        .limit(1)
    ).first()
    if before is None:
        return None
    in_force = policies.in_force(session, comment.site_id, comment.post_id)
    found = {**before.signals, "reports": count}
    ruling = evaluate(in_force.policy, found)
    if ruling.publish or not any(match.reason == REPORTED for match in ruling.matched):
        return None
    looked = _assessment(comment, before, found, ruling, in_force, now=now)
    session.add(looked)
    session.flush()
    matched = tuple(match.as_json() for match in ruling.matched)
    return Outcome(
        verdict=Verdict.FLAG,
        revision=comment.visible_revision,
        decider=Decider.MACHINE,
        cause=f"reports:{comment.id.hex}:{comment.version}",
        publish=False,
        reasons=matched,
        policy=in_force.policy_label,
        assessment_id=looked.id,
        versions=in_force.versions,
        case=NewCase(kind=CaseKind.REPORTED, harm=ruling.harm, doubt=ruling.doubt, alert=ruling.alert, reasons=matched),
    )


def _assessment(
    comment: Comment, before: Assessment, found: dict[str, Any], ruling: Ruling, in_force: policies.InForce, *, now: datetime
) -> Assessment:
    return Assessment(
        id=new_id(),
        site_id=comment.site_id,
        created_at=now,
        comment_id=comment.id,
        revision_id=before.revision_id,
        mode=Mode.LIVE,
        signal_schema=before.signal_schema,
        signals=found,
        policy=in_force.policy_label,
        policy_version_id=in_force.policy_version_id,
        model_version=before.model_version,
        verdict=str(ruling.verdict),
        matched=[match.as_json() for match in ruling.matched],
        not_evaluated=list(ruling.not_evaluated),
    )

"""Statements of reasons as the transparency database of the EU's Digital Services Act takes them, made from our decisions.

One for each rejection that stands, in the fields of its API; nothing is sent from here. They say which reason there was and who
found and decided it, and hold neither the comment's text nor anybody's name. A moderator's own sentence is in them where the
reason is one of those that need it.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, exists, select
from sqlalchemy.orm import Session

from moderation.database import Database
from moderation.ids import show
from moderation.models import Case, CaseKind, Comment, Decider, Decision, Revision, Status
from moderation.policy.shipped import REASONS, ReasonText
from moderation.policy.verdict import Verdict
from moderation.signals.language import primary

CHUNK: Final = 500
OTHER: Final = 9
ILLEGAL: Final = 8
GROUND: Final = 500
EXPLANATION: Final = 2000
"""Characters of the longest ground and the longest explanation."""

UNKNOWN: Final = frozenset({"und", "mul", "zxx"})


def statements(database: Database, site_id: UUID, *, since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    """Yield a statement for each rejection from ``since`` until before ``until`` that nobody has undone, the oldest first."""
    after: UUID | None = None
    while True:
        with database.reading() as session:
            rows = _chunk(session, site_id, since, until, after)
        yield from (_statement(*row) for row in rows)
        if len(rows) < CHUNK:
            return
        after = rows[-1][0].id


def _chunk(
    session: Session, site_id: UUID, since: datetime, until: datetime, after: UUID | None
) -> list[Row[Decision, Comment, str | None, bool, bool]]:
    reported = exists().where(
        Case.comment_id == Comment.id, Case.kind == CaseKind.REPORTED, Case.created_at <= Decision.created_at
    )
    found_by_us = exists().where(Case.comment_id == Comment.id, Case.kind == CaseKind.FLAGGED)
    query = (
        select(Decision, Comment, Revision.language, reported, found_by_us)
        .join(Comment, (Comment.id == Decision.comment_id) & (Comment.decision_seq == Decision.seq))
        .join(Revision, (Revision.comment_id == Comment.id) & (Revision.number == Decision.revision))
        .where(
            Decision.site_id == site_id,
            Decision.created_at >= since,
            Decision.created_at < until,
            Decision.status == Status.REJECTED,
            Comment.status == Status.REJECTED,
        )
        .order_by(Decision.id)
        .limit(CHUNK)
    )
    return list(session.execute(query if after is None else query.where(Decision.id > after)))


def _statement(decision: Decision, comment: Comment, language: str | None, reported: bool, flagged: bool) -> dict[str, Any]:  # noqa: FBT001 (columns)
    by_machine = decision.decider is Decider.MACHINE
    reason = _reason(decision)
    was_public = decision.replaced_visible is not None
    said = reason.author_reads.format(ground=decision.note, sentence=decision.note).strip()
    by_reports = reported and not by_machine
    spoken = primary(language or "")
    return {
        "decision_visibility": [f"DECISION_VISIBILITY_CONTENT_{'REMOVED' if was_public else 'DISABLED'}"],
        **_ground(reason, decision.note.strip(), said),
        "content_type": ["CONTENT_TYPE_TEXT"],
        "category": f"STATEMENT_CATEGORY_{reason.dsa_category}",
        **_keyword(reason, decision.note.strip()),
        **({"content_language": spoken.upper()} if len(spoken) == len("en") and spoken not in UNKNOWN else {}),
        "content_date": f"{comment.submitted_at or comment.created_at:%Y-%m-%d}",
        "application_date": f"{decision.created_at:%Y-%m-%d}",
        "decision_facts": _facts(reason, was_public=was_public, by_machine=by_machine, by_reports=by_reports),
        "source_type": "SOURCE_TYPE_OTHER_NOTIFICATION" if by_reports else "SOURCE_VOLUNTARY",
        "automated_detection": "Yes" if by_machine or (flagged and not by_reports) else "No",
        "automated_decision": "AUTOMATED_DECISION_FULLY" if by_machine else "AUTOMATED_DECISION_NOT_AUTOMATED",
        "puid": show("decision", decision.id),
    }


def _reason(decision: Decision) -> ReasonText:
    """Return a moderator's reason, else that of the first rule that rejected."""
    rules = [rule.get("reason") for rule in decision.reasons if rule.get("verdict") == Verdict.REJECT]
    named = [key for key in (decision.reason, *rules) if isinstance(key, int) and key in REASONS]
    return REASONS[named[0] if named else OTHER]


def _ground(reason: ReasonText, note: str, said: str) -> dict[str, Any]:
    explanation = f"The comment {said or 'does not keep to the rules of the site'}."[:EXPLANATION]
    if reason.key == ILLEGAL and note:
        return {
            "decision_ground": "DECISION_GROUND_ILLEGAL_CONTENT",
            "illegal_content_legal_ground": note[:GROUND],
            "illegal_content_explanation": explanation,
        }
    return {
        "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
        "incompatible_content_ground": f"The site's rules on comments: {reason.name}",
        "incompatible_content_explanation": explanation,
        "incompatible_content_illegal": "No",
    }


def _keyword(reason: ReasonText, note: str) -> dict[str, Any]:
    if reason.dsa_keyword is None or (reason.dsa_keyword == "OTHER" and not note):
        return {}
    said = {"category_specification_other": note[:GROUND]} if reason.dsa_keyword == "OTHER" else {}
    return {"category_specification": [f"KEYWORD_{reason.dsa_keyword}"], **said}


def _facts(reason: ReasonText, *, was_public: bool, by_machine: bool, by_reports: bool) -> str:
    done = "was taken down" if was_public else "was not published"
    found = "Readers had reported it." if by_reports else "Nobody had given notice of it."
    who = "An automatic check decided it." if by_machine else "A moderator read it and decided."
    return f"A reader's comment {done} for the reason: {reason.name}. {found} {who}"

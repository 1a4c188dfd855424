"""Explanations: which words of a comment drive its scores, looked for after the decision and kept as places in its text."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Executable, Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from moderation import queue
from moderation.database import insert_rows
from moderation.models import Comment, Explanation, JobKind, Revision, Status
from moderation.scoring.explain import LOWEST

REST = timedelta(seconds=1)
"""How long after the decision the search may begin: what came in with the comment is judged first."""

HELD = frozenset({Status.FLAGGED, Status.REJECTED})
"""What is explained: nobody asks why a comment was let through."""


def ask_for(session: Session, comment: Comment, revision: int, scores: Mapping[str, float], *, now: datetime) -> None:
    """Have the scores of a comment that was held or rejected explained, if there is anything to explain."""
    if max(scores.values(), default=0.0) >= LOWEST:
        queue.enqueue(
            session,
            JobKind.EXPLAIN,
            site_id=comment.site_id,
            subject_id=comment.id,
            revision=revision,
            now=now,
            run_at=now + REST,
        )


def keep(session: Session, *, site_id: UUID, revision_id: UUID, model_version: str, found: dict[str, Any], now: datetime) -> None:
    """Store what was found; a second time changes nothing."""
    row = {
        "revision_id": revision_id,
        "model_version": model_version,
        "site_id": site_id,
        "found": found,
        "created_at": now,
    }
    insert_rows(session, Explanation, _insert(session.get_bind().dialect.name), [row])


@cache
def _insert(dialect: str) -> Executable:
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    return insert(cast("Table", Explanation.__table__)).on_conflict_do_nothing()


def forget(session: Session, comment_id: UUID) -> None:
    """Delete what was found about any text of a comment: it has another text now, or none."""
    revisions = select(Revision.id).where(Revision.comment_id == comment_id)
    session.execute(
        delete(Explanation).where(Explanation.revision_id.in_(revisions)).execution_options(synchronize_session=False)
    )


def of(session: Session, revision_ids: Iterable[UUID]) -> dict[tuple[UUID, str], dict[str, Any]]:
    """Return what was found about revisions, by revision and model version."""
    rows = session.scalars(select(Explanation).where(Explanation.revision_id.in_(list(revision_ids))))
    return {(row.revision_id, row.model_version): row.found for row in rows}

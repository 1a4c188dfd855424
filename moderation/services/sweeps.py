"""Sweeps: what waits and has something in common, by one author or with the same words in it, to be read and decided at once.

It is decided as a wave is: each for itself, and all of it can be taken back.
"""

from dataclasses import dataclass
from unicodedata import combining, normalize
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from moderation.models import Author, Case, CaseKind, Comment, Revision, Status
from moderation.services import desk, waves
from moderation.services.waves import Copy

READ = 5000
"""Cases whose texts are searched, the most urgent first."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """What was found: at most ``waves.MOST`` of ``found``, the oldest first."""

    copies: list[Copy]
    found: int


def by_author(session: Session, site_id: UUID, case_id: UUID) -> Sweep:
    """Return what waits by the author of a case's comment, that one among it; nothing for an unknown case."""
    author = select(Case.author_id).where(Case.site_id == site_id, Case.id == case_id).scalar_subquery()
    ids = session.scalars(select(Case.comment_id).where(*_waiting(site_id), Case.author_id == author).order_by(Case.id)).all()
    return Sweep(waves.copies(session, site_id, list(ids[: waves.MOST])), len(ids))


def others_of(session: Session, case: Case) -> int:
    """Count what else waits by the author of a case's comment."""
    others = (*_waiting(case.site_id), Case.author_id == case.author_id, Case.id != case.id)
    return session.scalar(select(func.count()).select_from(Case).where(*others)) or 0


def with_words(session: Session, site_id: UUID, words: str) -> Sweep:
    """Return what waits and has these words in its text or its author's name; capitals and accents do not matter."""
    wanted = _folded(words)
    rows = session.execute(
        select(Case.id, Case.comment_id, Revision.body, Revision.context, Author.name)
        .join(Comment, Comment.id == Case.comment_id)
        .join(Author, Author.id == Case.author_id)
        .join(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.current_revision))
        .where(*_waiting(site_id), Comment.status != Status.ERASED)
        .order_by(Case.priority.desc(), Case.id.desc())
        .limit(READ)
    )
    found = [
        (case_id, comment_id)
        for case_id, comment_id, body, context, name in rows
        if wanted in _folded(body) or wanted in _folded(context.get("author_name") or name)
    ]
    oldest = [comment_id for _, comment_id in sorted(found)[: waves.MOST]]
    return Sweep(waves.copies(session, site_id, oldest), len(found))


def _waiting(site_id: UUID) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions on an open case that any moderator may decide; the random audit is read one by one."""
    return (Case.site_id == site_id, Case.closed_at.is_(None), Case.escalated == desk.ESCALATED, Case.kind != CaseKind.AUDIT)


def _folded(text: str) -> str:
    return " ".join("".join(char for char in normalize("NFKD", text.casefold()) if not combining(char)).split())

"""Human labels from elsewhere: kept for learning, once each, without making, deciding or publishing a comment.

A blog that suggests scores tells us what its moderators thought of a text, often of one that Tidegate has never seen. Where the
text is a comment of ours, the label points to it; where it is not, the label holds the text itself, for half a year.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from moderation.errors import UnknownId
from moderation.ids import new_id, read
from moderation.models import Comment, Label, Revision, Status
from moderation.services.submission import text_hash
from moderation.text import problems

KEPT: Final = timedelta(days=180)
"""How long a label is kept; it may hold a text whose author we do not know."""

TOKEN: Final = "comment:"  # noqa: S105 (a client's word before an id, no secret)
CORAL_ID: Final = "Coral_comment_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggested:
    """What was suggested about a text; ``named`` are ids under which the comment may be known here."""

    source: str
    body: str
    values: dict[str, Any]
    languages: tuple[str, ...] = ()
    token: str = ""
    community: str = ""
    named: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """A text to learn from and the newest values that a person gave it, by attribute."""

    body: str
    values: dict[str, Any]
    at: datetime


def named_by(token: str, entries: Sequence[str]) -> tuple[str, ...]:
    """Return the ids of the comment that a client's token and context give away: ``comment:ID``, and Coral's JSON."""
    found = [token.removeprefix(TOKEN)] if token.startswith(TOKEN) else []
    for entry in entries:
        try:
            parsed = orjson.loads(entry)
        except orjson.JSONDecodeError:
            continue  # an article or a parent comment
        if isinstance(parsed, dict) and isinstance(parsed.get(CORAL_ID), str):
            found.append(parsed[CORAL_ID])
    return tuple(dict.fromkeys(name for name in found if name and "\0" not in name))


def keep(session: Session, site_id: UUID, suggested: Suggested, *, now: datetime) -> bool:
    """Store a label; false where the same was said before."""
    revision_id = _revision_of(session, site_id, suggested)
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    made = session.execute(
        insert(Label)
        .values(
            id=new_id(),
            site_id=site_id,
            created_at=now,
            source=suggested.source,
            revision_id=revision_id,
            body=None if revision_id else suggested.body,
            values=suggested.values,
            languages=list(suggested.languages),
            token=suggested.token,
            community=suggested.community,
            digest=_digest(suggested),
        )
        .on_conflict_do_nothing()
        .returning(Label.id)
    )
    return made.first() is not None


def examples(session: Session, site_id: UUID, *, since: datetime) -> Iterator[Example]:
    """Yield each labelled text with its newest values, oldest first; texts of comments that were withdrawn or erased are not."""
    rows = session.execute(
        select(Label, Revision.body, Comment.status)
        .outerjoin(Revision, Revision.id == Label.revision_id)
        .outerjoin(Comment, Comment.id == Revision.comment_id)
        .where(Label.site_id == site_id, Label.created_at >= since)
        .order_by(Label.created_at, Label.id)
    )
    newest: dict[str, Example] = {}
    for label, body, status in rows:
        text = body if label.revision_id else label.body
        if text is None or status in {Status.WITHDRAWN, Status.ERASED}:
            continue
        earlier = newest.pop(text, None)
        newest[text] = Example(text, {**(earlier.values if earlier else {}), **label.values}, label.created_at)
    yield from newest.values()


def _revision_of(session: Session, site_id: UUID, suggested: Suggested) -> UUID | None:
    """Return the revision that says exactly this, of a comment that the client named."""
    # A text that we would not have taken in is none of ours, and may be made to hurt who normalises it.
    if not suggested.named or problems(suggested.body):
        return None
    ours = []
    for name in suggested.named:
        try:
            ours.append(read("comment", name))
        except UnknownId:
            continue
    return session.scalars(
        select(Revision.id)
        .join(Comment, Comment.id == Revision.comment_id)
        .where(
            Comment.site_id == site_id,
            or_(Comment.external_id.in_(suggested.named), Comment.id.in_(ours)),
            Revision.text_hash == text_hash(suggested.body),
        )
        .order_by(Revision.number.desc())
        .limit(1)
    ).first()


def _digest(suggested: Suggested) -> bytes:
    said = [suggested.source, suggested.body, suggested.values, suggested.token, suggested.community]
    return hashlib.blake2b(orjson.dumps(said, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()

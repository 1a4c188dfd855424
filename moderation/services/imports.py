"""Writing what other systems' comments were into ours, as they stood there: no scoring, no case, no event, no delivery.

One writer for every source. The other system's id is the comment's ``external_id``, so that the same file again, whole or from
where it broke off, stores nothing twice: what is known is looked up for a whole chunk at once and passed over, however the
comment was decided here since.
"""

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from moderation.errors import UnknownId
from moderation.ids import new_id, new_id_at, read
from moderation.models import Comment, Revision, Status
from moderation.services import audit, authors, posts, submission
from moderation.sources import BadRow, Record

CHUNK: Final = 200
"""Records in one transaction: some tens of milliseconds in which nobody else writes on SQLite."""

MOST_BAD_ROWS: Final = 1000
"""Bad rows that are kept to be shown; all are counted."""

STATUS_OF: Final = {
    "approved": Status.APPROVED,
    "held": Status.FLAGGED,
    "rejected": Status.REJECTED,
    "deleted": Status.ERASED,
}


@dataclass(slots=True)
class Tally:
    """What became of the rows of an import; ``orphans`` are replies whose parent was not known when they were written."""

    imported: int = 0
    known: int = 0
    bad: int = 0
    orphans: int = 0
    bad_rows: list[BadRow] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Return how many rows were read."""
        return self.imported + self.known + self.bad

    def add(self, other: "Tally") -> None:
        """Count what became of a further chunk."""
        self.imported += other.imported
        self.known += other.known
        self.bad += other.bad
        self.orphans += other.orphans
        self.bad_rows += other.bad_rows[: MOST_BAD_ROWS - len(self.bad_rows)]

    def as_json(self) -> dict[str, Any]:
        """Return the figures and the bad rows."""
        return {
            "rows": self.rows,
            "imported": self.imported,
            "known": self.known,
            "bad": self.bad,
            "bad_rows": [row.as_json() for row in self.bad_rows],
        }


def write(session: Session, site_id: UUID, rows: Iterable[Record | BadRow], *, batch: str, secret: bytes, now: datetime) -> Tally:
    """Store a chunk of records as they stood in the other system; ``batch`` names the import in each revision's context."""
    tally = Tally()
    records: dict[str, Record] = {}
    for row in rows:
        if isinstance(row, BadRow):
            tally.bad += 1
            tally.bad_rows.append(row)
        elif row.external_id in records:
            tally.known += 1
        else:
            records[row.external_id] = row
    known = {*_ids_of(session, site_id, records), *_ours(session, site_id, records.values())}
    tally.known += len(known)
    fresh = [record for name, record in records.items() if name not in known]
    if not fresh:
        return tally
    made: list[dict[str, Any]] = []
    revisions: list[dict[str, Any]] = []
    for record in fresh:
        comment = _comment(session, site_id, record, secret=secret, now=now)
        made.append(comment)
        revisions.append(_revision(comment, record, batch=batch))
    session.execute(insert(Comment), made)
    session.execute(insert(Revision), revisions)
    tally.imported = len(made)
    tally.orphans = len([record for record in fresh if record.parent_id]) - join(session, site_id, fresh)
    return tally


def join(session: Session, site_id: UUID, rows: Iterable[Record | BadRow]) -> int:
    """Put replies under their parents where both are stored, of the same post, and not joined yet; returns how many were.

    A second pass over a source joins those whose parents came after them.
    """
    parents = {row.external_id: row.parent_id for row in rows if isinstance(row, Record) and row.parent_id}
    ids = _ids_of(session, site_id, {*parents, *parents.values()})
    joined = 0
    for name, parent in parents.items():
        if name not in ids or parent not in ids or name == parent:
            continue
        (reply, post), (above, post_above) = ids[name], ids[parent]
        # A parent is older than its reply, and so is its id: no circle can come of it.
        if post == post_above and above < reply:
            session.execute(
                update(Comment)
                .where(Comment.id == reply, Comment.parent_id.is_(None))
                .values(parent_id=above)
                .execution_options(synchronize_session=False)
            )
            joined += 1
    return joined


def note(session: Session, site_id: UUID, tally: Tally, *, source: str, batch: str, by: str, now: datetime) -> None:
    """Write into the audit log that there was an import, from what, and how much of it was taken."""
    counts = {"imported": tally.imported, "known": tally.known, "bad": tally.bad}
    audit.record(session, site_id=site_id, actor=by, action="comments.imported", subject=batch, now=now, source=source, **counts)


def _ours(session: Session, site_id: UUID, records: Iterable[Record]) -> set[str]:
    """Return the records of comments that are stored here under our own id, whatever the other system calls them."""
    ids: dict[UUID, str] = {}
    for record in records:
        with suppress(UnknownId):
            if record.ours:
                ids[read("comment", record.ours)] = record.external_id
    found = session.scalars(select(Comment.id).where(Comment.site_id == site_id, Comment.id.in_(list(ids)))) if ids else ()
    return {ids[comment_id] for comment_id in found}


def _ids_of(session: Session, site_id: UUID, names: Iterable[str]) -> dict[str, tuple[UUID, UUID]]:
    found = session.execute(
        select(Comment.external_id, Comment.id, Comment.post_id).where(
            Comment.site_id == site_id, Comment.external_id.in_(list(names))
        )
    )
    return {str(name): (comment_id, post_id) for name, comment_id, post_id in found}


def _comment(session: Session, site_id: UUID, record: Record, *, secret: bytes, now: datetime) -> dict[str, Any]:
    at = min(record.created_at, now)
    # Ids are in order of time, and threads in order of ids: an old comment stands where it stood.
    comment_id = new_id_at(at, site_id.bytes, record.external_id.encode())
    reference = posts.PostReference(id=record.post_id, url=record.post_url, title=record.post_title)
    # Of what was deleted there the place in the thread is taken over, and nobody's name.
    claim = (
        authors.AuthorClaim()
        if record.state == "deleted"
        else authors.AuthorClaim(id=record.author_id, name=record.author_name, email=record.author_email, url=record.author_url)
    )
    author = authors.author_of(
        session,
        site_id,
        claim,
        vouched=record.author_id is not None,
        secret=secret,
        # A handle is nobody's proof of anything: it only tells that the same person wrote twice.
        hashes=(hashlib.sha256(record.author_handle.encode()).digest(),)
        if record.author_handle and record.state != "deleted"
        else (),
        fresh=comment_id,
        now=at,
    )
    status = STATUS_OF[record.state]
    public = status is Status.APPROVED
    return {
        "id": comment_id,
        "site_id": site_id,
        "created_at": at,
        "post_id": posts.resolve(session, site_id, reference, now=at).id,
        "author_id": author.id,
        "parent_id": None,
        "external_id": record.external_id,
        "status": status,
        "version": 1,
        "decision_seq": 0,
        "current_revision": 1,
        "visible_revision": 1 if public else None,
        # Who refused it there is not known; a later text of it goes to a person, which is the safe reading.
        "human_rejected": status is Status.REJECTED,
        "submitted_at": record.created_at,
        "published_at": at if public else None,
    }


def _revision(comment: dict[str, Any], record: Record, *, batch: str) -> dict[str, Any]:
    return {
        "id": new_id(),
        "site_id": comment["site_id"],
        "created_at": comment["created_at"],
        "comment_id": comment["id"],
        "number": 1,
        "body": record.body,
        "language": record.language,
        "text_hash": submission.text_hash(record.body),
        "address_hash": None,
        "user_agent_hash": None,
        "context": {
            "author_name": record.author_name if record.state != "deleted" else "",
            "author_url": record.author_url if record.state != "deleted" else None,
            "import": batch,
        },
    }


def chunks(rows: Iterable[Record | BadRow], size: int = CHUNK) -> Iterable[Sequence[Record | BadRow]]:
    """Cut a stream into what is written together."""
    chunk: list[Record | BadRow] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk

"""Everything that a site's comments are, as JSON Lines: for another system, for an archive, or for another Tidegate.

Comments in the order of their ids, that is of time, in chunks of a read transaction each: a million takes the memory of a few
hundred, and nobody who writes waits. What is hashed here (e-mail and network addresses) cannot be given back.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from moderation.database import Database
from moderation.ids import show
from moderation.models import Author, Comment, Decision, IdentityKind, Post, Report, Revision, Site
from moderation.services import decisions
from moderation.services.events import iso

CHUNK: Final = 500
FORMAT: Final = 1
"""The number of the form, which grows when a reader of the old one would misunderstand the new."""


def lines(database: Database, site_id: UUID, *, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield the site, then each of its comments with all that belongs to it."""
    with database.reading() as session:
        site = session.get_one(Site, site_id)
        about = {"name": site.name, "title": site.title, "language": site.language, "origins": site.origins}
    yield {"type": "site", "format": FORMAT, "exported_at": iso(now), **about}
    after: UUID | None = None
    while True:
        with database.reading() as session:
            chunk = _chunk(session, site_id, after)
        if not chunk:
            return
        after = chunk[-1][0]
        yield from (line for _, line in chunk)


def _chunk(session: Session, site_id: UUID, after: UUID | None) -> list[tuple[UUID, dict[str, Any]]]:
    parent = aliased(Comment)
    query = (
        select(Comment, Post, Author, parent.external_id)
        .join(Post, Post.id == Comment.post_id)
        .join(Author, Author.id == Comment.author_id)
        .outerjoin(parent, parent.id == Comment.parent_id)
        .where(Comment.site_id == site_id)
        .order_by(Comment.id)
        .limit(CHUNK)
    )
    if after is not None:
        query = query.where(Comment.id > after)
    rows = session.execute(query).all()
    ids = [comment.id for comment, *_ in rows]
    revisions = _of(session, Revision, ids)
    decided = _of(session, Decision, ids)
    reports = _of(session, Report, ids)
    found = []
    for comment, post, author, above in rows:
        line = _line(
            comment,
            post,
            author,
            parent=above,
            revisions=revisions[comment.id],
            decided=decided[comment.id],
            reports=reports[comment.id],
        )
        found.append((comment.id, line))
    return found


def _of(session: Session, model: Any, ids: Sequence[UUID]) -> dict[UUID, list[Any]]:
    found: dict[UUID, list[Any]] = defaultdict(list)
    for row in session.scalars(select(model).where(model.comment_id.in_(ids)).order_by(model.id)):
        found[row.comment_id].append(row)
    return found


def _line(
    comment: Comment,
    post: Post,
    author: Author,
    *,
    parent: str | None,
    revisions: Sequence[Revision],
    decided: Sequence[Decision],
    reports: Sequence[Report],
) -> dict[str, Any]:
    current = next((each for each in revisions if each.number == comment.current_revision), None)
    verified = author.identity_kind is IdentityKind.VERIFIED
    return {
        "type": "comment",
        "id": show("comment", comment.id),
        "external_id": comment.external_id,
        "post": {"id": post.external_id, "url": post.url, "title": post.title},
        "parent_id": show("comment", comment.parent_id) if comment.parent_id else None,
        "parent_external_id": parent,
        "author": {
            "id": author.identity_key if verified else None,
            # The same for all comments of one person here, and nothing else.
            "handle": None if verified else show("author", author.id),
            "name": author.name,
            "url": author.url,
        },
        "status": str(comment.status),
        "visible_revision": comment.visible_revision,
        "revision": comment.current_revision,
        "body": current.body if current else "",
        "language": current.language if current else None,
        "created_at": iso(comment.created_at),
        "published_at": iso(comment.published_at) if comment.published_at else None,
        "revisions": [{"number": each.number, "body": each.body, "created_at": iso(each.created_at)} for each in revisions],
        "decisions": [{**decisions.as_public(each), "status": str(each.status), "note": each.note} for each in decided],
        "reports": [{"reason": each.reason, "note": each.note, "created_at": iso(each.created_at)} for each in reports],
    }

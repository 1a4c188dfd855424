"""The public thread of a post: what its readers see, nothing of what waits or was taken down.

A reply waits until its parent is public. A parent that was taken down later leaves a placeholder, so that the answers to it
keep their place.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import Row, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from moderation.ids import show
from moderation.models import Author, Comment, Openness, Post, Revision, Status
from moderation.services import openness, posts

Sort = Literal["oldest", "newest"]

REMOVED = frozenset({Status.REJECTED, Status.WITHDRAWN, Status.ERASED})


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicComment:
    """One place in a thread; ``removed`` marks a placeholder, which has no text, name or address."""

    id: str
    external_id: str | None
    parent_id: str | None
    depth: int
    removed: bool
    author_name: str | None
    author_url: str | None
    verified: bool
    body: str | None
    revision: int | None
    edited: bool
    created_at: datetime
    submitted_at: datetime | None
    published_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A page of a thread: whole conversations, each parent before its replies.

    ``total`` counts the public comments of the whole thread; ``next`` is the root after which the following page begins.
    """

    post: Post
    openness: Openness
    comments: list[PublicComment]
    total: int
    next: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEntry:
    """A public comment as a feed has it; ``published_at`` is when it became public, ``updated_at`` when its text was sent."""

    id: str
    uuid: UUID
    post_url: str
    post_title: str
    author_name: str
    body: str
    published_at: datetime
    updated_at: datetime


def newest(session: Session, site_id: UUID, *, key: str | None = None, limit: int = 50) -> list[FeedEntry]:
    """Return the newest public comments of a site or of one of its posts, newest first; a reply to a hidden one waits with it.

    Raises NotFound for an unknown post.
    """
    above = aliased(Comment)
    wanted = [Comment.site_id == site_id, Comment.visible_revision.is_not(None)]
    if key is not None:
        wanted.append(Comment.post_id == posts.find(session, site_id, key).id)
    rows = session.execute(
        select(Comment, Author, Revision, Post)
        .join(Author, Author.id == Comment.author_id)
        .join(Post, Post.id == Comment.post_id)
        .join(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.visible_revision))
        .outerjoin(above, above.id == Comment.parent_id)
        .where(
            *wanted,
            or_(above.id.is_(None), above.visible_revision.is_not(None), above.status.in_(REMOVED)),
        )
        .order_by(Comment.id.desc())
        .limit(limit)
    ).all()
    return [
        FeedEntry(
            id=show("comment", comment.id),
            uuid=comment.id,
            post_url=post.url,
            post_title=post.title,
            author_name=revision.context.get("author_name") or author.name,
            body=revision.body,
            published_at=comment.published_at or comment.created_at,
            updated_at=max(revision.created_at, comment.published_at or comment.created_at),
        )
        for comment, author, revision, post in rows
    ]


def etag(session: Session, post: Post, *, variant: str = "", now: datetime) -> str:
    """Return a tag that changes with whatever a post's thread shows: one aggregate over an index, no text is read.

    It changes too when a post is closed or opens again by itself.
    """
    counted, versions = session.execute(
        select(func.count(), func.coalesce(func.sum(Comment.version), 0)).where(
            Comment.site_id == post.site_id, Comment.post_id == post.id
        )
    ).one()
    accepts = openness.now_at(session, post, now=now)
    basis = f"{post.id.hex}:{post.title}:{accepts}:{counted}:{versions}:{variant}"
    return hashlib.blake2b(basis.encode(), digest_size=12).hexdigest()


def thread(
    session: Session,
    site_id: UUID,
    key: str,
    *,
    after: UUID | None = None,
    limit: int = 50,
    sort: Sort = "oldest",
    now: datetime,
) -> Thread:
    """Return a page of up to ``limit`` conversations under a post (the blog's id or an address); raises NotFound."""
    post = posts.find(session, site_id, key)
    rows = session.execute(
        select(Comment.id, Comment.parent_id, Comment.status, Comment.visible_revision, Comment.published_at)
        .where(
            Comment.site_id == site_id,
            Comment.post_id == post.id,
            or_(Comment.visible_revision.is_not(None), Comment.status.in_(REMOVED)),
        )
        .order_by(Comment.id)
    ).all()
    children: dict[UUID | None, list[Row[UUID, UUID | None, Status, int | None, datetime | None]]] = {}
    for row in rows:
        children.setdefault(row[1], []).append(row)
    roots = [row[0] for row in children.get(None, ())]
    standing = _standing(children)
    roots = [root for root in roots if root in standing]
    if sort == "newest":
        roots.reverse()
    if after is not None:
        roots = [root for root in roots if (root < after if sort == "newest" else root > after)]
    chosen = roots[:limit]
    order: list[tuple[UUID, int]] = []
    stack = [(root, 0) for root in reversed(chosen)]
    while stack:
        comment_id, depth = stack.pop()
        order.append((comment_id, depth))
        replies = [row[0] for row in children.get(comment_id, ()) if row[0] in standing]
        stack.extend((reply, depth + 1) for reply in reversed(replies))
    public = _public(session, order)
    total = sum(1 for row in rows if row[3] is not None and row[0] in standing)
    return Thread(
        post=post,
        openness=openness.now_at(session, post, now=now),
        comments=public,
        total=total,
        next=chosen[-1] if len(roots) > limit else None,
    )


def counts(session: Session, site_id: UUID, keys: Sequence[str]) -> dict[str, int]:
    """Return the number of public comments under each of many posts, 0 for one that nobody has commented on."""
    canonical = {key: posts.canonical_key(key) for key in keys}
    found = session.execute(
        select(Post.external_id, Post.canonical_key, func.count(Comment.id))
        .outerjoin(Comment, and_(Comment.site_id == site_id, Comment.post_id == Post.id, Comment.visible_revision.is_not(None)))
        .where(
            Post.site_id == site_id,
            or_(Post.external_id.in_(list(keys)), Post.canonical_key.in_(list(canonical.values()))),
        )
        .group_by(Post.id)
    ).all()
    by_name = {name: row[2] for row in found for name in (row[1], row[0]) if name is not None}
    return {key: by_name.get(key, by_name.get(canonical[key], 0)) for key in keys}


def _standing(
    children: dict[UUID | None, list[Row[UUID, UUID | None, Status, int | None, datetime | None]]],
) -> set[UUID]:
    """Return what has a place in the thread: the public ones whose parents have one, and the removed ones with replies."""
    order: list[Row[UUID, UUID | None, Status, int | None, datetime | None]] = []
    pending = list(children.get(None, ()))
    while pending:
        row = pending.pop()
        order.append(row)
        pending.extend(children.get(row[0], ()))
    standing: set[UUID] = set()
    for row in reversed(order):
        comment_id, visible = row[0], row[3]
        if visible is not None or any(reply[0] in standing for reply in children.get(comment_id, ())):
            standing.add(comment_id)
    return standing


def _public(session: Session, order: list[tuple[UUID, int]]) -> list[PublicComment]:
    if not order:
        return []
    found = {
        row[0].id: row
        for row in session.execute(
            select(Comment, Author, Revision)
            .join(Author, Author.id == Comment.author_id)
            .outerjoin(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.visible_revision))
            .where(Comment.id.in_([comment_id for comment_id, _ in order]))
        )
    }
    public = []
    for comment_id, depth in order:
        comment, author, revision = found[comment_id]
        removed = revision is None
        public.append(
            PublicComment(
                id=show("comment", comment.id),
                external_id=comment.external_id,
                parent_id=show("comment", comment.parent_id) if comment.parent_id else None,
                depth=depth,
                removed=removed,
                author_name=None if removed else revision.context.get("author_name") or author.name,
                author_url=None if removed else revision.context.get("author_url"),
                verified=not removed and str(author.identity_kind) == "verified",
                body=None if removed else revision.body,
                revision=None if removed else revision.number,
                edited=not removed and revision.number > 1,
                created_at=comment.created_at,
                submitted_at=comment.submitted_at,
                published_at=comment.published_at,
            )
        )
    return public

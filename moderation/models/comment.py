"""Comments: where they stand, what they say in each revision, and who reported them."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from moderation.models.base import Base, Identified, OfSite, table
from moderation.models.types import Word


class Status(StrEnum):
    """Where the current revision of a comment stands."""

    PENDING = "pending"
    APPROVED = "approved"
    FLAGGED = "flagged"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    ERASED = "erased"


class Openness(StrEnum):
    """What a post accepts."""

    OPEN = "open"
    CLOSED = "closed"
    PREMODERATED = "premoderated"
    NEWCOMERS_HELD = "newcomers_held"


class Post(Identified, OfSite, Base):
    """A page with a comment thread; one row however its address is written.

    ``openness`` is what an editor said at ``openness_set_at``. It holds until ``openness_until``, for good where that is null;
    before and after, the site's rule holds (``openness_at``).
    """

    __tablename__ = "post"
    __table_args__ = table(
        UniqueConstraint("site_id", "canonical_key"),
        Index("ix_post_site_id_external_id", "site_id", "external_id", unique=True),
    )

    canonical_key: Mapped[str]
    external_id: Mapped[str | None]
    url: Mapped[str]
    title: Mapped[str]
    excerpt: Mapped[str] = mapped_column(default="")
    author_names: Mapped[list[str]] = mapped_column(default=list)
    published_at: Mapped[datetime | None]
    openness: Mapped[Openness] = mapped_column(Word(Openness), default=Openness.OPEN)
    openness_until: Mapped[datetime | None]
    openness_set_at: Mapped[datetime | None]

    @property
    def came_out_at(self) -> datetime:
        """Return when the page was published, as the blog says, else when it was first seen here."""
        return self.published_at or self.created_at

    def is_set_at(self, now: datetime) -> bool:
        """Tell whether an editor's word holds at that time."""
        return self.openness_set_at is not None and (self.openness_until is None or now < self.openness_until)

    def openness_at(self, now: datetime, closes_after: timedelta | None) -> Openness:
        """Return what the post accepts at that time, where posts are closed so long after they came out (None: never)."""
        if self.is_set_at(now):
            return self.openness
        over = closes_after is not None and now >= self.came_out_at + closes_after
        return Openness.CLOSED if over else Openness.OPEN


class Comment(Identified, OfSite, Base):
    """One comment: the state that all its revisions and decisions led to.

    ``version`` counts every change and is what concurrent changes are compared and set on; ``decision_seq``
    is the number of the newest decision. ``visible_revision`` is what the public reads, null for nothing.
    """

    __tablename__ = "comment"
    __table_args__ = table(
        Index("ix_comment_site_id_external_id", "site_id", "external_id", unique=True),
        Index(None, "site_id", "post_id", "id"),
        Index(None, "site_id", "author_id", "created_at", "status"),
        Index(None, "site_id", "created_at"),
    )

    post_id: Mapped[UUID] = mapped_column(ForeignKey("post.id"))
    author_id: Mapped[UUID] = mapped_column(ForeignKey("author.id"))
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("comment.id"))
    external_id: Mapped[str | None]
    status: Mapped[Status] = mapped_column(Word(Status), default=Status.PENDING)
    version: Mapped[int] = mapped_column(default=1)
    decision_seq: Mapped[int] = mapped_column(default=0)
    current_revision: Mapped[int] = mapped_column(default=1)
    visible_revision: Mapped[int | None]
    human_rejected: Mapped[bool] = mapped_column(default=False)
    submitted_at: Mapped[datetime | None]
    published_at: Mapped[datetime | None]


class Revision(Identified, OfSite, Base):
    """What a comment says, each time its author changed it; the only home of its text."""

    __tablename__ = "revision"
    __table_args__ = table(UniqueConstraint("comment_id", "number"))

    comment_id: Mapped[UUID] = mapped_column(ForeignKey("comment.id"))
    number: Mapped[int]
    body: Mapped[str]
    language: Mapped[str | None]
    text_hash: Mapped[bytes]
    address_hash: Mapped[bytes | None]
    user_agent_hash: Mapped[bytes | None]
    context: Mapped[dict[str, Any]] = mapped_column(default=dict)


class NearCopy(Base):
    """One band of a revision's fingerprint: texts that share a band are compared as near copies.

    ``band`` 0 holds the exact hash, 1 to 8 the bands of the similarity hash. Kept for fourteen days.
    """

    __tablename__ = "near_copy"
    __table_args__ = table(Index(None, "created_at"))

    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"), primary_key=True)
    band: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(primary_key=True)
    comment_id: Mapped[UUID] = mapped_column(ForeignKey("comment.id"), primary_key=True)
    author_id: Mapped[UUID] = mapped_column(ForeignKey("author.id"))
    created_at: Mapped[datetime]


class LinkDomain(Base):
    """A domain that a comment links to, so that a domain rejected here before is known."""

    __tablename__ = "link_domain"
    __table_args__ = table()

    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"), primary_key=True)
    domain: Mapped[str] = mapped_column(primary_key=True)
    comment_id: Mapped[UUID] = mapped_column(ForeignKey("comment.id"), primary_key=True)


class Report(Identified, OfSite, Base):
    """A reader's complaint about a comment; one per reader."""

    __tablename__ = "report"
    __table_args__ = table(UniqueConstraint("site_id", "comment_id", "reporter_key"))

    comment_id: Mapped[UUID] = mapped_column(ForeignKey("comment.id"))
    reporter_key: Mapped[bytes]
    reason: Mapped[str]
    note: Mapped[str] = mapped_column(default="")


class Idempotency(Base):
    """What an idempotency key was used for: the request's fingerprint and the comments it made, no body."""

    __tablename__ = "idempotency"
    __table_args__ = table(Index(None, "created_at"))

    scope: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    fingerprint: Mapped[bytes]
    comment_ids: Mapped[list[str]]
    created_at: Mapped[datetime]

"""Cases: the unit of human work. A queue is a query over the open ones, never a table."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from moderation.models.base import Base, Identified, OfSite, table
from moderation.models.types import Word

WAITING_CASE: Final = "closed_at IS NULL AND kind <> 'audit'"
"""What an open case is that somebody waits for, as its index has it: a question finds the index only in these words."""


class CaseKind(StrEnum):
    """What brought a comment before a human."""

    FLAGGED = "flagged"
    REPORTED = "reported"
    AUDIT = "audit"
    SECOND_LOOK = "second_look"


class Case(Identified, OfSite, Base):
    """A comment that waits for a human; at most one is open per comment.

    ``priority`` is stored once and never ages: older cases were given more of it (see ``services.review``).
    """

    __tablename__ = "case"
    __table_args__ = table(
        Index(
            "ix_case_open",
            "site_id",
            "escalated",
            "priority",
            "id",
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index(
            "uq_case_open_comment",
            "comment_id",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index(
            "ix_case_closed",
            "site_id",
            "closed_at",
            sqlite_where=text("closed_at IS NOT NULL"),
            postgresql_where=text("closed_at IS NOT NULL"),
        ),
        Index("ix_case_waiting", "site_id", "created_at", sqlite_where=text(WAITING_CASE), postgresql_where=text(WAITING_CASE)),
        Index(None, "comment_id", "id"),
    )

    comment_id: Mapped[UUID] = mapped_column(ForeignKey("comment.id"))
    post_id: Mapped[UUID] = mapped_column(ForeignKey("post.id"))
    author_id: Mapped[UUID] = mapped_column(ForeignKey("author.id"))
    revision: Mapped[int]
    kind: Mapped[CaseKind] = mapped_column(Word(CaseKind))
    reasons: Mapped[list[Any]] = mapped_column(default=list)
    alert: Mapped[bool] = mapped_column(default=False)
    escalated: Mapped[bool] = mapped_column(default=False)
    priority: Mapped[float]
    claimed_by: Mapped[UUID | None] = mapped_column(ForeignKey("user.id"))
    claimed_until: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]

"""Decisions: append-only, numbered per comment without gaps, each with the cause that allows it to exist once."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from moderation.models.base import Base, Identified, OfSite, table
from moderation.models.comment import Status
from moderation.models.types import Word


class Decider(StrEnum):
    """Who decided."""

    MACHINE = "machine"
    MODERATOR = "moderator"


class Decision(Identified, OfSite, Base):
    """What was decided about one revision of a comment, by whom and why.

    ``replaced_*`` is the state that the decision ended, which an undo restores. ``cause`` is the job or the
    request that led to it: the same cause never decides twice.
    """

    __tablename__ = "decision"
    __table_args__ = table(
        UniqueConstraint("comment_id", "seq"),
        UniqueConstraint("site_id", "cause"),
        UniqueConstraint("undoes"),
        Index(
            "ix_decision_by_people",
            "site_id",
            "created_at",
            sqlite_where=text("decider = 'moderator'"),
            postgresql_where=text("decider = 'moderator'"),
        ),
    )

    comment_id: Mapped[UUID] = mapped_column(ForeignKey("comment.id"))
    seq: Mapped[int]
    revision: Mapped[int]
    verdict: Mapped[str]
    status: Mapped[Status] = mapped_column(Word(Status))
    decider: Mapped[Decider] = mapped_column(Word(Decider))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("user.id"))
    reason: Mapped[int | None]
    note: Mapped[str] = mapped_column(default="")
    reasons: Mapped[list[Any]] = mapped_column(default=list)
    policy: Mapped[str | None]
    assessment_id: Mapped[UUID | None] = mapped_column(ForeignKey("assessment.id"))
    versions: Mapped[dict[str, Any]] = mapped_column(default=dict)
    cause: Mapped[str]
    undoes: Mapped[UUID | None] = mapped_column(ForeignKey("decision.id"))
    replaced_status: Mapped[Status] = mapped_column(Word(Status))
    replaced_visible: Mapped[int | None]
    replaced_human_rejected: Mapped[bool] = mapped_column(default=False)

"""What was found out about a revision: model scores, and the signals that a policy was asked about."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from moderation.models.base import Base, Identified, OfSite, table
from moderation.models.types import Word


class Mode(StrEnum):
    """Whether an assessment decided (live) or only watched beside the one that did (shadow)."""

    LIVE = "live"
    SHADOW = "shadow"


class Score(OfSite, Base):
    """The probabilities (0..1) that one model version gave a revision; those of mode shadow took no part in the decision.

    ``model`` is the toxicity model's name and ``engine`` what ran it; ``model_version`` of a live one names the spam model, too.
    """

    __tablename__ = "score"
    __table_args__ = table()

    revision_id: Mapped[UUID] = mapped_column(ForeignKey("revision.id"), primary_key=True)
    model_version: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str]
    engine: Mapped[str]
    mode: Mapped[Mode] = mapped_column(Word(Mode), default=Mode.LIVE)
    values: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class Assessment(Identified, OfSite, Base):
    """The signals of a revision and what one policy version made of them; all that a replay needs."""

    __tablename__ = "assessment"
    __table_args__ = table(Index(None, "site_id", "comment_id", "id"))

    comment_id: Mapped[UUID] = mapped_column(ForeignKey("comment.id"))
    revision_id: Mapped[UUID] = mapped_column(ForeignKey("revision.id"))
    mode: Mapped[Mode] = mapped_column(Word(Mode), default=Mode.LIVE)
    signal_schema: Mapped[int]
    signals: Mapped[dict[str, Any]]
    policy: Mapped[str]
    policy_version_id: Mapped[UUID | None] = mapped_column(ForeignKey("version.id"))
    model_version: Mapped[str | None]
    verdict: Mapped[str]
    matched: Mapped[list[Any]]
    not_evaluated: Mapped[list[str]]

"""Explanations: which words of a comment drive its scores."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from moderation.models.base import Base, OfSite, table


class Explanation(OfSite, Base):
    """What was found about the scores that one model version gave a revision, as ``Explained.places`` returns it.

    Words are places in the revision's text and never the text itself, which has one home. ``model_version`` is that of the score.
    """

    __tablename__ = "explanation"
    __table_args__ = table()

    revision_id: Mapped[UUID] = mapped_column(ForeignKey("revision.id"), primary_key=True)
    model_version: Mapped[str] = mapped_column(primary_key=True)
    found: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]

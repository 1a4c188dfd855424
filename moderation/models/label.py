"""Labels: what people elsewhere said that the scores of a text ought to be."""

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from moderation.models.base import Base, Identified, OfSite, table


class Label(Identified, OfSite, Base):
    """One person's word about one text, to learn from; it decides nothing.

    ``revision_id`` names the text where the comment is one of ours, and then ``body`` is empty: the text of a comment has one
    home. ``values`` holds by attribute, in the words of ``source``, a summary (0..1), spans, or both. ``digest`` tells the same
    word said again.
    """

    __tablename__ = "label"
    __table_args__ = table(UniqueConstraint("site_id", "digest"), Index(None, "site_id", "created_at"), Index(None, "created_at"))

    source: Mapped[str]
    revision_id: Mapped[UUID | None] = mapped_column(ForeignKey("revision.id"))
    body: Mapped[str | None]
    values: Mapped[dict[str, Any]]
    languages: Mapped[list[str]] = mapped_column(default=list)
    token: Mapped[str] = mapped_column(default="")
    community: Mapped[str] = mapped_column(default="")
    digest: Mapped[bytes]

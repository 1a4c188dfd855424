"""Events: past-tense facts, written in the transaction that made them true."""

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from moderation.models.base import Base, Identified, OfSite, table


class Event(Identified, OfSite, Base):
    """Something that happened to a comment.

    ``seq`` is the comment's version after the change. ``feed_pos`` is given by the relay shortly after the
    commit, gapless over all sites, because ids and sequences become visible out of order.
    """

    __tablename__ = "event"
    __table_args__ = table(
        UniqueConstraint("comment_id", "seq"),
        Index("ix_event_feed", "site_id", "feed_pos"),
        Index(
            "ix_event_unplaced",
            "id",
            sqlite_where=text("feed_pos IS NULL"),
            postgresql_where=text("feed_pos IS NULL"),
        ),
    )

    type: Mapped[str]
    comment_id: Mapped[UUID | None] = mapped_column(ForeignKey("comment.id"))
    seq: Mapped[int | None]
    data: Mapped[dict[str, Any]]
    feed_pos: Mapped[int | None] = mapped_column(unique=True)

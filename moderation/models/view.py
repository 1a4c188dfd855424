"""Views: how often a post's thread was read, by the hour."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from moderation.models.base import Base, table


class PostViews(Base):
    """How often browsers read a post's thread in the hour that begins at ``hour``; no reader is told from another."""

    __tablename__ = "post_views"
    __table_args__ = table(Index(None, "hour"))

    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"), primary_key=True)
    post_id: Mapped[UUID] = mapped_column(ForeignKey("post.id"), primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    views: Mapped[int]

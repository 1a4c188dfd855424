"""Followers: authors who asked to be told by mail what becomes of their comments."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from moderation.models.base import Base, Identified, OfSite, table


class Follower(Identified, OfSite, Base):
    """An e-mail address that is told something about a site's comments, once it is confirmed.

    ``address_key`` is a keyed hash, by which the address is known again after it was forgotten; ``sealed`` is the address itself
    (``outbound.credentials``), empty once its owner said stop.
    """

    __tablename__ = "follower"
    __table_args__ = table(UniqueConstraint("site_id", "address_key"), Index(None, "site_id", "asked_at"))

    address_key: Mapped[str]
    sealed: Mapped[str]
    asked_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    stopped_at: Mapped[datetime | None]


class Following(OfSite, Base):
    """The fact that a comment's author asked to be told by mail, and in which language."""

    __tablename__ = "following"
    __table_args__ = table(Index(None, "follower_id"))

    comment_id: Mapped[UUID] = mapped_column(ForeignKey("comment.id"), primary_key=True)
    follower_id: Mapped[UUID] = mapped_column(ForeignKey("follower.id"))
    language: Mapped[str]
    created_at: Mapped[datetime]

"""Signing in to the console: the links that open it once, and the sessions that they begin."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from moderation.models.base import Base, Identified, OfSite, table


class SignInLink(Identified, OfSite, Base):
    """A link that lets a person in once; of its secret only the SHA-256 is kept."""

    __tablename__ = "sign_in_link"
    __table_args__ = table(Index(None, "created_at"))

    user_id: Mapped[UUID] = mapped_column(ForeignKey("user.id"))
    digest: Mapped[bytes] = mapped_column(unique=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class FailedSignIn(Base):
    """How often signing in failed lately for an account or from a network, each as a keyed hash, whether it exists or not."""

    __tablename__ = "failed_sign_in"
    __table_args__ = table(Index(None, "last_at"))

    key: Mapped[bytes] = mapped_column(primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime]


class ConsoleSession(Identified, OfSite, Base):
    """A person at work in the console of one site; of the cookie only the SHA-256 is kept."""

    __tablename__ = "console_session"
    __table_args__ = table(Index(None, "seen_at"))

    user_id: Mapped[UUID] = mapped_column(ForeignKey("user.id"))
    digest: Mapped[bytes] = mapped_column(unique=True)
    seen_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

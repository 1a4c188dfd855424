"""Secrets that other systems made and sign their requests to us with."""

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped

from moderation.models.base import Base, Identified, OfSite, table


class SigningSecret(Identified, OfSite, Base):
    """A signing secret of one site at one door, sealed (``outbound.credentials``) and not hashed, as it must be read again."""

    __tablename__ = "signing_secret"
    __table_args__ = table(Index(None, "site_id", "door", "created_at"))

    door: Mapped[str]
    name: Mapped[str]
    sealed: Mapped[str]
    revoked_at: Mapped[datetime | None]

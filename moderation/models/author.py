"""Authors, by how well we know that they are who they say."""

from enum import StrEnum

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from moderation.models.base import Base, Identified, OfSite, table
from moderation.models.types import Word


class IdentityKind(StrEnum):
    """What vouches for an author: the blog or a confirmed address, a claimed address, or nothing."""

    VERIFIED = "verified"
    CLAIMED = "claimed"
    ANONYMOUS = "anonymous"


class Author(Identified, OfSite, Base):
    """Who wrote: one row per identity in a site; ``identity_key`` is the blog's id or a keyed hash, never an address.

    ``name_key`` is the name as a reader would mistake it for another's (``signals.author.name_key``).
    """

    __tablename__ = "author"
    __table_args__ = table(
        UniqueConstraint("site_id", "identity_kind", "identity_key"),
        Index(None, "site_id", "name_key"),
    )

    identity_kind: Mapped[IdentityKind] = mapped_column(Word(IdentityKind))
    identity_key: Mapped[str]
    name: Mapped[str] = mapped_column(default="")
    name_key: Mapped[str] = mapped_column(default="")
    url: Mapped[str | None]

"""The audit log: who did what, chained by keyed hashes so that a change by hand shows.

The chain holds ids and words only, no personal data, so that an erasure does not break it.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from moderation.models.base import Base, Identified, table


class Audit(Identified, Base):
    """One act; the relay gives it its place (``seq``) and seals it within seconds."""

    __tablename__ = "audit"
    __table_args__ = table(
        Index(
            "ix_audit_unsealed",
            "id",
            sqlite_where=text("seq IS NULL"),
            postgresql_where=text("seq IS NULL"),
        ),
        Index(None, "site_id", "id"),
    )

    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("site.id"))
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    seq: Mapped[int | None] = mapped_column(unique=True)
    previous: Mapped[bytes | None]
    seal: Mapped[bytes | None]

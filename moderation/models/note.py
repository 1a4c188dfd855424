"""Notes: what moderators tell each other about a comment without deciding."""

from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from moderation.models.base import Base, Identified, OfSite, table


class Note(Identified, OfSite, Base):
    """A moderator's words for colleagues; they may quote the comment, so they go when it is erased."""

    __tablename__ = "note"
    __table_args__ = table(Index(None, "site_id", "comment_id", "id"))

    comment_id: Mapped[UUID] = mapped_column(ForeignKey("comment.id"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user.id"))
    body: Mapped[str]

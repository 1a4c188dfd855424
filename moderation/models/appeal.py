"""Appeals: an author's wish that another human looks at a rejection."""

from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from moderation.models.base import Base, Identified, OfSite, table


class Appeal(Identified, OfSite, Base):
    """The one second look that an author may ask for at each revision, and the decision that it is about.

    What came of it is said by the decision that followed.
    """

    __tablename__ = "appeal"
    __table_args__ = table(UniqueConstraint("comment_id", "revision"))

    comment_id: Mapped[UUID] = mapped_column(ForeignKey("comment.id"))
    revision: Mapped[int]
    decision_id: Mapped[UUID] = mapped_column(ForeignKey("decision.id"))

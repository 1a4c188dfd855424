"""Messages: what people are to be told by mail, and who wants to be told of what."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from moderation.models.base import Base, Identified, OfSite, table
from moderation.models.delivery import DeliveryState
from moderation.models.types import Word


class MessageKind(StrEnum):
    """What a message is about."""

    URGENT = "urgent"
    ESCALATED = "escalated"
    WAITING = "waiting"
    DIGEST = "digest"
    CONFIRM = "confirm"
    VERDICT = "verdict"
    REPLY = "reply"


class Message(Identified, OfSite, Base):
    """Something that people are to be told: without a receiver it is an announcement, from which one for each receiver is made.

    What an author is told has none: its receiver is whoever follows the comment (``services.author_letters``).

    No text is kept here: the letter is written when it is sent, from what is true then. ``used_at`` is when its link was used.
    """

    __tablename__ = "message"
    __table_args__ = table(
        Index(None, "site_id", "state", "id"),
        Index(None, "comment_id", "kind"),
        Index(None, "finished_at"),
    )

    kind: Mapped[MessageKind] = mapped_column(Word(MessageKind))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("user.id"))
    chat_id: Mapped[UUID | None]
    comment_id: Mapped[UUID | None] = mapped_column(ForeignKey("comment.id"))
    revision: Mapped[int | None]
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    state: Mapped[DeliveryState] = mapped_column(Word(DeliveryState), default=DeliveryState.PENDING)
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None]
    finished_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]


class NoticeChoice(OfSite, Base):
    """What a person wants to be told about a site; without a row, what is usual for the role (``services.notices``)."""

    __tablename__ = "notice_choice"
    __table_args__ = table()

    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user.id"), primary_key=True)
    urgent: Mapped[bool]
    waiting: Mapped[bool]
    digest: Mapped[bool]


class NoticePlan(OfSite, Base):
    """When a site's people are told of what waits: the hours of the digest, and after how many minutes waiting is an alarm.

    ``digest_at`` is when the next digest is due; ``alarmed_at`` when the last alarm was given, null while all is well.
    """

    __tablename__ = "notice_plan"
    __table_args__ = table()

    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"), primary_key=True)
    digest_hours: Mapped[list[Any]] = mapped_column(default=list)
    waiting_minutes: Mapped[int]
    digest_at: Mapped[datetime | None]
    digested_at: Mapped[datetime | None]
    alarmed_at: Mapped[datetime | None]

"""Chat rooms of those who look after a site: where the same news goes as by mail."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from moderation.models.base import Base, Identified, OfSite, table
from moderation.models.types import Word


class ChatKind(StrEnum):
    """In which shape a room takes messages."""

    SLACK = "slack"
    DISCORD = "discord"
    TELEGRAM = "telegram"


class Chat(Identified, OfSite, Base):
    """A room; ``sealed`` is the address that takes messages (``outbound.credentials``): whoever knows it can write there.

    ``room`` is the chat's id at Telegram, whose address is the bot's; the others' addresses name the room.
    """

    __tablename__ = "chat"
    __table_args__ = table(Index(None, "site_id", "created_at"))

    kind: Mapped[ChatKind] = mapped_column(Word(ChatKind))
    name: Mapped[str]
    sealed: Mapped[str]
    room: Mapped[str] = mapped_column(default="")
    deleted_at: Mapped[datetime | None]

"""Chat rooms: where a site's news for those who look after it goes, in the shape that the room takes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.errors import NotFound, Refused
from moderation.ids import new_id, show
from moderation.models import Chat, ChatKind
from moderation.outbound import chats as shapes
from moderation.outbound import credentials
from moderation.outbound.http import Client, Guard, Reply
from moderation.services import audit

ADDRESS: Final = "address"
"""The name under which a room's address is sealed."""

TELEGRAM: Final = "https://api.telegram.org"
TEST: Final = "This is a test. News about comments will stand here."


def add(
    session: Session,
    site_id: UUID,
    kind: ChatKind,
    *,
    name: str,
    address: str,
    room: str = "",
    guard: Guard,
    secret: bytes,
    by: str,
    now: datetime,
) -> Chat:
    """Add a room by the address of its incoming webhook, for Telegram by the bot's token and the chat's id.

    Raises Refused and ForbiddenAddress; the address is not resolved here.
    """
    url = address.strip()
    if kind is ChatKind.TELEGRAM:
        if not room.strip():
            raise Refused("room", "Telegram needs the chat's id.", "/room")
        url = url if "://" in url else f"{TELEGRAM}/bot{url}/sendMessage"
    guard.parse(url)
    found = Chat(id=new_id(), site_id=site_id, created_at=now, kind=kind, name=name, sealed="", room=room.strip())
    found.sealed = credentials.seal(secret, found.id, ADDRESS, url)
    session.add(found)
    session.flush()
    _note(session, found, "added", by=by, now=now)
    return found


def page(session: Session, site_id: UUID) -> list[Chat]:
    """Return the rooms of a site, oldest first."""
    query = select(Chat).where(Chat.site_id == site_id, Chat.deleted_at.is_(None)).order_by(Chat.id)
    return list(session.scalars(query))


def exist(session: Session) -> bool:
    """Tell whether any site has a room."""
    return session.scalar(select(Chat.id).where(Chat.deleted_at.is_(None)).limit(1)) is not None


def find(session: Session, site_id: UUID, chat_id: UUID) -> Chat:
    """Return a room of the site; raises NotFound."""
    found = session.get(Chat, chat_id)
    if found is None or found.site_id != site_id or found.deleted_at is not None:
        raise NotFound("chat", show("chat", chat_id))
    return found


def remove(session: Session, site_id: UUID, chat_id: UUID, *, by: str, now: datetime) -> None:
    """Tell a room nothing more, and forget its address; raises NotFound."""
    found = find(session, site_id, chat_id)
    found.deleted_at, found.sealed = now, ""
    _note(session, found, "removed", by=by, now=now)


def send(client: Client, chat: Chat, lines: Sequence[str], *, secret: bytes) -> Reply:
    """Write lines into a room; waits for the network, so call it with no transaction open."""
    try:
        url = credentials.unseal(secret, chat.id, ADDRESS, chat.sealed)
    except credentials.Unreadable:
        return Reply(trouble="credentials")
    shown = list(lines)
    if chat.kind is ChatKind.TELEGRAM:
        body = shapes.telegram(shown, chat.room)
    else:
        body = shapes.slack(shown) if chat.kind is ChatKind.SLACK else shapes.discord(shown)
    return client.send("POST", url, headers={"Content-Type": "application/json"}, body=orjson.dumps(body))


def _note(session: Session, chat: Chat, action: str, *, by: str, now: datetime) -> None:
    audit.record(
        session, site_id=chat.site_id, actor=by, action=f"chat.{action}", subject=show("chat", chat.id), now=now,
        kind=str(chat.kind),
    )  # fmt: skip

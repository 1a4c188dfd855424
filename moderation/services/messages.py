"""The outbox: what people are to be told, recorded with what makes it true and sent by the deliver worker.

Nothing is written or sent here. Whoever has something to tell adds an announcement in their own transaction; the worker makes a
message of it for each person who wants to know (``mailing``), so that no decision waits for who they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from moderation import queue
from moderation.errors import NotFound
from moderation.ids import new_id, show
from moderation.models import Case, DeliveryState, JobKind, Message, MessageKind
from moderation.services import audit

MAIL_SERVER: Final = UUID(int=0)
"""The receiver of all mail, whoever reads it: so many attempts at once go to the one mail server."""

URGENT: Final = frozenset({3, 4})
"""Reasons of which people are told at once: a threat, and somebody's private information."""


TO_AUTHORS: Final = frozenset({MessageKind.CONFIRM, MessageKind.VERDICT, MessageKind.REPLY})
"""What the author of a comment is told, and nobody else."""

OF_THE_ADDRESS: Final = frozenset({"rejected", "deferred"})
"""Troubles that an author makes who gives an address that there is not, or a mailbox that is full."""


@dataclass(slots=True)
class Ends:
    """How messages ended: ``given_up`` for a reason that is ours to mend; of those to authors, ``refused`` ones and ``taken``."""

    given_up: int = 0
    refused: int = 0
    taken: int = 0


def announce(
    session: Session,
    kind: MessageKind,
    *,
    site_id: UUID,
    now: datetime,
    comment_id: UUID | None = None,
    revision: int | None = None,
    data: dict[str, Any] | None = None,
) -> Message:
    """Have everybody told who wants to know."""
    return _add(session, kind, site_id=site_id, comment_id=comment_id, revision=revision, data=data, now=now)


def to_person(session: Session, announced: Message, user_id: UUID, *, now: datetime) -> Message:
    """Have one person told of what was announced."""
    return _copy(session, announced, now=now, user_id=user_id)


def to_chat(session: Session, announced: Message, chat_id: UUID, *, now: datetime) -> Message:
    """Have a room told of what was announced."""
    return _copy(session, announced, now=now, chat_id=chat_id)


def announce_case(session: Session, case: Case, *, now: datetime) -> None:
    """Announce a case that cannot wait, once for each revision of its comment."""
    if not is_urgent(case):
        return
    told = select(Message.id).where(
        Message.comment_id == case.comment_id, Message.kind == MessageKind.URGENT, Message.revision == case.revision
    )
    if session.scalar(told.limit(1)) is None:
        announce(
            session,
            MessageKind.URGENT,
            site_id=case.site_id,
            comment_id=case.comment_id,
            revision=case.revision,
            now=now,
        )


def is_urgent(case: Case) -> bool:
    """Tell whether a case is one of which people are told at once."""
    return case.alert or any(why.get("reason") in URGENT for why in case.reasons)


def announced(session: Session, site_id: UUID, kind: MessageKind, *, since: datetime) -> int:
    """Count the announcements of a kind that somebody was told of since then."""
    return (
        session.scalar(
            select(func.count())
            .select_from(Message)
            .where(
                Message.finished_at > since,
                Message.site_id == site_id,
                Message.kind == kind,
                Message.state == DeliveryState.DELIVERED,
                Message.user_id.is_(None),
                Message.chat_id.is_(None),
            )
        )
        or 0
    )


def page(session: Session, site_id: UUID, *, state: DeliveryState | None = None, limit: int = 50) -> list[Message]:
    """Return the site's letters, newest first."""
    letters = or_(Message.user_id.is_not(None), Message.chat_id.is_not(None), Message.kind.in_(TO_AUTHORS))
    query = select(Message).where(Message.site_id == site_id, letters)
    if state is not None:
        query = query.where(Message.state == state)
    return list(session.scalars(query.order_by(Message.id.desc()).limit(limit)))


def ends(session: Session) -> Ends:
    """Count how messages that are still kept ended, at all sites."""
    to_an_author = Message.kind.in_(TO_AUTHORS)
    rows = session.execute(
        select(to_an_author, Message.state, Message.last_error, func.count())
        .where(Message.state.in_([DeliveryState.DEAD, DeliveryState.DELIVERED]))
        .group_by(to_an_author, Message.state, Message.last_error)
    )
    found = Ends()
    for theirs, state, error, count in rows:
        if state is DeliveryState.DELIVERED:
            found.taken += count if theirs else 0
        elif theirs and error in OF_THE_ADDRESS:
            found.refused += count
        else:
            found.given_up += count
    return found


def retry(session: Session, site_id: UUID, message_id: UUID, *, by: str, now: datetime) -> Message:
    """Send a message that was given up again, with the whole schedule before it; any other stays as it is. Raises NotFound."""
    found = session.scalars(
        select(Message).where(Message.site_id == site_id, Message.id == message_id).with_for_update()
    ).one_or_none()
    if found is None:
        raise NotFound("message", show("message", message_id))
    if found.state is DeliveryState.DEAD:
        found.state, found.finished_at = DeliveryState.PENDING, None
        session.flush()
        enqueue(session, [found], now=now)
        audit.record(session, site_id=site_id, actor=by, action="message.retried", subject=show("message", found.id), now=now)
    return found


def settle(message: Message, state: DeliveryState, *, error: str | None = None, now: datetime) -> None:
    """Note that a message is done with."""
    message.state, message.last_error, message.finished_at = state, error, now


def enqueue(session: Session, messages: Sequence[Message], *, now: datetime) -> None:
    """Add the jobs that send messages; their order key begins with the receiver, by which they are found together."""
    works = [
        queue.Work(site_id=message.site_id, subject_id=message.id, order=(receiver(message).hex + message.id.hex, 0))
        for message in messages
    ]
    queue.enqueue_many(session, JobKind.MESSAGE, works, now=now)


def receiver(message: Message) -> UUID:
    """Return to what a message is sent: a room, or the mail server."""
    return message.chat_id or MAIL_SERVER


def _copy(session: Session, announced: Message, *, now: datetime, **to: UUID) -> Message:
    return _add(
        session,
        announced.kind,
        site_id=announced.site_id,
        comment_id=announced.comment_id,
        revision=announced.revision,
        data=announced.data,
        now=now,
        **to,
    )


def _add(session: Session, kind: MessageKind, *, data: dict[str, Any] | None, now: datetime, **row: Any) -> Message:
    message = Message(id=new_id(), created_at=now, kind=kind, data=data or {}, **row)
    session.add(message)
    session.flush()
    enqueue(session, [message], now=now)
    return message

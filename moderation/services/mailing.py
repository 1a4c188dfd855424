"""The lane of messages to people: announcements become a message for each receiver, each message a letter or lines in a room.

A letter that the mail server refuses for good is dead at once; whatever else goes wrong is tried again by the schedule of
webhooks and then dead, which `tidegate doctor` says. After a server that could not be used, all mail rests for half a minute.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation import queue
from moderation.config import Settings
from moderation.errors import LeaseLost
from moderation.ids import show
from moderation.models import Chat, DeliveryState, JobKind, Message, MessageKind
from moderation.outbound import schedule
from moderation.outbound.http import Client, Reply
from moderation.outbound.mail import Letter, Mailer
from moderation.queue import Claim
from moderation.services import author_letters, chats, letters, messages, notices
from moderation.services.messages import MAIL_SERVER
from moderation.services.parcels import Parcel

log = structlog.get_logger(__name__)

OF_THE_LETTER: Final = frozenset({"rejected", "deferred", "fault"})
"""Troubles that say nothing about the next letter."""

FOR_GOOD: Final = frozenset({"rejected", "http_400", "http_401", "http_403", "http_404", "http_410"})
"""Answers after which the same letter is not taken later either: no such address, no such room."""

URGENT_AN_HOUR: Final = 20
"""Urgent cases of a site of which people are told one by one in an hour, whoever makes them; the last letter says so."""

REST: Final = timedelta(seconds=30)
"""How long all that goes to a mail server or room rests after it could not be used."""


class Mailing:
    """The lane of messages; ``draw`` gives uniform numbers in 0..1 for the jitter."""

    kind = JobKind.MESSAGE
    joins = False

    def __init__(self, settings: Settings, draw: Callable[[], float]) -> None:
        self._settings = settings
        self._draw = draw
        self._mailer = Mailer.from_settings(settings)

    def load(self, session: Session, claims: Sequence[Claim], *, now: datetime) -> list[Parcel]:
        """Return what can be sent now of the claimed jobs; announcements are spread, what is settled meanwhile is cancelled."""
        parcels = []
        for held in claims:
            message = session.get(Message, held.subject_id, populate_existing=True)
            parcel = None
            if message is not None and message.state is DeliveryState.PENDING:
                parcel = self._parcel(session, held, message, now=now)
            if parcel is None:
                queue.finish(session, held, now=now)
            else:
                parcels.append(parcel)
        session.flush()
        return parcels

    def _parcel(self, session: Session, held: Claim, message: Message, *, now: datetime) -> Parcel | None:
        if message.chat_id is not None:
            return self._to_room(session, held, message, message.chat_id, now=now)
        if message.user_id is None and message.kind not in messages.TO_AUTHORS:
            self._spread(session, message, now=now)
            return None
        if self._mailer is None:
            messages.settle(message, DeliveryState.CANCELLED, error="no_mail_server", now=now)
            return None
        letter = self._letter(session, message, now=now)
        return _by_mail(held, self._mailer, letter) if letter is not None else None

    def _spread(self, session: Session, message: Message, *, now: datetime) -> None:
        if message.kind is MessageKind.URGENT:
            told = messages.announced(session, message.site_id, message.kind, since=now - timedelta(hours=1))
            if told >= URGENT_AN_HOUR:
                # A flood of threats is one for the queue: a mailbox with thousands of letters tells nobody anything.
                messages.settle(message, DeliveryState.CANCELLED, error="too_many", now=now)
                return
            if told == URGENT_AN_HOUR - 1:
                message.data = {**message.data, "last": True}
        rooms = chats.page(session, message.site_id)
        for room in rooms:
            messages.to_chat(session, message, room.id, now=now)
        people = notices.recipients(session, message.site_id, message.kind) if self._mailer is not None else []
        for person in people:
            messages.to_person(session, message, person.id, now=now)
        messages.settle(message, DeliveryState.DELIVERED if rooms or people else DeliveryState.CANCELLED, now=now)

    def _to_room(self, session: Session, held: Claim, message: Message, chat_id: UUID, *, now: datetime) -> Parcel | None:
        room = session.get(Chat, chat_id, populate_existing=True)
        news = letters.news(session, message, self._settings, now=now)
        if room is None or room.deleted_at is not None or news is None:
            messages.settle(message, DeliveryState.CANCELLED, error="settled", now=now)
            return None
        session.expunge(room)
        secret = self._settings.secret

        def send(client: Client, _at: datetime) -> Reply:
            return chats.send(client, room, news.lines, secret=secret)

        return Parcel(held=held, receiver=chat_id, send=send)

    def _letter(self, session: Session, message: Message, *, now: datetime) -> Letter | None:
        if message.kind in messages.TO_AUTHORS:
            letter, why = author_letters.write(session, message, self._settings, now=now), "settled"
        else:
            people = notices.recipients(session, message.site_id, message.kind)
            user = next((person for person in people if person.id == message.user_id), None)
            letter = letters.write(session, message, user, self._settings, now=now) if user is not None else None
            why = "settled" if user is not None else "not_wanted"
        if letter is None:
            messages.settle(message, DeliveryState.CANCELLED, error=why, now=now)
        return letter

    def conclude(self, session: Session, parcel: Parcel, reply: Reply, *, now: datetime) -> None:
        """Store what came of an attempt; raises LeaseLost when it is not ours to store any more."""
        message = session.scalars(
            select(Message)
            .where(Message.id == parcel.held.subject_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        ).one_or_none()
        if message is None:
            raise LeaseLost(f"message {parcel.held.subject_id} is no more")
        message.attempts += 1
        message.last_error = reply.error
        again = schedule.next_attempt(self._settings.webhook_schedule, parcel.held.attempts, reply, draw=self._draw(), now=now)
        if reply.ok:
            messages.settle(message, DeliveryState.DELIVERED, now=now)
            queue.finish(session, parcel.held, now=now)
        elif reply.error in FOR_GOOD or again is None:
            messages.settle(message, DeliveryState.DEAD, error=reply.error, now=now)
            queue.finish(session, parcel.held, now=now)
            log.warning("message_ended", message=show("message", message.id), error=reply.error)
        else:
            queue.fail(session, parcel.held, now=now, run_at=again, error=reply.error or "")
            if reply.trouble not in OF_THE_LETTER:
                # The others would find the same, four at a time and fifteen seconds each.
                queue.postpone(session, JobKind.MESSAGE, queue.to_receiver(parcel.receiver), until=now + REST)


def _by_mail(held: Claim, mailer: Mailer, letter: Letter) -> Parcel:
    def send(_client: Client, at: datetime) -> Reply:
        return mailer.send(letter, now=at)

    return Parcel(held=held, receiver=MAIL_SERVER, send=send)

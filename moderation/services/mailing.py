"""The lane of messages to people: announcements become a message for each receiver, and each message a letter.

A letter that the mail server refuses for good is dead at once; whatever else goes wrong is tried again by the schedule of
webhooks and then dead, which `tidegate doctor` says. After a server that could not be used, all mail rests for half a minute.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation import queue
from moderation.config import Settings
from moderation.errors import LeaseLost
from moderation.ids import show
from moderation.models import DeliveryState, JobKind, Message
from moderation.outbound import schedule
from moderation.outbound.http import Client, Reply
from moderation.outbound.mail import Letter, Mailer
from moderation.queue import Claim
from moderation.services import author_letters, letters, messages, notices
from moderation.services.messages import MAIL_SERVER
from moderation.services.parcels import Parcel

log = structlog.get_logger(__name__)

OF_THE_LETTER: Final = frozenset({"rejected", "deferred"})
"""Troubles that say nothing about the next letter."""

REST: Final = timedelta(seconds=30)
"""How long all mail rests after the mail server could not be used."""


class Mailing:
    """The lane of messages; ``draw`` gives uniform numbers in 0..1 for the jitter."""

    kind = JobKind.MESSAGE

    def __init__(self, settings: Settings, draw: Callable[[], float]) -> None:
        self._settings = settings
        self._draw = draw
        self._mailer = Mailer.from_settings(settings)

    def load(self, session: Session, claims: Sequence[Claim], *, now: datetime) -> list[Parcel]:
        """Return what can be sent now of the claimed jobs; announcements are spread, what is settled meanwhile is cancelled."""
        parcels = []
        for held in claims:
            message = session.get(Message, held.subject_id, populate_existing=True)
            letter = None
            if message is not None and message.state is DeliveryState.PENDING:
                letter = self._letter(session, message, now=now)
            if letter is None or self._mailer is None:
                queue.finish(session, held, now=now)
            else:
                parcels.append(_parcel(held, self._mailer, letter))
        session.flush()
        return parcels

    def _letter(self, session: Session, message: Message, *, now: datetime) -> Letter | None:
        if self._mailer is None:
            messages.settle(message, DeliveryState.CANCELLED, error="no_mail_server", now=now)
            return None
        if message.kind in messages.TO_AUTHORS:
            to_author = author_letters.write(session, message, self._settings, now=now)
            if to_author is None:
                messages.settle(message, DeliveryState.CANCELLED, error="settled", now=now)
            return to_author
        if message.user_id is None:
            people = notices.recipients(session, message.site_id, message.kind)
            for person in people:
                messages.to_person(session, message, person.id, now=now)
            messages.settle(message, DeliveryState.DELIVERED if people else DeliveryState.CANCELLED, now=now)
            return None
        people = notices.recipients(session, message.site_id, message.kind)
        user = next((person for person in people if person.id == message.user_id), None)
        letter = letters.write(session, message, user, self._settings, now=now) if user is not None else None
        if letter is None:
            messages.settle(message, DeliveryState.CANCELLED, error="settled" if user is not None else "not_wanted", now=now)
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
        elif reply.trouble == "rejected" or again is None:
            messages.settle(message, DeliveryState.DEAD, error=reply.error, now=now)
            queue.finish(session, parcel.held, now=now)
            log.warning("message_ended", message=show("message", message.id), error=reply.error)
        else:
            queue.fail(session, parcel.held, now=now, run_at=again, error=reply.error or "")
            if reply.trouble not in OF_THE_LETTER:
                # The others would find the same, four at a time and fifteen seconds each.
                queue.postpone(session, JobKind.MESSAGE, queue.to_receiver(MAIL_SERVER), until=now + REST)


def _parcel(held: Claim, mailer: Mailer, letter: Letter) -> Parcel:
    def send(_client: Client, at: datetime) -> Reply:
        return mailer.send(letter, now=at)

    return Parcel(held=held, receiver=MAIL_SERVER, send=send)

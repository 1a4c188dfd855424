"""What a publisher has to do of its own, beside its publications: the beginning and the end that all such jobs have."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation import queue
from moderation.models import Publisher
from moderation.outbound import credentials
from moderation.outbound.publishers import Publisher as Way
from moderation.queue import Claim
from moderation.services import events
from moderation.services.parcels import Parcel
from moderation.services.states import opened


def due(session: Session, claims: Sequence[Claim], *, now: datetime) -> Iterator[tuple[Claim, Publisher]]:
    """Yield the publishers that the jobs are of; the jobs of those that are paused or gone are settled."""
    for held in claims:
        publisher = session.get(Publisher, held.subject_id, populate_existing=True)
        if publisher is not None and events.is_active(session, publisher):
            yield held, publisher
        else:
            # Paused: resuming it plans the next one.
            queue.finish(session, held, now=now)


def usable(secret: bytes, publisher: Publisher) -> Way | None:
    """Return the publisher ready to be used, None where its credentials cannot be read."""
    try:
        return opened(secret, publisher)
    except credentials.Unreadable:
        return None


def locked(session: Session, publisher_id: UUID) -> Publisher:
    """Return a publisher as it is now, locked against everybody who changes it."""
    return session.scalars(
        select(Publisher)
        .where(Publisher.id == publisher_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one()


def concluded(session: Session, parcel: Parcel, *, now: datetime) -> Publisher:
    """Settle a job and return its publisher, locked, so that the next one can be planned; raises LeaseLost."""
    publisher = locked(session, parcel.receiver)
    queue.finish(session, parcel.held, now=now)
    session.flush()
    return publisher

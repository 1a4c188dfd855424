"""Publishers: setting a blog's address up, and bringing the blog up to date with a comment's newest state.

There is one publication per comment and publisher, with the version that is wanted and the one that the blog is known
to show. So a blog that was away for a day gets one request per comment, not a day's history.
"""

import secrets as randomness
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from moderation import queue
from moderation.config import Settings
from moderation.errors import LeaseLost, NotFound
from moderation.ids import new_id, show
from moderation.models import (
    Comment,
    DeliveryState,
    EndpointState,
    JobKind,
    Publication,
    Publisher,
    Revision,
)
from moderation.outbound import schedule
from moderation.outbound.http import Client, Guard, Reply
from moderation.outbound.publishers import KINDS, CommentState, Sending
from moderation.outbound.webhooks import derive_secret, show_secret
from moderation.queue import Claim
from moderation.services import audit, comparing, events, pulling, rounds
from moderation.services.nightly import Comparison, Nightly
from moderation.services.parcels import Parcel
from moderation.services.pulling import Pulling, Walk
from moderation.services.states import state_of

log = structlog.get_logger(__name__)

DELETED = events.PUBLISHER_DELETED


@dataclass(frozen=True, slots=True)
class NewPublisher:
    """A publisher just made, and the secret to verify it by, shown this once."""

    publisher: Publisher
    secret: str


def create(
    session: Session,
    site_id: UUID,
    *,
    url: str,
    guard: Guard,
    secret: bytes,
    by: str,
    now: datetime,
    method: Literal["PUT", "POST"] = "PUT",
) -> NewPublisher:
    """Set up a blog's own address (``{id}`` in it stands for the comment's id); raises ForbiddenAddress.

    ``secret`` is the installation's. The address is not resolved here: call ``guard.check`` outside of the transaction.
    """
    guard.parse(url.replace("{id}", show("comment", new_id())))
    config = {"url": url, "method": method, "salt": randomness.token_hex(16)}
    publisher = Publisher(id=new_id(), site_id=site_id, created_at=now, kind="generic", config=config)
    session.add(publisher)
    session.flush()
    _note(session, publisher, "created", by=by, now=now)
    return NewPublisher(publisher, show_secret(derive_secret(secret, publisher.id, config["salt"])))


def page(session: Session, site_id: UUID) -> list[Publisher]:
    """Return a site's publishers, oldest first, without the deleted ones."""
    found = session.scalars(select(Publisher).where(Publisher.site_id == site_id).order_by(Publisher.id))
    return [publisher for publisher in found if publisher.state_reason != DELETED]


def publications(
    session: Session, site_id: UUID, *, state: DeliveryState | None = None, before: UUID | None = None, limit: int = 100
) -> list[Publication]:
    """Return a site's publications, newest first, older than ``before``."""
    query = select(Publication).where(Publication.site_id == site_id).order_by(Publication.id.desc()).limit(limit)
    if state is not None:
        query = query.where(Publication.state == state)
    if before is not None:
        query = query.where(Publication.id < before)
    return list(session.scalars(query))


def pause(session: Session, site_id: UUID, publisher_id: UUID, *, by: str, now: datetime) -> Publisher:
    """Stop sending to a blog; what it should show is noted meanwhile."""
    publisher = _locked(session, site_id, publisher_id)
    if publisher.state is EndpointState.ACTIVE:
        publisher.state, publisher.state_reason = EndpointState.PAUSED, "by_hand"
        _settle(session, publisher, (DeliveryState.PENDING,), into=DeliveryState.PAUSED, now=now)
        _note(session, publisher, "paused", by=by, now=now)
    return publisher


def delete(session: Session, site_id: UUID, publisher_id: UUID, *, by: str, now: datetime) -> None:
    """Stop sending to a blog for good; what it did not get is cancelled."""
    publisher = _locked(session, site_id, publisher_id)
    publisher.state, publisher.state_reason = EndpointState.DISABLED, DELETED
    publisher.config = {name: value for name, value in publisher.config.items() if name != "sealed"}
    unfinished = (DeliveryState.PENDING, DeliveryState.PAUSED, DeliveryState.DEAD)
    _settle(session, publisher, unfinished, into=DeliveryState.CANCELLED, now=now)
    _note(session, publisher, "deleted", by=by, now=now)


def resume(session: Session, site_id: UUID, publisher_id: UUID, *, by: str, now: datetime) -> int:
    """Send to a blog again, beginning with all that it missed, dead ones too; returns how many comments that are."""
    publisher = _locked(session, site_id, publisher_id)
    publisher.state, publisher.state_reason = EndpointState.ACTIVE, ""
    missed = session.scalars(
        select(Publication).where(
            Publication.site_id == site_id,
            Publication.publisher_id == publisher.id,
            Publication.state.in_([DeliveryState.PAUSED, DeliveryState.DEAD]),
        )
    ).all()
    for publication in missed:
        publication.state = DeliveryState.PENDING
    session.flush()
    events.enqueue_publications(session, missed, now=now)
    comparing.plan(session, publisher, now=now)
    pulling.plan(session, publisher, now=now)
    _note(session, publisher, "resumed", by=by, now=now)
    return len(missed)


def _locked(session: Session, site_id: UUID, publisher_id: UUID) -> Publisher:
    publisher = session.scalars(
        select(Publisher)
        .where(Publisher.site_id == site_id, Publisher.id == publisher_id, Publisher.state_reason != DELETED)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if publisher is None:
        raise NotFound("publisher", publisher_id)
    return publisher


def _settle(
    session: Session, publisher: Publisher, states: Sequence[DeliveryState], *, into: DeliveryState, now: datetime
) -> None:
    session.execute(
        update(Publication)
        .where(Publication.site_id == publisher.site_id, Publication.publisher_id == publisher.id, Publication.state.in_(states))
        .values(state=into)
        .execution_options(synchronize_session=False)
    )
    queue.drop(session, JobKind.PUBLISH, queue.to_receiver(publisher.id), now=now)


def _note(session: Session, publisher: Publisher, action: str, *, by: str, now: datetime) -> None:
    audit.record(
        session,
        site_id=publisher.site_id,
        actor=by,
        action=f"publisher.{action}",
        subject=show("publisher", publisher.id),
        now=now,
    )


@dataclass(slots=True)
class Health:
    """How a blog did lately, as this process saw it: failures in a row, and until when it is left alone."""

    failures: int = 0
    open_until: datetime | None = None


class Publishing:
    """The lane of publications; ``draw`` gives uniform numbers in 0..1 for the jitter.

    The breaker of a blog is kept in memory, one for each process: there is one row per comment to send, not a history,
    so little is lost when it is forgotten.
    """

    kind = JobKind.PUBLISH
    # A page of a blog's comments is taken in there, of which one may answer another.
    joins = False

    def __init__(self, settings: Settings, draw: Callable[[], float]) -> None:
        self._settings = settings
        self._draw = draw
        self._lock = threading.Lock()
        self._health: dict[UUID, Health] = {}
        self._nightly = Nightly(settings)
        self._pulling = Pulling(settings)

    def load(self, session: Session, claims: Sequence[Claim], *, now: datetime) -> list[Parcel]:
        """Return what can be sent now of the claimed jobs; the others are settled or put back without counting."""
        rows = session.execute(
            select(Publication, Publisher, Comment)
            .join(Publisher, Publisher.id == Publication.publisher_id)
            .join(Comment, Comment.id == Publication.comment_id)
            .where(Publication.id.in_([held.subject_id for held in claims]))
            .execution_options(populate_existing=True)
        ).all()
        found = {publication.id: (publication, publisher, comment) for publication, publisher, comment in rows}
        own = [held for held in claims if held.subject_id not in found]
        parcels = self._nightly.load(session, [held for held in own if held.revision != pulling.JOB], now=now)
        parcels += self._pulling.load(session, [held for held in own if held.revision == pulling.JOB], now=now)
        for held in claims:
            if held.subject_id not in found:
                continue
            publication, publisher, comment = found[held.subject_id]
            if publication.state is not DeliveryState.PENDING:
                queue.finish(session, held, now=now)
            elif (resting := _resting_state(session, publisher)) is not None:
                publication.state = resting
                queue.finish(session, held, now=now)
            elif (settled := _settled_at(session, publisher, comment)) > now:
                queue.fail(session, held, now=now, run_at=settled, error="", counts=False)
            elif (until := self._wait_for(session, publisher, now=now)) is not None:
                error = publication.last_error or "publisher_open"
                queue.fail(session, held, now=now, run_at=until, error=error, counts=False)
            else:
                state = state_of(session, comment, remote_id=publication.remote_id)
                parcels.append(self._parcel(held, publication, publisher, state))
        return parcels

    def _wait_for(self, session: Session, publisher: Publisher, *, now: datetime) -> datetime | None:
        if self._open_until(publisher.id, now=now) is not None:
            # What is put back now must be seen by the success that releases all: one just being stored is awaited.
            session.refresh(publisher, with_for_update={"read": True})
        with self._lock:
            health = self._health.get(publisher.id)
            if health is None:
                return None
            if health.open_until is not None and health.open_until > now:
                return health.open_until
            # This one is the probe, where there is need of one; the others stay out meanwhile.
            health.open_until = schedule.probe_at(self._settings.webhook_schedule, health.failures, now=now)
            return None

    def _open_until(self, publisher: UUID, *, now: datetime) -> datetime | None:
        with self._lock:
            health = self._health.get(publisher)
            return health.open_until if health and health.open_until and health.open_until > now else None

    def _is_open(self, publisher: UUID) -> bool:
        with self._lock:
            health = self._health.get(publisher)
            return health is not None and health.failures >= schedule.FAILURES_TO_OPEN

    def _parcel(self, held: Claim, publication: Publication, publisher: Publisher, state: CommentState) -> Parcel:
        master = self._settings.secret
        secrets = (derive_secret(master, publisher.id, publisher.config["salt"]),)
        way = rounds.usable(master, publisher)
        message_id = f"{show('publisher', publication.id)}_{state.version}"
        learned: list[str] = []

        def send(client: Client, at: datetime) -> Reply:
            if way is None:
                return Reply(trouble="credentials")
            sending = Sending(client=client, message_id=message_id, secrets=secrets, now=at, learned=learned)
            return way.publish(state, sending)

        probe = self._is_open(publisher.id)
        return Parcel(held=held, receiver=publisher.id, send=send, version=state.version, probe=probe, learned=learned)

    def conclude(self, session: Session, parcel: Parcel, reply: Reply, *, now: datetime) -> None:
        """Store what came of an attempt; raises LeaseLost when it is not ours to store any more.

        The publisher is locked first, then the publication, then its job, as when a newer state is wanted or a blog is
        paused: one of the two sees the other.
        """
        if isinstance(parcel, Comparison):
            self._nightly.conclude(session, parcel, reply, now=now)
            return
        if isinstance(parcel, Walk):
            self._pulling.conclude(session, parcel, reply, now=now)
            return
        publisher = rounds.locked(session, parcel.receiver)
        publication = session.scalars(
            select(Publication)
            .where(Publication.id == parcel.held.subject_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        ).one_or_none()
        if publication is None:
            raise LeaseLost(f"publication {parcel.held.subject_id} is no more")
        publication.last_error = reply.error
        publication.remote_id = parcel.learned[-1] if parcel.learned else publication.remote_id
        if reply.ok:
            publication.applied = max(publication.applied, parcel.version)
            publication.attempts = 0
            queue.finish(session, parcel.held, now=now)
            if publication.applied >= publication.wanted:
                publication.state = DeliveryState.DELIVERED
            elif publication.state is DeliveryState.PENDING:
                # Something newer was decided meanwhile: a job of its own, with the whole schedule before it.
                session.flush()
                events.enqueue_publications(session, [publication], now=now)
        else:
            self._reschedule(session, parcel.held, publication, publisher, reply, now=now)
        self._remember(session, parcel, reply, now=now)

    def _reschedule(
        self, session: Session, held: Claim, publication: Publication, publisher: Publisher, reply: Reply, *, now: datetime
    ) -> None:
        publication.attempts += 1
        resting = _resting_state(session, publisher)
        again = schedule.next_attempt(self._settings.webhook_schedule, held.attempts, reply, draw=self._draw(), now=now)
        if resting is not None or again is None:
            publication.state = resting or DeliveryState.DEAD
            queue.finish(session, held, now=now)
            log.warning(
                "publication_ended",
                comment=show("comment", publication.comment_id),
                state=str(publication.state),
                error=reply.error,
            )
        else:
            queue.fail(session, held, now=now, run_at=again, error=reply.error or "")

    def _remember(self, session: Session, parcel: Parcel, reply: Reply, *, now: datetime) -> None:
        with self._lock:
            if reply.ok:
                health = self._health.pop(parcel.receiver, None)
            else:
                health = self._health.setdefault(parcel.receiver, Health())
                if parcel.probe or health.failures < schedule.FAILURES_TO_OPEN:
                    health.failures += 1
                    health.open_until = schedule.probe_at(self._settings.webhook_schedule, health.failures, now=now)
        if health is None:
            return
        jobs = queue.to_receiver(parcel.receiver)
        if reply.ok and health.failures >= schedule.FAILURES_TO_OPEN:
            queue.hasten(session, JobKind.PUBLISH, jobs, now=now)
        elif not reply.ok and health.open_until is not None:
            queue.postpone(session, JobKind.PUBLISH, jobs, until=health.open_until)


def _settled_at(session: Session, publisher: Publisher, comment: Comment) -> datetime:
    settles = KINDS[publisher.kind].settles
    if not settles:
        return comment.created_at
    newest = (Revision.comment_id == comment.id, Revision.number == comment.current_revision)
    return (session.scalar(select(Revision.created_at).where(*newest)) or comment.created_at) + settles


def _resting_state(session: Session, publisher: Publisher) -> DeliveryState | None:
    if events.is_active(session, publisher):
        return None
    return DeliveryState.CANCELLED if publisher.state_reason == DELETED else DeliveryState.PAUSED

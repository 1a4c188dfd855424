"""One attempt at a delivery: what of the claimed jobs is sent, and what a reply changes.

Rows are locked in one order everywhere, endpoint, delivery, job, so that pausing an endpoint and storing an outcome
wait for each other and never for ever. The locks leave foreign keys alone (FOR NO KEY UPDATE): a decision that adds a
delivery does not wait for them.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

import structlog
from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.orm import Session

from moderation import queue
from moderation.config import Settings
from moderation.database import asked_once, store
from moderation.errors import LeaseLost
from moderation.ids import new_id, show
from moderation.models import Attempt, Delivery, DeliveryState, Endpoint, EndpointState, Event, JobKind, columns
from moderation.outbound import schedule
from moderation.outbound.http import Client, Reply
from moderation.outbound.webhooks import derive_secret, signed_headers
from moderation.queue import Claim
from moderation.services import audit, events
from moderation.services.parcels import Parcel

log = structlog.get_logger(__name__)

GONE_TO_DISABLE = 2
"""How often a receiver has to answer 410 Gone before it is believed."""


# Asked for every delivery, so made once: building a statement takes longer than asking it.
_ENDPOINT = (
    select(Endpoint)
    .where(Endpoint.id == bindparam("endpoint"))
    .with_for_update(key_share=True)
    .execution_options(populate_existing=True)
)
_DELIVERY = (
    select(Delivery)
    .where(Delivery.id == bindparam("delivery"))
    .with_for_update(key_share=True)
    .execution_options(populate_existing=True)
)
_OF_DELIVERY = columns(Delivery)
_DELIVERED = (
    update(cast("Table", Delivery.__table__))
    .where(_OF_DELIVERY.id == bindparam("delivery"))
    .values(attempts=_OF_DELIVERY.attempts + 1, last_error=None, state=DeliveryState.DELIVERED, finished_at=bindparam("now"))
    .returning(_OF_DELIVERY.site_id, _OF_DELIVERY.attempts)
)
_LOADED = (
    select(Delivery, Endpoint)
    .join(Endpoint, Endpoint.id == Delivery.endpoint_id)
    .where(Delivery.id.in_(bindparam("deliveries", expanding=True)))
    .execution_options(populate_existing=True)
)


class Notifying:
    """The lane of deliveries; ``draw`` gives uniform numbers in 0..1 for the jitter."""

    kind = JobKind.NOTIFY
    joins = True

    def __init__(self, settings: Settings, draw: Callable[[], float]) -> None:
        self._settings = settings
        self._draw = draw

    def load(self, session: Session, claims: Sequence[Claim], *, now: datetime) -> list[Parcel]:
        """Return what can be sent now of the claimed jobs; the others are settled or put back without counting."""
        rows = session.execute(_LOADED, {"deliveries": [held.subject_id for held in claims]}).all()
        found = {delivery.id: (delivery, endpoint) for delivery, endpoint in rows}
        parcels = []
        for held in claims:
            delivery, endpoint = found.get(held.subject_id, (None, None))
            if delivery is None or endpoint is None or delivery.state is not DeliveryState.PENDING:
                queue.finish(session, held, now=now)
            elif (resting := resting_state(session, endpoint)) is not None:
                delivery.state = resting
                delivery.finished_at = now if resting is DeliveryState.CANCELLED else None
                queue.finish(session, held, now=now)
            elif (until := self._wait_for(session, endpoint, now=now)) is not None:
                queue.fail(session, held, now=now, run_at=until, error=delivery.last_error or "endpoint_open", counts=False)
            else:
                parcels.append(self._parcel(held, delivery, endpoint, now=now))
        return parcels

    def _wait_for(self, session: Session, endpoint: Endpoint, *, now: datetime) -> datetime | None:
        if endpoint.open_until is not None and endpoint.open_until > now:
            # What is put back now must be seen by the success that releases all: one just being stored is awaited.
            session.refresh(endpoint, with_for_update={"read": True})
        if endpoint.open_until is not None and endpoint.open_until > now:
            return endpoint.open_until
        probe_at = schedule.probe_at(self._settings.webhook_schedule, endpoint.failures, now=now)
        if probe_at is None:
            return None
        # Whoever moves the time on holds the probe; the others wait for what comes of it.
        ours = session.execute(
            update(Endpoint)
            .where(Endpoint.id == endpoint.id, Endpoint.open_until.is_not_distinct_from(endpoint.open_until))
            .values(open_until=probe_at)
            .execution_options(synchronize_session=False)
        )
        session.refresh(endpoint)
        return None if getattr(ours, "rowcount", 0) == 1 else endpoint.open_until

    def _parcel(self, held: Claim, delivery: Delivery, endpoint: Endpoint, *, now: datetime) -> Parcel:
        url, body, message_id = endpoint.url, delivery.body, show("event", delivery.event_id)
        secrets = signing_secrets(self._settings.secret, endpoint, now=now)

        def send(client: Client, at: datetime) -> Reply:
            return client.send("POST", url, headers=signed_headers(message_id, body, secrets, now=at), body=body)

        probe = endpoint.failures >= schedule.FAILURES_TO_OPEN
        return Parcel(held=held, receiver=endpoint.id, send=send, probe=probe)

    def conclude(self, session: Session, parcel: Parcel, reply: Reply, *, now: datetime) -> None:
        """Store what came of an attempt; raises LeaseLost when it is not ours to store any more."""
        endpoint = asked_once(session, (Endpoint, "locked", parcel.receiver), lambda: lock_endpoint(session, parcel.receiver))
        if reply.ok:
            _delivered(session, parcel.held, reply, now=now)
            _succeeded(session, endpoint, now=now)
            queue.finish(session, parcel.held, now=now)
            return
        delivery = session.scalars(_DELIVERY, {"delivery": parcel.held.subject_id}).one_or_none()
        if delivery is None:
            raise LeaseLost(f"delivery {parcel.held.subject_id} is no more")
        # One statement for all that changes: nothing may be asked in between, or what has changed is written first.
        with session.no_autoflush:
            delivery.attempts += 1
            delivery.last_error = reply.error
            store(session, _record(delivery.id, delivery.site_id, delivery.attempts, reply, now=now))
        self._failed(session, endpoint, reply, probe=parcel.probe, now=now)
        self._reschedule(session, parcel.held, endpoint, delivery, reply, now=now)

    def _failed(self, session: Session, endpoint: Endpoint, reply: Reply, *, probe: bool, now: datetime) -> None:
        # Attempts that were under way when the breaker opened say nothing new; only a failed probe makes the next one later.
        news = probe or endpoint.failures < schedule.FAILURES_TO_OPEN
        endpoint.failures += news
        endpoint.failing_since = endpoint.failing_since or now
        endpoint.gone += reply.status == 410
        if endpoint.state is not EndpointState.ACTIVE or endpoint.deleted_at is not None:
            return
        if endpoint.gone >= GONE_TO_DISABLE:
            rest(session, endpoint, EndpointState.DISABLED, reason="gone", by="system", now=now)
        elif now - endpoint.failing_since >= schedule.GIVE_UP_AFTER:
            rest(session, endpoint, EndpointState.PAUSED, reason="failing", by="system", now=now)
        else:
            steps = self._settings.webhook_schedule
            probe_at = schedule.probe_at(steps, endpoint.failures, now=now) if news else endpoint.open_until
            waits = [probe_at, schedule.throttle(reply, now=now)]
            until = max((wait for wait in waits if wait is not None), default=None)
            if until is not None:
                endpoint.open_until = until
                queue.postpone(session, JobKind.NOTIFY, queue.to_receiver(endpoint.id), until=until)

    def _reschedule(
        self, session: Session, held: Claim, endpoint: Endpoint, delivery: Delivery, reply: Reply, *, now: datetime
    ) -> None:
        resting = resting_state(session, endpoint)
        again = schedule.next_attempt(self._settings.webhook_schedule, held.attempts, reply, draw=self._draw(), now=now)
        if resting is not None or again is None:
            delivery.state = resting or DeliveryState.DEAD
            delivery.finished_at = None if resting is DeliveryState.PAUSED else now
            queue.finish(session, held, now=now)
            log.warning("delivery_ended", delivery=show("delivery", delivery.id), state=str(delivery.state), error=reply.error)
        else:
            queue.fail(session, held, now=now, run_at=again, error=reply.error or "")


def _delivered(session: Session, held: Claim, reply: Reply, *, now: datetime) -> None:
    """Store a success in one statement: nearly all attempts are one, and to read the row first would cost as much again."""
    stored = session.execute(_DELIVERED, {"delivery": held.subject_id, "now": now}).first()
    if stored is None:
        raise LeaseLost(f"delivery {held.subject_id} is no more")
    store(session, _record(held.subject_id, stored.site_id, stored.attempts, reply, now=now))


def _record(delivery_id: UUID, site_id: UUID, number: int, reply: Reply, *, now: datetime) -> Attempt:
    return Attempt(
        id=new_id(),
        site_id=site_id,
        created_at=now - timedelta(milliseconds=reply.duration_ms),
        delivery_id=delivery_id,
        number=number,
        duration_ms=reply.duration_ms,
        response_status=reply.status,
        error=reply.error,
        response_excerpt=reply.excerpt,
    )


def _succeeded(session: Session, endpoint: Endpoint, *, now: datetime) -> None:
    if endpoint.failures >= schedule.FAILURES_TO_OPEN:
        endpoint.open_until = None
        queue.hasten(session, JobKind.NOTIFY, queue.to_receiver(endpoint.id), now=now)
        log.info("endpoint_recovered", endpoint=show("endpoint", endpoint.id), failures=endpoint.failures)
    if endpoint.failures or endpoint.failing_since or endpoint.gone:
        endpoint.failures = endpoint.gone = 0
        endpoint.failing_since = None


def resting_state(session: Session, endpoint: Endpoint) -> DeliveryState | None:
    """Return what becomes of a delivery to an endpoint that is not sent to; None for one that is."""
    if endpoint.deleted_at is not None:
        return DeliveryState.CANCELLED
    return None if events.is_active(session, endpoint) else DeliveryState.PAUSED


def lock_endpoint(session: Session, endpoint_id: UUID) -> Endpoint:
    """Return an endpoint as it is now, locked where the database has row locks."""
    return session.scalars(_ENDPOINT, {"endpoint": endpoint_id}).one()


def rest(session: Session, endpoint: Endpoint, state: EndpointState, *, reason: str, by: str, now: datetime) -> None:
    """Stop sending to an endpoint: what is pending waits as paused. The caller has locked the endpoint."""
    endpoint.state = state
    endpoint.state_reason = reason
    endpoint.open_until = None
    settle(session, endpoint, DeliveryState.PENDING, into=DeliveryState.PAUSED, now=now)
    audit.record(
        session,
        site_id=endpoint.site_id,
        actor=by,
        action=f"endpoint.{state}",
        subject=show("endpoint", endpoint.id),
        now=now,
        reason=reason,
        failures=endpoint.failures,
    )
    log.warning("endpoint_rests", endpoint=show("endpoint", endpoint.id), state=str(state), reason=reason)


def settle(session: Session, endpoint: Endpoint, *states: DeliveryState, into: DeliveryState, now: datetime) -> None:
    """Move an endpoint's deliveries of some states into another, and remove the jobs that nobody works on."""
    session.execute(
        update(Delivery)
        .where(Delivery.site_id == endpoint.site_id, Delivery.endpoint_id == endpoint.id, Delivery.state.in_(states))
        .values(state=into)
        .execution_options(synchronize_session=False)
    )
    queue.drop(session, JobKind.NOTIFY, queue.to_receiver(endpoint.id), now=now)


def signing_secrets(master: bytes, endpoint: Endpoint, *, now: datetime) -> tuple[bytes, ...]:
    """Return the secrets that sign at ``now``, newest first: two while a rotation is under way."""
    valid = [entry for entry in endpoint.secrets if not entry["until"] or datetime.fromisoformat(entry["until"]) > now]
    return tuple(derive_secret(master, endpoint.id, entry["salt"]) for entry in valid)


def redact(session: Session, comment_id: UUID) -> None:
    """Take the text of an erased comment out of what is still to be sent, and out of what receivers echoed."""
    rows = session.execute(
        select(Delivery, Event).join(Event, Event.id == Delivery.event_id).where(Delivery.comment_id == comment_id)
    ).all()
    for delivery, event in rows:
        delivery.body = events.body_of(event)
    session.execute(
        update(Attempt)
        .where(Attempt.delivery_id.in_([delivery.id for delivery, _ in rows]))
        .values(response_excerpt="")
        .execution_options(synchronize_session=False)
    )

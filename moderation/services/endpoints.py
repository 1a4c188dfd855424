"""Endpoints: who is told of what, and what of it arrived; everything that did not can be sent again.

Addresses are checked in two places. What can be seen from the URL itself is refused here; whoever saves one first calls
``guard.check`` outside of the transaction, because that asks the resolver; and the client checks again when it connects.
"""

import secrets as randomness
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from moderation import queue
from moderation.errors import NotFound, Refused
from moderation.ids import new_id, show
from moderation.models import Attempt, Delivery, DeliveryState, Endpoint, EndpointState, Event, JobKind
from moderation.outbound.http import Guard
from moderation.outbound.webhooks import derive_secret, show_secret
from moderation.services import audit, events
from moderation.services.attempts import lock_endpoint, rest, settle

OVERLAP = timedelta(hours=24)
"""How long an old secret goes on signing beside the new one."""

REPLAY_AT_MOST = 10_000
"""Deliveries sent again by one call."""

SUBSCRIBABLE = tuple(type_ for type_ in events.TYPES if type_ != events.TEST)


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint and the secret to verify it by (``whsec_...``), shown this once."""

    endpoint: Endpoint
    secret: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many deliveries are sent again, and where to go on (None at the end)."""

    count: int
    next: UUID | None


def create(
    session: Session,
    site_id: UUID,
    *,
    url: str,
    guard: Guard,
    secret: bytes,
    by: str,
    now: datetime,
    event_types: Sequence[str] = (),
    include_text: bool = False,
) -> NewEndpoint:
    """Subscribe an address to a site's events (no types: the decisions); raises ForbiddenAddress and Refused.

    ``secret`` is the installation's, from which the endpoint's is derived; the address is not resolved here.
    """
    guard.parse(url)
    _check_types(event_types)
    endpoint = Endpoint(
        id=new_id(),
        site_id=site_id,
        created_at=now,
        url=url,
        event_types=list(event_types),
        include_text=include_text,
        secrets=[_new_secret()],
    )
    session.add(endpoint)
    session.flush()
    _note(session, endpoint, "created", by=by, now=now)
    return NewEndpoint(endpoint, _shown(secret, endpoint))


def rotate(
    session: Session, site_id: UUID, endpoint_id: UUID, *, secret: bytes, by: str, now: datetime, overlap: timedelta = OVERLAP
) -> NewEndpoint:
    """Give an endpoint a new secret; the one before it signs too until ``overlap`` has passed, older ones no more."""
    endpoint = _locked(session, site_id, endpoint_id)
    until = (now + overlap).isoformat()
    endpoint.secrets = [_new_secret(), *({**entry, "until": entry["until"] or until} for entry in endpoint.secrets[:1])]
    _note(session, endpoint, "secret_rotated", by=by, now=now)
    return NewEndpoint(endpoint, _shown(secret, endpoint))


def update(
    session: Session,
    site_id: UUID,
    endpoint_id: UUID,
    *,
    guard: Guard,
    by: str,
    now: datetime,
    url: str | None = None,
    event_types: Sequence[str] | None = None,
    include_text: bool | None = None,
) -> Endpoint:
    """Change what is given; what is on its way goes to the new address. Raises ForbiddenAddress and Refused."""
    endpoint = _locked(session, site_id, endpoint_id)
    if url is not None and url != endpoint.url:
        guard.parse(url)
        endpoint.url = url
        _start_afresh(endpoint)
        queue.hasten(session, JobKind.NOTIFY, queue.to_receiver(endpoint.id), now=now)
    if event_types is not None:
        _check_types(event_types)
        endpoint.event_types = list(event_types)
    if include_text is not None:
        endpoint.include_text = include_text
    _note(session, endpoint, "updated", by=by, now=now)
    return endpoint


def delete(session: Session, site_id: UUID, endpoint_id: UUID, *, by: str, now: datetime) -> None:
    """Unsubscribe an address: what it did not get is cancelled (the events stay in the feed), its history is kept."""
    endpoint = _locked(session, site_id, endpoint_id)
    endpoint.deleted_at = now
    unfinished = (DeliveryState.PENDING, DeliveryState.PAUSED, DeliveryState.DEAD)
    settle(session, endpoint, *unfinished, into=DeliveryState.CANCELLED, now=now)
    _note(session, endpoint, "deleted", by=by, now=now)


def pause(session: Session, site_id: UUID, endpoint_id: UUID, *, by: str, now: datetime) -> Endpoint:
    """Stop sending to an endpoint; its deliveries wait."""
    endpoint = _locked(session, site_id, endpoint_id)
    if endpoint.state is EndpointState.ACTIVE:
        rest(session, endpoint, EndpointState.PAUSED, reason="by_hand", by=by, now=now)
    return endpoint


def resume(session: Session, site_id: UUID, endpoint_id: UUID, *, by: str, now: datetime) -> int:
    """Send to a paused or disabled endpoint again, beginning with what waited; returns how many deliveries that are."""
    endpoint = _locked(session, site_id, endpoint_id)
    endpoint.state = EndpointState.ACTIVE
    endpoint.state_reason = ""
    _start_afresh(endpoint)
    waiting = session.scalars(
        select(Delivery)
        .where(Delivery.site_id == site_id, Delivery.endpoint_id == endpoint.id, Delivery.state == DeliveryState.PAUSED)
        .order_by(Delivery.id)
        .options(defer(Delivery.body))
    ).all()
    _replay(session, waiting, {endpoint.id: endpoint}, now=now)
    queue.hasten(session, JobKind.NOTIFY, queue.to_receiver(endpoint.id), now=now)
    _note(session, endpoint, "resumed", by=by, now=now)
    return len(waiting)


def test(session: Session, site_id: UUID, endpoint_id: UUID, *, now: datetime) -> Delivery:
    """Send an endpoint an event that means nothing, to see whether it arrives and verifies."""
    endpoint = find(session, site_id, endpoint_id)
    event = Event(
        id=new_id(),
        site_id=site_id,
        created_at=now,
        type=events.TEST,
        data={"endpoint": {"id": show("endpoint", endpoint.id)}},
    )
    session.add(event)
    session.flush()
    return events.add_delivery(session, event, endpoint, now=now)


def find(session: Session, site_id: UUID, endpoint_id: UUID) -> Endpoint:
    """Return an endpoint of the site that is not deleted; raises NotFound."""
    endpoint = session.get(Endpoint, endpoint_id)
    if endpoint is None or endpoint.site_id != site_id or endpoint.deleted_at is not None:
        raise NotFound("endpoint", endpoint_id)
    return endpoint


def page(session: Session, site_id: UUID) -> list[Endpoint]:
    """Return the site's endpoints, oldest first, without the deleted ones."""
    query = select(Endpoint).where(Endpoint.site_id == site_id, Endpoint.deleted_at.is_(None)).order_by(Endpoint.id)
    return list(session.scalars(query))


def deliveries(
    session: Session,
    site_id: UUID,
    *,
    endpoint_id: UUID | None = None,
    state: DeliveryState | None = None,
    before: UUID | None = None,
    limit: int = 100,
) -> list[Delivery]:
    """Return deliveries, newest first, older than ``before``; those to deleted endpoints too."""
    query = select(Delivery).where(Delivery.site_id == site_id).order_by(Delivery.id.desc()).limit(limit)
    if endpoint_id is not None:
        query = query.where(Delivery.endpoint_id == endpoint_id)
    if state is not None:
        query = query.where(Delivery.state == state)
    if before is not None:
        query = query.where(Delivery.id < before)
    return list(session.scalars(query))


def delivery(session: Session, site_id: UUID, delivery_id: UUID) -> Delivery:
    """Return a delivery of the site; raises NotFound."""
    found = session.get(Delivery, delivery_id)
    if found is None or found.site_id != site_id:
        raise NotFound("delivery", delivery_id)
    return found


def attempts(session: Session, site_id: UUID, delivery_id: UUID) -> list[Attempt]:
    """Return the attempts at a delivery, first one first; raises NotFound."""
    delivery(session, site_id, delivery_id)
    return list(session.scalars(select(Attempt).where(Attempt.delivery_id == delivery_id).order_by(Attempt.id)))


def replay(session: Session, site_id: UUID, delivery_id: UUID, *, by: str, now: datetime) -> Delivery:
    """Send a delivery again under the same ``webhook-id``, with the whole schedule before it.

    One that is pending stays as it is, one to a paused endpoint waits there; raises NotFound, and Refused where the
    endpoint was deleted.
    """
    found = delivery(session, site_id, delivery_id)
    endpoint = lock_endpoint(session, found.endpoint_id)
    if endpoint.deleted_at is not None:
        raise Refused("endpoint_deleted", "The endpoint of this delivery was deleted; its events are in the feed.")
    _replay(session, [found], {endpoint.id: endpoint}, now=now)
    _note(session, endpoint, "replayed", by=by, now=now, delivery=show("delivery", found.id))
    return found


def replay_many(
    session: Session,
    site_id: UUID,
    *,
    by: str,
    now: datetime,
    endpoint_id: UUID | None = None,
    since: datetime | None = None,
    after: UUID | None = None,
) -> Replayed:
    """Send again, oldest first, all dead deliveries, or with ``since`` all that were dead or delivered from then on.

    REPLAY_AT_MOST at once: go on with ``after`` what was returned as ``next``. Deleted endpoints are left out.
    """
    endpoints = {endpoint.id: endpoint for endpoint in page(session, site_id)}
    if endpoint_id is not None:
        endpoints = {endpoint_id: find(session, site_id, endpoint_id)}
    states = [DeliveryState.DEAD] if since is None else [DeliveryState.DEAD, DeliveryState.DELIVERED]
    query = (
        select(Delivery)
        .where(Delivery.site_id == site_id, Delivery.endpoint_id.in_(endpoints), Delivery.state.in_(states))
        .order_by(Delivery.id)
        .limit(REPLAY_AT_MOST)
    )
    if since is not None:
        query = query.where(Delivery.created_at >= since)
    if after is not None:
        query = query.where(Delivery.id > after)
    chosen = session.scalars(query.options(defer(Delivery.body))).all()
    endpoints = {endpoint_id: lock_endpoint(session, endpoint_id) for endpoint_id in {found.endpoint_id for found in chosen}}
    _replay(session, chosen, endpoints, now=now)
    for endpoint in endpoints.values():
        count = sum(1 for found in chosen if found.endpoint_id == endpoint.id)
        _note(session, endpoint, "replayed", by=by, now=now, deliveries=count)
    return Replayed(len(chosen), chosen[-1].id if len(chosen) == REPLAY_AT_MOST else None)


def feed(session: Session, site_id: UUID, *, after: int, limit: int = 100) -> list[Event]:
    """Return the site's events behind a feed position, in order: the way to catch up without any webhook."""
    query = select(Event).where(Event.site_id == site_id, Event.feed_pos > after).order_by(Event.feed_pos).limit(limit)
    return list(session.scalars(query))


def feed_end(session: Session, site_id: UUID) -> int:
    """Return the feed position of the site's newest event, 0 where there is none yet."""
    newest = select(Event.feed_pos).where(Event.site_id == site_id, Event.feed_pos.is_not(None))
    return session.scalar(newest.order_by(Event.feed_pos.desc()).limit(1)) or 0


def _locked(session: Session, site_id: UUID, endpoint_id: UUID) -> Endpoint:
    find(session, site_id, endpoint_id)
    endpoint = lock_endpoint(session, endpoint_id)
    if endpoint.deleted_at is not None:
        raise NotFound("endpoint", endpoint_id)
    return endpoint


def _check_types(event_types: Sequence[str]) -> None:
    for place, type_ in enumerate(event_types):
        if type_ not in SUBSCRIBABLE:
            raise Refused("unknown_event_type", f"There is no event {type_}.", f"/event_types/{place}")


def _new_secret() -> dict[str, str | None]:
    return {"salt": randomness.token_hex(16), "until": None}


def _shown(master: bytes, endpoint: Endpoint) -> str:
    return show_secret(derive_secret(master, endpoint.id, endpoint.secrets[0]["salt"]))


def _start_afresh(endpoint: Endpoint) -> None:
    endpoint.failures = endpoint.gone = 0
    endpoint.failing_since = endpoint.open_until = None


def _replay(session: Session, chosen: Sequence[Delivery], endpoints: Mapping[UUID, Endpoint], *, now: datetime) -> None:
    again = []
    for found in chosen:
        if found.state is DeliveryState.PENDING:
            continue
        if endpoints[found.endpoint_id].state is EndpointState.ACTIVE:
            found.state = DeliveryState.PENDING
            again.append(found)
        else:
            found.state = DeliveryState.PAUSED
        found.finished_at = None
    session.flush()
    events.enqueue_deliveries(session, again, now=now)


def _note(session: Session, endpoint: Endpoint, action: str, *, by: str, now: datetime, **detail: str | int) -> None:
    audit.record(
        session,
        site_id=endpoint.site_id,
        actor=by,
        action=f"endpoint.{action}",
        subject=show("endpoint", endpoint.id),
        now=now,
        **detail,
    )

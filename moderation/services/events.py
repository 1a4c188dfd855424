"""Emitting an event, with a delivery for each endpoint and the newest wanted state for each publisher.

All of it is part of the transaction that made the event true; nothing is sent here.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from moderation import queue
from moderation.database import answer, asked_once, insert_now, store
from moderation.ids import new_id, show
from moderation.models import (
    Comment,
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointState,
    Event,
    JobKind,
    Post,
    Publication,
    Publisher,
    Revision,
)

SUBMITTED = "comment.submitted"
REVISED = "comment.revised"
APPROVED = "comment.approved"
FLAGGED = "comment.flagged"
REJECTED = "comment.rejected"
REOPENED = "comment.reopened"
WITHDRAWN = "comment.withdrawn"
ERASED = "comment.erased"
TEST = "endpoint.test"

TYPES = (SUBMITTED, REVISED, APPROVED, FLAGGED, REJECTED, REOPENED, WITHDRAWN, ERASED, TEST)
DEFAULT_TYPES = (APPROVED, FLAGGED, REJECTED, REOPENED, WITHDRAWN, ERASED)
"""What an endpoint hears of where it names no types."""

PUBLISHER_DELETED = "deleted"
"""The reason of a publisher that will not come back."""

# Made once: building them took longer than asking them.
_ENDPOINTS = select(Endpoint).where(Endpoint.site_id == bindparam("site"), Endpoint.deleted_at.is_(None))
_POSTS = select(Post).where(Post.id.in_(bindparam("posts", expanding=True)))
_PUBLISHERS = select(Publisher).where(Publisher.site_id == bindparam("site"), Publisher.state_reason != PUBLISHER_DELETED)


def emit(session: Session, type_: str, comment: Comment, *, now: datetime, decision: dict[str, Any] | None = None) -> Event:
    """Record an event of a comment at its present version, and what has to be sent because of it."""
    post = asked_once(session, (Post, comment.post_id), lambda: session.get_one(Post, comment.post_id))
    data = {
        "comment": {
            "id": show("comment", comment.id),
            "external_id": comment.external_id,
            "revision": comment.current_revision,
            "status": str(comment.status),
            "visible_revision": comment.visible_revision,
        },
        "post": {"id": post.external_id, "url": post.url},
        "seq": comment.version,
        "decision": decision,
    }
    event = Event(
        id=new_id(),
        site_id=comment.site_id,
        created_at=now,
        type=type_,
        comment_id=comment.id,
        seq=comment.version,
        data=data,
    )
    store(session, event)
    _deliver(session, event, comment, now=now)
    if type_ != SUBMITTED:
        _publish(session, comment, now=now)
    return event


def foresee(session: Session, post_ids: Iterable[UUID]) -> None:
    """Ask for several posts at once what ``emit`` asks of each, in a joined transaction."""
    answer(session, {(Post, post.id): post for post in session.scalars(_POSTS, {"posts": list(post_ids)})})


def body_of(event: Event, *, text: str | None = None) -> bytes:
    """Return the bytes that are signed and sent: type, timestamp and data (Standard Webhooks 1.0)."""
    data = dict(event.data)
    if text is not None:
        data = {**data, "comment": {**data["comment"], "body": text}}
    return orjson.dumps({"type": event.type, "timestamp": iso(event.created_at), "data": data})


def iso(moment: datetime) -> str:
    """Return a moment as RFC 3339 in UTC, to the microsecond."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def wants(endpoint: Endpoint, type_: str) -> bool:
    """Tell whether an endpoint subscribed to events of that type."""
    return type_ in (endpoint.event_types or DEFAULT_TYPES)


def add_delivery(session: Session, event: Event, endpoint: Endpoint, *, now: datetime, text: str | None = None) -> Delivery:
    """Put an event on its way to an endpoint; to a paused one it waits there until it is resumed."""
    paused = not is_active(session, endpoint)
    delivery = Delivery(
        id=new_id(),
        site_id=event.site_id,
        created_at=now,
        event_id=event.id,
        endpoint_id=endpoint.id,
        comment_id=event.comment_id,
        seq=event.seq,
        body=body_of(event, text=text if endpoint.include_text else None),
        state=DeliveryState.PAUSED if paused else DeliveryState.PENDING,
    )
    store(session, delivery)
    if not paused:
        enqueue_delivery(session, delivery, now=now)
    return delivery


def is_active(session: Session, receiver: Endpoint | Publisher) -> bool:
    """Tell whether an endpoint or publisher is sent to.

    Before something is left to wait for a resumption, one that is just going on is awaited: it would not be seen by it.
    """
    if receiver.state is not EndpointState.ACTIVE:
        session.refresh(receiver, with_for_update={"read": True})
    return receiver.state is EndpointState.ACTIVE


def enqueue_delivery(session: Session, delivery: Delivery, *, now: datetime) -> None:
    """Add the job that sends a delivery: in order per comment and endpoint, so that news never overtakes news."""
    enqueue_deliveries(session, [delivery], now=now)


def enqueue_deliveries(session: Session, deliveries: Sequence[Delivery], *, now: datetime) -> None:
    """Add the jobs that send deliveries; the order key begins with the endpoint, by which they are found together."""
    works = [
        queue.Work(
            site_id=delivery.site_id,
            subject_id=delivery.id,
            order=(delivery.endpoint_id.hex + (delivery.comment_id.hex if delivery.comment_id else ""), delivery.seq or 0),
        )
        for delivery in deliveries
    ]
    queue.enqueue_many(session, JobKind.NOTIFY, works, now=now)


def _deliver(session: Session, event: Event, comment: Comment, *, now: datetime) -> None:
    site = event.site_id
    endpoints = asked_once(session, (Endpoint, site), lambda: session.scalars(_ENDPOINTS, {"site": site}).all())
    text: str | None = None
    for endpoint in endpoints:
        if not wants(endpoint, event.type):
            continue
        if endpoint.include_text and text is None and event.type not in {WITHDRAWN, ERASED}:
            insert_now(session)
            text = session.scalar(
                select(Revision.body).where(Revision.comment_id == comment.id, Revision.number == comment.current_revision)
            )
        add_delivery(session, event, endpoint, now=now, text=text)


def _publish(session: Session, comment: Comment, *, now: datetime) -> None:
    site = comment.site_id
    publishers = asked_once(session, (Publisher, site), lambda: session.scalars(_PUBLISHERS, {"site": site}).all())
    for publisher in publishers:
        want(session, comment, publisher, now=now)


def want(session: Session, comment: Comment, publisher: Publisher, *, now: datetime) -> None:
    """Note that the blog should show the comment as it is now; an attempt always sends the newest state.

    For a paused publisher it is noted, and sent when that is resumed.
    """
    state = DeliveryState.PENDING if is_active(session, publisher) else DeliveryState.PAUSED
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    publication = session.scalars(
        insert(Publication)
        .values(
            id=new_id(),
            site_id=comment.site_id,
            created_at=now,
            comment_id=comment.id,
            publisher_id=publisher.id,
            wanted=comment.version,
            applied=0,
            state=state,
            attempts=0,
        )
        .on_conflict_do_update(
            index_elements=["comment_id", "publisher_id"],
            set_={"wanted": comment.version, "state": state},
        )
        .returning(Publication),
        execution_options={"populate_existing": True},
    ).one()
    if state is DeliveryState.PENDING:
        enqueue_publications(session, [publication], now=now)


def enqueue_publications(session: Session, publications: Sequence[Publication], *, now: datetime) -> None:
    """Add the jobs that bring blogs up to date; the order key begins with the publisher, by which they are found together."""
    works = [
        queue.Work(
            site_id=publication.site_id,
            subject_id=publication.id,
            order=(publication.publisher_id.hex + publication.comment_id.hex, 0),
        )
        for publication in publications
    ]
    queue.enqueue_many(session, JobKind.PUBLISH, works, now=now)

"""Endpoints and publishers, and where each event and each comment stands with them."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from moderation.models.base import Base, Identified, OfSite, table
from moderation.models.types import Word


class EndpointState(StrEnum):
    """Whether an endpoint is sent to; a paused one keeps its deliveries."""

    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"


class DeliveryState(StrEnum):
    """Where a delivery stands; paused and dead ones can be replayed, cancelled ones lost their endpoint to a deletion."""

    PENDING = "pending"
    DELIVERED = "delivered"
    PAUSED = "paused"
    DEAD = "dead"
    CANCELLED = "cancelled"


class Endpoint(Identified, OfSite, Base):
    """An address that subscribed to a site's events.

    ``secrets`` holds what the signing secrets are derived from (a salt each), newest first, with the time that each
    one stops to sign. ``open_until`` is the circuit breaker: no attempt starts before it.
    """

    __tablename__ = "endpoint"
    __table_args__ = table(Index(None, "site_id", "created_at"))

    url: Mapped[str]
    event_types: Mapped[list[str]] = mapped_column(default=list)
    include_text: Mapped[bool] = mapped_column(default=False)
    secrets: Mapped[list[Any]]
    state: Mapped[EndpointState] = mapped_column(Word(EndpointState), default=EndpointState.ACTIVE)
    state_reason: Mapped[str] = mapped_column(default="")
    failures: Mapped[int] = mapped_column(default=0)
    gone: Mapped[int] = mapped_column(default=0)
    failing_since: Mapped[datetime | None]
    open_until: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]


class Delivery(Identified, OfSite, Base):
    """An event on its way to an endpoint; ``body`` is what is signed, the same bytes in every attempt."""

    __tablename__ = "delivery"
    __table_args__ = table(
        UniqueConstraint("event_id", "endpoint_id"),
        Index(None, "site_id", "endpoint_id", "state", "id"),
        Index(None, "comment_id", "endpoint_id"),
    )

    event_id: Mapped[UUID] = mapped_column(ForeignKey("event.id"))
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("endpoint.id"))
    comment_id: Mapped[UUID | None] = mapped_column(ForeignKey("comment.id"))
    seq: Mapped[int | None]
    body: Mapped[bytes]
    state: Mapped[DeliveryState] = mapped_column(Word(DeliveryState), default=DeliveryState.PENDING)
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None]
    finished_at: Mapped[datetime | None]


class Attempt(Identified, OfSite, Base):
    """One try at a delivery: when, for how long, and what came back."""

    __tablename__ = "attempt"
    __table_args__ = table(Index(None, "delivery_id", "id"))

    delivery_id: Mapped[UUID] = mapped_column(ForeignKey("delivery.id"))
    number: Mapped[int]
    duration_ms: Mapped[int]
    response_status: Mapped[int | None]
    error: Mapped[str | None]
    response_excerpt: Mapped[str] = mapped_column(default="")


class Publisher(Identified, OfSite, Base):
    """A way back into the blog, such as its own HTTP address for comment states."""

    __tablename__ = "publisher"
    __table_args__ = table(Index(None, "site_id", "created_at"))

    kind: Mapped[str]
    config: Mapped[dict[str, Any]]
    state: Mapped[EndpointState] = mapped_column(Word(EndpointState), default=EndpointState.ACTIVE)
    state_reason: Mapped[str] = mapped_column(default="")


class Publication(Identified, OfSite, Base):
    """What the blog should show of a comment (``wanted``) and what it is known to show (``applied``), as comment versions.

    ``remote_id`` is the id by which a publisher found the comment in the blog, where it had to look for it.
    """

    __tablename__ = "publication"
    __table_args__ = table(
        UniqueConstraint("comment_id", "publisher_id"),
        Index(
            "ix_publication_stuck",
            "site_id",
            "comment_id",
            sqlite_where=text("state IN ('dead', 'paused')"),
            postgresql_where=text("state IN ('dead', 'paused')"),
        ),
        Index(
            "ix_publication_remote_id",
            "site_id",
            "remote_id",
            sqlite_where=text("remote_id IS NOT NULL"),
            postgresql_where=text("remote_id IS NOT NULL"),
        ),
    )

    comment_id: Mapped[UUID] = mapped_column(ForeignKey("comment.id"))
    publisher_id: Mapped[UUID] = mapped_column(ForeignKey("publisher.id"))
    wanted: Mapped[int]
    applied: Mapped[int] = mapped_column(default=0)
    state: Mapped[DeliveryState] = mapped_column(Word(DeliveryState), default=DeliveryState.PENDING)
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None]
    remote_id: Mapped[str | None]

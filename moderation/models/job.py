"""Jobs, and the leases of the processes that work: the database is the queue (docs/decisions)."""

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from moderation.models.base import Base, Identified, table
from moderation.models.types import Word


class JobKind(StrEnum):
    """What there is to do, and the name of the task queue whose workers do it."""

    MODERATE = "moderate"
    NOTIFY = "notify"
    PUBLISH = "publish"
    MESSAGE = "message"
    EXPLAIN = "explain"


class Priority(IntEnum):
    """Which job first: somebody waits, a second try, or a bulk import."""

    INTERACTIVE = 0
    RETRY = 1
    IMPORT = 2


class Job(Identified, Base):
    """Work that must be done, until it is done: a finished job is deleted.

    ``fence`` grows with every claim; a worker writes only while it is still the one it claimed under.
    Of jobs with the same ``order_key`` only the one with the lowest ``order_seq`` can be claimed.
    """

    __tablename__ = "job"
    __table_args__ = table(
        UniqueConstraint("kind", "subject_id", "revision"),
        Index(None, "kind", "site_id", "priority", "run_at"),
        Index(None, "order_key", "order_seq"),
    )

    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    kind: Mapped[JobKind] = mapped_column(Word(JobKind))
    subject_id: Mapped[UUID]
    revision: Mapped[int] = mapped_column(default=0)
    priority: Mapped[int] = mapped_column(default=0)
    run_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    fence: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]
    claimed_by: Mapped[str | None]
    last_error: Mapped[str | None]
    order_key: Mapped[str | None]
    order_seq: Mapped[int | None]
    cost_ms: Mapped[float] = mapped_column(default=0.0)


class Lease(Base):
    """A named right that one process holds at a time, such as that to number the feed."""

    __tablename__ = "lease"
    __table_args__ = table()

    name: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str]
    until: Mapped[datetime]


class Heartbeat(Base):
    """A process that is alive, so that /readyz can say which is not."""

    __tablename__ = "heartbeat"
    __table_args__ = table()

    process: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)

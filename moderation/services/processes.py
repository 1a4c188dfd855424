"""Which processes are alive: each says so every few seconds, and /readyz and ``tidegate doctor`` read it."""

import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from moderation.models import Heartbeat

EVERY = timedelta(seconds=5)
SILENT_AFTER = timedelta(seconds=20)
"""Silence after which a process counts as gone: four beats, so that a long comment or a busy disk is no alarm."""
FORGOTTEN_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Alive:
    """A process that was heard of lately."""

    process: str
    kind: str
    started_at: datetime
    seen_at: datetime
    detail: dict[str, Any]


def name(kind: str) -> str:
    """Return a name for this process that no other has: kind, host and process id."""
    return f"{kind}@{socket.gethostname()}:{os.getpid()}"


def beat(session: Session, process: str, kind: str, *, started_at: datetime, now: datetime, **detail: Any) -> None:
    """Note that a process is alive."""
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    values = {"kind": kind, "started_at": started_at, "seen_at": now, "detail": detail}
    session.execute(
        insert(Heartbeat).values(process=process, **values).on_conflict_do_update(index_elements=["process"], set_=values)
    )


def leave(session: Session, process: str) -> None:
    """Note that a process ended as it should."""
    session.execute(delete(Heartbeat).where(Heartbeat.process == process))


def alive(session: Session, *, now: datetime) -> list[Alive]:
    """Return the processes heard of within the last twenty seconds, by kind and name."""
    rows = session.scalars(
        select(Heartbeat).where(Heartbeat.seen_at > now - SILENT_AFTER).order_by(Heartbeat.kind, Heartbeat.process)
    )
    return [Alive(row.process, row.kind, row.started_at, row.seen_at, row.detail) for row in rows]


def forget(session: Session, *, now: datetime) -> None:
    """Remove the traces of processes that ended without a word more than a day ago."""
    session.execute(delete(Heartbeat).where(Heartbeat.seen_at < now - FORGOTTEN_AFTER))

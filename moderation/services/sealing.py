"""Giving events their place in the feed and audit rows their place in the chain.

Transactions insert both unnumbered: a lock on the head of the chain inside every decision cost two
thirds of the throughput when it was measured. One process at a time, under a named lease, numbers
what was committed, in batches; so a feed position never appears before a lower one.
"""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from moderation.models import Audit, Event, Lease

SEALER = "sealer"
LEASE = timedelta(seconds=3)
"""Shorter than the time within which every row must be sealed, so that a killed relay's successor is not late."""
BATCH = 500
UNSEALED_LIMIT = timedelta(seconds=10)
GENESIS = b"\0" * 32


def take_lease(session: Session, name: str, *, holder: str, now: datetime, lease: timedelta = LEASE) -> bool:
    """Take or keep the named lease; false while another holder's has not run out. ``now`` is the database's clock."""
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    session.execute(
        insert(Lease).values(name=name, holder=holder, until=now + lease).on_conflict_do_nothing(index_elements=["name"])
    )
    taken = session.execute(
        update(Lease)
        .where(Lease.name == name, (Lease.holder == holder) | (Lease.until < now))
        .values(holder=holder, until=now + lease)
        .execution_options(synchronize_session=False)
    )
    return getattr(taken, "rowcount", 0) == 1


def leave_lease(session: Session, name: str, *, holder: str) -> None:
    """Give the named lease back, if this holder has it."""
    session.execute(delete(Lease).where(Lease.name == name, Lease.holder == holder))


def place_events(session: Session, *, limit: int = BATCH) -> int:
    """Give committed events the next feed positions, oldest id first; returns how many. Needs the sealer's lease."""
    waiting = session.scalars(select(Event.id).where(Event.feed_pos.is_(None)).order_by(Event.id).limit(limit)).all()
    if not waiting:
        return 0
    head = session.scalar(select(func.max(Event.feed_pos))) or 0
    session.execute(update(Event), [{"id": event, "feed_pos": head + place} for place, event in enumerate(waiting, start=1)])
    return len(waiting)


def seal_audit(session: Session, key: bytes, *, limit: int = BATCH) -> int:
    """Chain committed audit rows, oldest id first; returns how many. Needs the sealer's lease."""
    waiting = session.scalars(select(Audit).where(Audit.seq.is_(None)).order_by(Audit.id).limit(limit)).all()
    if not waiting:
        return 0
    last = session.execute(
        select(Audit.seq, Audit.seal).where(Audit.seq.is_not(None)).order_by(Audit.seq.desc()).limit(1)
    ).first()
    seq, seal = (last.seq or 0, last.seal or GENESIS) if last else (0, GENESIS)
    sealed = []
    for row in waiting:
        seq += 1
        previous, seal = seal, _seal(key, row, seq, seal)
        sealed.append({"id": row.id, "seq": seq, "previous": previous, "seal": seal})
    session.execute(update(Audit), sealed)
    return len(waiting)


@dataclass(frozen=True, slots=True)
class Break:
    """A place where the chain does not hold, and why."""

    seq: int | None
    fault: str


def verify_audit(session: Session, key: bytes, *, now: datetime) -> Iterator[Break]:
    """Yield every break of the chain: a gap, a changed row, a wrong link, a row unsealed for more than ten seconds."""
    expected, seal = 1, GENESIS
    for row in session.scalars(select(Audit).where(Audit.seq.is_not(None)).order_by(Audit.seq).execution_options(yield_per=1000)):
        if row.seq != expected:
            yield Break(expected, f"rows {expected} to {(row.seq or 0) - 1} are missing")
        elif row.previous != seal:
            yield Break(row.seq, "does not follow the row before it")
        if not hmac.compare_digest(_seal(key, row, row.seq or 0, row.previous or b""), row.seal or b""):
            yield Break(row.seq, "was changed after it was sealed")
        expected, seal = (row.seq or 0) + 1, row.seal or b""
    late = session.scalar(
        select(func.count()).select_from(Audit).where(Audit.seq.is_(None), Audit.created_at < now - UNSEALED_LIMIT)
    )
    if late:
        yield Break(None, f"{late} rows unsealed for more than {UNSEALED_LIMIT.seconds} seconds")


def _seal(key: bytes, row: Audit, seq: int, previous: bytes) -> bytes:
    content = orjson.dumps(
        [
            seq,
            row.id.hex,
            row.created_at.timestamp(),
            row.site_id and row.site_id.hex,
            row.actor,
            row.action,
            row.subject,
            row.detail,
        ],
        option=orjson.OPT_SORT_KEYS,
    )
    return hmac.digest(key, previous + content, "sha256")


def audit_key(secret: bytes) -> bytes:
    """Return the key of the chain, derived from the master secret."""
    return hmac.digest(secret, b"audit chain", "sha256")

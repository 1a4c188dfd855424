"""The one durable job table: enqueue, claim under a lease, finish or fail under its fence.

The database is the queue because a Celery message on Redis can be lost whatever its settings are
(celery#7950). A claim counts the attempt before the work begins, so that a job which kills its
worker cannot do so for ever; a finish proves with the fence that the lease is still ours.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Executable,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, aliased

from moderation.database import BELLS, insert_rows
from moderation.errors import LeaseLost
from moderation.ids import new_id
from moderation.models import Job, JobKind, Priority, Site, columns

BATCH = 16
"""Most jobs in one claim."""

BATCH_MS = 160.0
"""Most estimated work in one claim, in milliseconds on one core, so that no comment waits long behind its batch."""

MOST_MADE = 128
"""Statements kept of each form, for conditions that come again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A job in our hands until ``lease_until`` (database clock), under this ``fence``."""

    id: UUID
    site_id: UUID
    kind: JobKind
    subject_id: UUID
    revision: int
    attempts: int
    fence: int
    lease_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A job to be added: what it is about, how much it costs (milliseconds on one core) and its place in an order.

    ``order`` is (key, number): of jobs with one key only the lowest number can be claimed.
    """

    site_id: UUID
    subject_id: UUID
    revision: int = 0
    priority: Priority = Priority.INTERACTIVE
    run_at: datetime | None = None
    cost_ms: float = 0.0
    order: tuple[str, int] | None = None


def enqueue(
    session: Session,
    kind: JobKind,
    *,
    site_id: UUID,
    subject_id: UUID,
    now: datetime,
    revision: int = 0,
    priority: Priority = Priority.INTERACTIVE,
    run_at: datetime | None = None,
    cost_ms: float = 0.0,
    order: tuple[str, int] | None = None,
) -> None:
    """Add a job in the caller's transaction; the doorbell rings for its kind after the commit.

    The same (kind, subject, revision) is one job: adding it again does nothing.
    """
    work = Work(
        site_id=site_id,
        subject_id=subject_id,
        revision=revision,
        priority=priority,
        run_at=run_at,
        cost_ms=cost_ms,
        order=order,
    )
    enqueue_many(session, kind, [work], now=now)


def enqueue_many(session: Session, kind: JobKind, works: Sequence[Work], *, now: datetime) -> None:
    """Add many jobs of a kind as ``enqueue`` adds one."""
    rows = [
        {
            "id": new_id(),
            "site_id": work.site_id,
            "created_at": now,
            "kind": kind,
            "subject_id": work.subject_id,
            "revision": work.revision,
            "priority": int(work.priority),
            "run_at": work.run_at or now,
            "attempts": 0,
            "fence": 0,
            "cost_ms": work.cost_ms,
            "order_key": work.order[0] if work.order else None,
            "order_seq": work.order[1] if work.order else None,
        }
        for work in works
    ]
    if not rows:
        return
    insert_rows(session, Job, _insert(session.get_bind().dialect.name), rows)
    if any(work.run_at is None or work.run_at <= now for work in works):
        ring(session, kind)


@cache
def _insert(dialect: str) -> Executable:
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    # Into the table and not the mapping, which would make objects of the rows.
    return insert(cast("Table", Job.__table__)).on_conflict_do_nothing(index_elements=["kind", "subject_id", "revision"])


def ring(session: Session, kind: JobKind) -> None:
    """Have the doorbell rung for a kind of job once the caller's transaction is committed."""
    session.info.setdefault(BELLS, set()).add(str(kind))


# Statements that are asked for every job are made once: building one takes longer than asking it.
_NOW: BindParameter[datetime] = bindparam("now")
_EARLIER = aliased(Job)
_IS_FIRST = ~exists(select(_EARLIER.id).where(_EARLIER.order_key == Job.order_key, _EARLIER.order_seq < Job.order_seq)).correlate(
    Job
)


def _due(kind: JobKind, where: ColumnElement[bool] | None = None) -> ColumnElement[bool]:
    return and_(
        true() if where is None else where,
        Job.kind == kind,
        Job.run_at <= _NOW,
        or_(Job.lease_until.is_(None), Job.lease_until < _NOW),
        or_(
            Job.order_key.is_(None),
            _IS_FIRST,
        ),
    )


def sites_with_work(session: Session, kind: JobKind, *, now: datetime, where: ColumnElement[bool] | None = None) -> list[UUID]:
    """Return the sites whose most urgent due job is of the most urgent kind found, in order of their ids; reads only.

    Jobs outside of ``where``, a condition on the job, are not seen.
    """
    return sites_with_work_of(session, [kind], now=now, where=where)[kind]


def sites_with_work_of(
    session: Session, kinds: Sequence[JobKind], *, now: datetime, where: ColumnElement[bool] | None = None
) -> dict[JobKind, list[UUID]]:
    """Return for each kind what ``sites_with_work`` does; all are asked for at once."""
    wanted = tuple(kinds)
    rows = session.execute(_urgencies(wanted, where), {"now": now}).all()
    found: dict[JobKind, list[UUID]] = {}
    for place, kind in enumerate(wanted, start=1):
        urgent = [(row[0], row[place]) for row in rows if row[place] is not None]
        best = min((urgency for _, urgency in urgent), default=None)
        found[kind] = sorted(site for site, urgency in urgent if urgency == best)
    return found


# Kept by the condition's identity: who asks with the same one again has to keep it, too.
@lru_cache(maxsize=MOST_MADE)
def _urgencies(kinds: tuple[JobKind, ...], where: ColumnElement[bool] | None) -> Select[*tuple[Any, ...]]:
    firsts = [
        select(Job.priority).where(Job.site_id == Site.id, _due(kind, where)).order_by(Job.priority, Job.run_at).limit(1)
        for kind in kinds
    ]
    return select(Site.id, *(first.scalar_subquery() for first in firsts))


def rotate(sites: Sequence[UUID], after: UUID | None) -> list[UUID]:
    """Return the sites beginning with the one behind ``after``, so that a flood at one site delays no other."""
    if after is None:
        return list(sites)
    return [site for site in sites if site > after] + [site for site in sites if site <= after]


def claim(
    session: Session,
    kind: JobKind,
    *,
    worker: str,
    now: datetime,
    lease: timedelta,
    sites: Sequence[UUID],
    limit: int = BATCH,
    budget_ms: float = BATCH_MS,
    where: ColumnElement[bool] | None = None,
) -> list[Claim]:
    """Take due jobs of the sites, an equal share each, under a lease; counts the attempt.

    ``where``, a condition on the job, leaves out those that could not be worked on now.

    A job whose lease ran out before (its worker may have died of it) is taken alone. At least one job is taken
    where one is due, whatever it costs. ``now`` is the database's clock.
    """
    chosen: list[UUID] = []
    spent = 0.0
    share = max(1, -(-limit // max(1, len(sites))))
    for site in sites:
        room = min(share, limit - len(chosen))
        if room <= 0:
            break
        for row in session.execute(_candidates(kind, where), {"site": site, "now": now, "room": room}).all():
            job_id, cost, was_leased = row[0], row[1], row[2]
            if chosen and (was_leased or spent + cost > budget_ms):
                break
            chosen.append(job_id)
            spent += cost
            if was_leased:
                return _take(session, chosen, worker=worker, now=now, lease=lease)
    return _take(session, chosen, worker=worker, now=now, lease=lease)


@lru_cache(maxsize=MOST_MADE)
def _candidates(kind: JobKind, where: ColumnElement[bool] | None) -> Select[UUID, float, bool]:
    return (
        select(Job.id, Job.cost_ms, Job.lease_until.is_not(None))
        .where(Job.site_id == bindparam("site"), _due(kind, where))
        .order_by(Job.lease_until.is_(None), Job.priority, Job.run_at)
        .limit(bindparam("room"))
        .with_for_update(skip_locked=True)
    )


def _take(session: Session, chosen: Collection[UUID], *, worker: str, now: datetime, lease: timedelta) -> list[Claim]:
    if not chosen:
        return []
    taken = session.execute(
        update(Job)
        .where(Job.id.in_(chosen))
        .values(lease_until=now + lease, fence=Job.fence + 1, attempts=Job.attempts + 1, claimed_by=worker)
        .returning(Job.id, Job.site_id, Job.kind, Job.subject_id, Job.revision, Job.attempts, Job.fence, Job.priority, Job.run_at)
        .execution_options(synchronize_session=False)
    ).all()
    # RETURNING promises no order.
    taken = sorted(taken, key=lambda row: (row.priority, row.run_at))
    return [
        Claim(
            id=row.id,
            site_id=row.site_id,
            kind=row.kind,
            subject_id=row.subject_id,
            revision=row.revision,
            attempts=row.attempts,
            fence=row.fence,
            lease_until=now + lease,
        )
        for row in taken
    ]


def _ours(held: Claim, now: datetime) -> ColumnElement[bool]:
    return and_(Job.id == held.id, Job.fence == held.fence, Job.lease_until > now)


_FINISH = delete(cast("Table", Job.__table__)).where(
    columns(Job).id == bindparam("held"), columns(Job).fence == bindparam("held_fence"), columns(Job).lease_until > _NOW
)

_FINISH_ALL = (
    delete(cast("Table", Job.__table__))
    .where(tuple_(columns(Job).id, columns(Job).fence).in_(bindparam("held", expanding=True)), columns(Job).lease_until > _NOW)
    .returning(columns(Job).id)
)


def finish(session: Session, held: Claim, *, now: datetime) -> None:
    """Remove a job that is done; raises LeaseLost, and the caller's transaction must then not be committed."""
    _only_one(session.execute(_FINISH, {"held": held.id, "held_fence": held.fence, "now": now}), held)


def finish_all(session: Session, held: Sequence[Claim], *, now: datetime) -> list[Claim]:
    """Remove jobs that are done and return those that were still ours; the outcome of another must not be stored."""
    gone = session.scalars(_FINISH_ALL, {"held": [(each.id, each.fence) for each in held], "now": now}).all()
    return [each for each in held if each.id in set(gone)]


def fail(session: Session, held: Claim, *, now: datetime, run_at: datetime, error: str, counts: bool = True) -> None:
    """Give a job back to be tried at ``run_at``; ``counts=False`` takes the attempt back (nothing was tried).

    Raises LeaseLost when the lease ran out.
    """
    _only_one(
        session.execute(
            update(Job)
            .where(_ours(held, now))
            .values(
                lease_until=None,
                claimed_by=None,
                run_at=run_at,
                priority=func.max(Job.priority, int(Priority.RETRY))
                if session.get_bind().dialect.name == "sqlite"
                else func.greatest(Job.priority, int(Priority.RETRY)),
                last_error=error[:500],
                attempts=Job.attempts if counts else Job.attempts - 1,
            )
            .execution_options(synchronize_session=False)
        ),
        held,
    )


def extend(session: Session, held: Claim, *, now: datetime, lease: timedelta) -> None:
    """Make a lease run from now again; raises LeaseLost when it had run out."""
    _only_one(
        session.execute(
            update(Job).where(_ours(held, now)).values(lease_until=now + lease).execution_options(synchronize_session=False)
        ),
        held,
    )


def _only_one(result: object, held: Claim) -> None:
    if getattr(result, "rowcount", 0) != 1:
        raise LeaseLost(f"job {held.id} fence {held.fence}")


def to_receiver(receiver: UUID) -> ColumnElement[bool]:
    """Return the condition for the jobs that go to an endpoint or publisher: its id begins their order key."""
    # "g" follows every hexadecimal digit, so this is a range that the index can be asked for.
    return and_(Job.order_key >= receiver.hex, Job.order_key < receiver.hex + "g")


def postpone(session: Session, kind: JobKind, jobs: ColumnElement[bool], *, until: datetime) -> None:
    """Let jobs that nobody works on rest until a time, without counting an attempt; later ones stay where they are."""
    resting = _at_rest(kind, jobs, Job.lease_until.is_(None), Job.run_at < until)
    session.execute(update(Job).where(resting).values(run_at=until).execution_options(synchronize_session=False))


def hasten(session: Session, kind: JobKind, jobs: ColumnElement[bool], *, now: datetime) -> None:
    """Make jobs that nobody works on due at once."""
    resting = _at_rest(kind, jobs, Job.lease_until.is_(None), Job.run_at > now)
    session.execute(update(Job).where(resting).values(run_at=now).execution_options(synchronize_session=False))
    ring(session, kind)


def drop(session: Session, kind: JobKind, jobs: ColumnElement[bool], *, now: datetime) -> None:
    """Remove jobs that nobody works on: what they were about has been settled otherwise."""
    resting = _at_rest(kind, jobs, or_(Job.lease_until.is_(None), Job.lease_until < now))
    session.execute(delete(Job).where(resting).execution_options(synchronize_session=False))


def _at_rest(kind: JobKind, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    # A job that is just being claimed is passed over: its claim may be waiting for what our transaction has locked.
    return Job.id.in_(select(Job.id).where(Job.kind == kind, *conditions).with_for_update(skip_locked=True))


def kinds_due(session: Session, *, now: datetime) -> list[JobKind]:
    """Return the kinds of which a job is due; reads only."""
    return [kind for kind in JobKind if session.scalar(_is_due(kind), {"now": now})]


@cache
def _is_due(kind: JobKind) -> Select[bool]:
    return select(exists().where(_due(kind)))


def oldest_due(session: Session, kinds: Collection[JobKind], *, now: datetime) -> datetime | None:
    """Return since when the oldest job of these kinds is due that could be claimed; one behind another in its order could not."""
    return session.scalar(select(func.min(Job.run_at)).where(or_(*(_due(kind) for kind in kinds))), {"now": now})


def depth(session: Session, kind: JobKind) -> int:
    """Return how many jobs of a kind there are, due or not."""
    return session.scalar(select(func.count()).select_from(Job).where(Job.kind == kind)) or 0

"""What the deliver worker does: claim what is due, send it with no transaction open, store what came of it.

Two kinds of job are worked on alike: ``notify`` (a delivery to an endpoint) and ``publish`` (a comment's newest state
to a blog); what is particular to each is its lane. An attempt runs in a thread of a pool of the process, because it
mostly waits. A lease that ran out makes the transaction that would store its outcome fail as a whole: the receiver
may hear of it again, under the same ``webhook-id``.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, and_, not_, or_
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from moderation import queue
from moderation.clock import Clock
from moderation.config import Settings
from moderation.database import Database
from moderation.errors import LeaseLost
from moderation.failpoints import failpoint
from moderation.models import Job, JobKind
from moderation.outbound.http import Client, Reply
from moderation.services.attempts import Notifying
from moderation.services.parcels import Parcel
from moderation.services.publishing import Publishing

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)
LEAST_LEASE = timedelta(seconds=20)
"""An attempt starts only with more of its lease left than this, and than an attempt can take."""

SLOTS = 16
"""Attempts at once in a process."""

SLOTS_PER_RECEIVER = 4
"""Attempts at once to one endpoint or blog, so that a slow one leaves the others their turn."""

BUSY_PAUSE = timedelta(seconds=1)
LOOK_AGAIN = 0.25
"""Seconds between looks for due work while attempts of ours are under way."""


class Lane(Protocol):
    """What is particular to one kind of job."""

    kind: JobKind

    def load(self, session: Session, claims: Sequence[queue.Claim], *, now: datetime) -> list[Parcel]:
        """Return what can be sent now of the claimed jobs; settle or put back the others."""
        ...

    def conclude(self, session: Session, parcel: Parcel, reply: Reply, *, now: datetime) -> None:
        """Store what came of an attempt; raises LeaseLost."""
        ...


class Deliverer:
    """Sends what is due; one object serves all threads of a process, which may call ``drain`` at once.

    ``draw`` gives uniform numbers in 0..1 for the jitter.
    """

    def __init__(
        self,
        database: Database,
        client: Client,
        settings: Settings,
        clock: Clock,
        worker: str,
        *,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._client = client
        self._clock = clock
        self._worker = worker
        self._lease_needed = max(LEAST_LEASE, timedelta(seconds=client.timeout + 5))
        self._lanes: tuple[Lane, ...] = (Notifying(settings, draw), Publishing(settings, draw))
        self._slots = Slots()
        self._last_site: dict[JobKind, UUID] = {}
        self._pool = ThreadPoolExecutor(SLOTS, thread_name_prefix="attempt")

    def drain(self, stop: Callable[[], bool]) -> int:
        """Send until nothing due is left to claim and what was sent here is stored; returns the number of attempts.

        Returns at once when ``stop`` says so; what is under way then ends by itself in the pool.
        """
        ours: set[Future[None]] = set()
        attempts = 0
        while not stop():
            claimed = self._claim()
            ours |= {self._pool.submit(self._attempt, lane, parcel) for lane, parcel in claimed}
            attempts += len(claimed)
            ours = {future for future in ours if not future.done()}
            if claimed:
                continue
            if not ours:
                break
            # What ends may release the next in order; what comes in meanwhile should not wait for the slowest.
            wait(ours, timeout=LOOK_AGAIN, return_when=FIRST_COMPLETED)
        return attempts

    def close(self) -> None:
        """Wait for the attempts that are under way and end the threads."""
        self._pool.shutdown(wait=True)

    def _claim(self) -> list[tuple[Lane, Parcel]]:
        # The lanes take turns to go first, and the first one leaves the other half of the slots.
        self._lanes = self._lanes[1:] + self._lanes[:1]
        claimed: list[tuple[Lane, Parcel]] = []
        for last, lane in enumerate(self._lanes):
            reserved = self._slots.reserve(share=1 if last else len(self._lanes))
            try:
                taken = self._claim_kind(lane, reserved)
            except BaseException:
                self._slots.give_back(reserved)
                raise
            self._slots.give_back(reserved - len(taken))
            claimed += [(lane, parcel) for parcel in taken]
        return claimed

    def _claim_kind(self, lane: Lane, limit: int) -> list[Parcel]:
        if limit == 0:
            return []
        where = _not_to(self._slots.full())
        with self._database.reading() as session:
            # Most looks find nothing; they must not cost a write lock.
            if not queue.sites_with_work(session, lane.kind, now=self._database.now(session), where=where):
                return []
        taken: list[Parcel] = []

        def unit(session: Session) -> None:
            self._slots.leave(taken)
            taken.clear()
            now = self._database.now(session)
            sites = queue.sites_with_work(session, lane.kind, now=now, where=where)
            claims = queue.claim(
                session,
                lane.kind,
                worker=self._worker,
                now=now,
                lease=LEASE,
                sites=queue.rotate(sites, self._last_site.get(lane.kind)),
                limit=limit,
                where=where,
            )
            for parcel in lane.load(session, claims, now=now):
                if self._slots.enter(parcel):
                    taken.append(parcel)
                else:
                    queue.fail(session, parcel.held, now=now, run_at=now + BUSY_PAUSE, error="endpoint_busy", counts=False)
            if claims:
                self._last_site[lane.kind] = claims[-1].site_id

        try:
            self._database.transact(unit)
        except BaseException:
            self._slots.leave(taken)
            raise
        return taken

    def _attempt(self, lane: Lane, parcel: Parcel) -> None:
        try:
            self._send(lane, parcel)
        except LeaseLost:
            log.warning("lease_lost", kind=str(lane.kind), job=str(parcel.held.id))
        except SQLAlchemyError as error:
            # Its message would show what was to be stored. The lease runs out, and the attempt is made again.
            log.warning("attempt_not_stored", kind=str(lane.kind), job=str(parcel.held.id), error=type(error).__name__)
        except Exception:
            log.exception("attempt_failed", kind=str(lane.kind), job=str(parcel.held.id))
        finally:
            self._slots.leave([parcel])
            self._slots.give_back(1)

    def _send(self, lane: Lane, parcel: Parcel) -> None:
        self._keep_lease(parcel.held)
        failpoint("deliver.before_send")
        reply = parcel.send(self._client, self._clock.now())
        failpoint("deliver.after_send")
        self._database.transact(
            lambda session: lane.conclude(session, parcel, reply, now=self._database.now(session)),
        )
        failpoint("deliver.after_mark")

    def _keep_lease(self, held: queue.Claim) -> None:
        with self._database.reading() as session:
            left = held.lease_until - self._database.now(session)
        if left <= self._lease_needed:
            self._database.transact(lambda session: queue.extend(session, held, now=self._database.now(session), lease=LEASE))


class Slots:
    """Counts the attempts under way in a process, together and by receiver."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free = SLOTS
        self._by_receiver: Counter[UUID] = Counter()

    def reserve(self, *, share: int) -> int:
        """Take free slots, one of ``share`` parts of them but one at least; returns how many, 0 where none is free."""
        with self._lock:
            taken = -(-self._free // share)
            self._free -= taken
            return taken

    def give_back(self, count: int) -> None:
        """Free reserved slots."""
        with self._lock:
            self._free += count

    def full(self) -> list[UUID]:
        """Return the receivers that have as many attempts under way as they may."""
        with self._lock:
            return [receiver for receiver, count in self._by_receiver.items() if count >= SLOTS_PER_RECEIVER]

    def enter(self, parcel: Parcel) -> bool:
        """Count an attempt to its receiver; false where that one has enough."""
        with self._lock:
            if self._by_receiver[parcel.receiver] >= SLOTS_PER_RECEIVER:
                return False
            self._by_receiver[parcel.receiver] += 1
            return True

    def leave(self, parcels: Sequence[Parcel]) -> None:
        """Count the attempts off again."""
        with self._lock:
            for parcel in parcels:
                self._by_receiver[parcel.receiver] -= 1
                if self._by_receiver[parcel.receiver] <= 0:
                    del self._by_receiver[parcel.receiver]


def _not_to(receivers: Sequence[UUID]) -> ColumnElement[bool] | None:
    if not receivers:
        return None
    return and_(*(or_(Job.order_key.is_(None), not_(queue.to_receiver(receiver))) for receiver in receivers))

"""What the deliver worker does: claim what is due, send it with no transaction open, store what came of it.

Three kinds of job are worked on alike: ``notify`` (a delivery to an endpoint), ``publish`` (a comment's newest state
to a blog) and ``message`` (a letter to a person); what is particular to each is its
lane. An attempt runs in a thread of a pool of the process, because it mostly waits. A lease that ran out makes the
transaction that would store its outcome fail as a whole: the receiver may hear of it again, under the same ``webhook-id``
or ``Message-ID``.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Protocol
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, and_, not_, or_
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
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
from moderation.services.mailing import Mailing
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

GATHER = 0.004
LOOK_AGAIN = 0.25
"""Seconds between looks for due work while attempts of ours are under way."""

PUT_BACK = timedelta(seconds=30)
PUT_BACK_AT_MOST = timedelta(hours=6)
"""How long a job rests that we cannot do for a fault of ours; twice as long each time."""


class Lane(Protocol):
    """What is particular to one kind of job."""

    kind: JobKind
    joins: bool
    """Whether outcomes may be stored in one transaction with those of other attempts (``Database.together``)."""

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
        self._lanes: tuple[Lane, ...] = (Notifying(settings, draw), Publishing(settings, draw), Mailing(settings, draw))
        self._kinds = tuple(lane.kind for lane in self._lanes)
        self._claiming = threading.Lock()
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
            # Looked at before the claim: what ends during it may have released the next in order.
            ours = {future for future in ours if not future.done()}
            claimed = self._claim()
            attempts += len(claimed)
            ours |= {self._pool.submit(self._attempt, lane, parcel) for lane, parcel in claimed}
            if claimed:
                continue
            if not ours:
                break
            # Not for ever: what comes in meanwhile should not wait for the slowest. Then a moment longer, because attempts
            # that end together are followed by one claim instead of several.
            wait(ours, timeout=LOOK_AGAIN, return_when=FIRST_COMPLETED)
            wait(ours, timeout=GATHER)
        return attempts

    def close(self) -> None:
        """Wait for the attempts that are under way and end the threads."""
        self._pool.shutdown(wait=True)

    def _claim(self) -> list[tuple[Lane, Parcel]]:
        # One thread of the process at a time, so that the slots it found free are still free when it fills them.
        with self._claiming:
            # The lanes take turns to go first.
            self._lanes = self._lanes[1:] + self._lanes[:1]
            limit, full = self._slots.room()
            if limit == 0:
                return []
            where = _not_to(full)
            with self._database.reading() as session:
                # Most looks find nothing; they must not cost a write lock.
                now = self._database.now(session)
                found = queue.sites_with_work_of(session, self._kinds, now=now, where=where)
            claimed: list[tuple[Lane, Parcel]] = []
            for lane in self._lanes:
                sites = found[lane.kind]
                try:
                    claimed += [(lane, parcel) for parcel in self._claim_kind(lane, sites)] if sites else []
                except SQLAlchemyError as error:
                    if not claimed:
                        raise
                    # What is in our hands goes out first; the next claim meets the same, if it lasts.
                    log.warning("not_claimed", kind=str(lane.kind), error=type(error).__name__)
                    break
            return claimed

    def _claim_kind(self, lane: Lane, sites: Sequence[UUID]) -> list[Parcel]:
        # Counted again: the lane before may have filled some.
        limit, full = self._slots.room()
        if limit == 0:
            return []
        where = _not_to(full)

        def unit(session: Session, *, carefully: bool = False) -> list[Parcel]:
            now = self._database.now(session)
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
            if claims:
                self._last_site[lane.kind] = claims[-1].site_id
            return self._loaded(session, lane, claims, now=now) if carefully else lane.load(session, claims, now=now)

        try:
            parcels = self._database.transact(unit)
        except DBAPIError:
            raise
        except Exception as error:
            # Which job it is that cannot be loaded comes out when each is loaded by itself.
            log.warning("not_loaded_together", kind=str(lane.kind), error=type(error).__name__, exc_info=True)
            parcels = self._database.transact(partial(unit, carefully=True))
        self._slots.enter(parcels)
        return parcels

    def _loaded(self, session: Session, lane: Lane, claims: Sequence[queue.Claim], *, now: datetime) -> list[Parcel]:
        parcels: list[Parcel] = []
        for held in claims:
            try:
                with session.begin_nested():
                    parcels += lane.load(session, [held], now=now)
            except DBAPIError:
                raise
            except Exception as error:
                log.exception("job_not_loaded", kind=str(lane.kind), job=str(held.id))
                _put_back(session, held, error, now=now)
        return parcels

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
            self._slots.leave(parcel)

    def _send(self, lane: Lane, parcel: Parcel) -> None:
        self._keep_lease(parcel.held)
        failpoint("deliver.before_send")
        try:
            reply = parcel.send(self._client, self._clock.now())
        except Exception:
            # An attempt that failed, so that it comes to an end by the schedule and is seen.
            log.exception("not_sent", kind=str(lane.kind), job=str(parcel.held.id))
            reply = Reply(trouble="fault")
        failpoint("deliver.after_send")
        store = self._database.together if lane.joins else self._database.transact
        try:
            store(lambda session: lane.conclude(session, parcel, reply, now=self._database.now(session)))
        except (LeaseLost, DBAPIError):
            raise
        except Exception as error:
            log.exception("attempt_not_concluded", kind=str(lane.kind), job=str(parcel.held.id))
            fault = error
            self._database.transact(lambda session: _put_back(session, parcel.held, fault, now=self._database.now(session)))
        failpoint("deliver.after_mark")

    def _keep_lease(self, held: queue.Claim) -> None:
        if held.lease_until - self._database.moment() <= self._lease_needed:
            self._database.transact(lambda session: queue.extend(session, held, now=self._database.now(session), lease=LEASE))


class Slots:
    """Counts the attempts under way in a process, together and by receiver."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_receiver: Counter[UUID] = Counter()

    def room(self) -> tuple[int, tuple[UUID, ...]]:
        """Return how many attempts may be added, all of them to any receiver but the full ones, and these."""
        with self._lock:
            full = tuple(sorted(receiver for receiver, count in self._by_receiver.items() if count >= SLOTS_PER_RECEIVER))
            rooms = [SLOTS_PER_RECEIVER - count for count in self._by_receiver.values() if count < SLOTS_PER_RECEIVER]
            return min([SLOTS - self._by_receiver.total(), SLOTS_PER_RECEIVER, *rooms]), full

    def enter(self, parcels: Sequence[Parcel]) -> None:
        """Count attempts that begin."""
        with self._lock:
            self._by_receiver.update(parcel.receiver for parcel in parcels)

    def leave(self, parcel: Parcel) -> None:
        """Count an attempt that ended off again."""
        with self._lock:
            self._by_receiver[parcel.receiver] -= 1
            if self._by_receiver[parcel.receiver] == 0:
                del self._by_receiver[parcel.receiver]


def _put_back(session: Session, held: queue.Claim, error: Exception, *, now: datetime) -> None:
    pause = min(PUT_BACK * 2 ** min(held.attempts, 16), PUT_BACK_AT_MOST)
    queue.fail(session, held, now=now, run_at=now + pause, error=type(error).__name__)


@lru_cache(maxsize=queue.MOST_MADE)
def _not_to(receivers: tuple[UUID, ...]) -> ColumnElement[bool] | None:
    """Return the condition for jobs to any other receiver, the same object for the same ones, so that statements are kept."""
    if not receivers:
        return None
    return and_(*(or_(Job.order_key.is_(None), not_(queue.to_receiver(receiver))) for receiver in receivers))

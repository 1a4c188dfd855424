"""The relay: gives events and audit rows their places, rings again for what is due, announces, draws for the audit, tidies up,
and has each site's own layers learn.

Any number of relays may run. One at a time holds the sealer's lease and numbers what was committed; all of them ring.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache, partial
from types import FrameType
from uuid import UUID

import structlog
from sqlalchemy import exists, select
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from moderation import failpoints, logs, queue
from moderation.config import Settings
from moderation.failpoints import failpoint
from moderation.ids import show
from moderation.models import Audit, Event
from moderation.runtime import Runtime
from moderation.scoring import spam
from moderation.services import chats, desk, housekeeping, learning, notices, policies, processes, sealing, sites

log = structlog.get_logger(__name__)

EVERY = 0.25
RING_EVERY = 1.0
CHECKPOINT_EVERY = 1.0
TIDY_EVERY = 600.0
AUDIT_EVERY = 600.0
DRAWING = "drawing"
DRAWING_LEASE = timedelta(seconds=AUDIT_EVERY / 2)
NOTICES_EVERY = 30.0
LEARN_EVERY = 60.0
LEARN_ANEW_EVERY = 3600.0
"""Seconds between two times that all sites' lessons are read, whether anything happened there or not: time alone ends some."""

LEARNING = "learning"
LEARNING_LEASE = timedelta(seconds=300)


class Relay:
    """One relay process; ``run`` works until ``end`` is called."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.name = processes.name("relay")
        self.ending = threading.Event()
        self._audit_key = sealing.audit_key(runtime.settings.secret)
        self._started_at = runtime.clock.now()
        self._due = {
            "ring": 0.0,
            "checkpoint": 0.0,
            "beat": 0.0,
            "tidy": 0.0,
            "notices": 0.0,
            "audit": time.monotonic() + AUDIT_EVERY,
            "learn": time.monotonic() + LEARN_EVERY,
            "learn anew": 0.0,
        }
        self._learning: threading.Thread | None = None
        self._marks: dict[UUID, tuple[int, datetime | None]] = {}

    def run(self) -> None:
        """Turn every quarter of a second, at once while there is more to place; survive whatever the database does."""
        while not self.ending.is_set():
            more = False
            try:
                more = self.turn()
            except SQLAlchemyError as error:
                log.warning("relay_failed", error=type(error).__name__)
            except Exception as error:
                log.exception("relay_failed", error=type(error).__name__)
            if not more:
                self.ending.wait(EVERY)
        if self._learning is not None:
            self._learning.join(timeout=EVERY)
        with self.runtime.database.transaction() as session:
            sealing.leave_lease(session, sealing.SEALER, holder=self.name)
            sealing.leave_lease(session, LEARNING, holder=self.name)
            processes.leave(session, self.name)

    def turn(self) -> bool:
        """Do what is due; true while there is more to place."""
        more = self._place()
        if self._is_due("ring", RING_EVERY):
            self._ring()
        if self._is_due("checkpoint", CHECKPOINT_EVERY):
            self.runtime.database.checkpoint()
        if self._is_due("beat", processes.EVERY.total_seconds()):
            with self.runtime.database.transaction() as session:
                now = self.runtime.database.now(session)
                processes.beat(session, self.name, "relay", started_at=self._started_at, now=now)
        if self._is_due("notices", NOTICES_EVERY):
            self._announce()
        if self._is_due("tidy", TIDY_EVERY):
            with self.runtime.database.transaction() as session:
                if housekeeping.tidy(session, now=self.runtime.database.now(session)):
                    self._due["tidy"] = 0.0
        if self._is_due("audit", AUDIT_EVERY):
            self._draw()
        if self._is_due("learn", LEARN_EVERY) and (self._learning is None or not self._learning.is_alive()):
            # Beside all else: a large site's lessons take seconds, and nothing that the relay places may wait for them.
            self._learning = threading.Thread(target=self._learn, name="learn", daemon=True)
            self._learning.start()
        return more

    def _learn(self) -> None:
        """Have the sites' layers learn, one relay at a time; what fails is tried again with the next turn."""
        database = self.runtime.database
        try:
            with database.transaction() as session:
                now = database.now(session)
                if not sealing.take_lease(session, LEARNING, holder=self.name, now=now, lease=LEARNING_LEASE):
                    return
                found = [site.id for site in sites.everything(session)]
            if self._is_due("learn anew", LEARN_ANEW_EVERY):
                self._marks.clear()
            for site_id in found:
                if self.ending.is_set():
                    return
                with _by_itself("learning", site_id):
                    self._learn_at(site_id)
        except SQLAlchemyError as error:
            log.warning("learning_failed", error=type(error).__name__)

    def _learn_at(self, site_id: UUID) -> None:
        """Have one site's layers learn, unless nothing happened there since they last did."""
        with self.runtime.database.reading() as session:
            found = learning.mark(session, site_id)
        if self._marks.get(site_id) == found:
            return
        for version in learning.teach(self.runtime.database, site_id, _spam):
            log.info("layer_learnt", site=show("site", site_id), layer=policies.label(version), why=version.content["why"])
        self._marks[site_id] = found

    def _draw(self) -> None:
        """Draw each site's comments for the audit, one relay at a time."""
        database = self.runtime.database
        with database.transaction() as session:
            now = database.now(session)
            if not sealing.take_lease(session, DRAWING, holder=self.name, now=now, lease=DRAWING_LEASE):
                return
            found = [(site.id, site.time_zone) for site in sites.everything(session)]
        for site_id, time_zone in found:
            with _by_itself("drawing", site_id):
                database.transact(partial(desk.draw_daily, site_id=site_id, time_zone=time_zone, now=now))

    def _place(self) -> bool:
        with self.runtime.database.reading() as session:
            waiting = session.scalar(select(exists().where(Event.feed_pos.is_(None)))) or session.scalar(
                select(exists().where(Audit.seq.is_(None)))
            )
        if not waiting:
            return False
        with self.runtime.database.transaction() as session:
            now = self.runtime.database.now(session)
            if not sealing.take_lease(session, sealing.SEALER, holder=self.name, now=now):
                return False
            placed = sealing.place_events(session)
            sealed = sealing.seal_audit(session, self._audit_key)
            failpoint("relay.placed")
        return max(placed, sealed) >= sealing.BATCH

    def _ring(self) -> None:
        with self.runtime.database.reading() as session:
            kinds = queue.kinds_due(session, now=self.runtime.database.now(session))
        for kind in kinds:
            self.runtime.doorbell.ring(kind)

    def _announce(self) -> None:
        with self.runtime.database.reading() as session:
            heard = self.runtime.settings.smtp_url is not None or chats.exist(session)
            found = notices.due(session, now=self.runtime.database.now(session)) if heard else []
        for site_id in found:
            with _by_itself("announcing", site_id):
                self.runtime.database.transact(partial(self._announced, site_id=site_id))

    def _announced(self, session: Session, *, site_id: UUID) -> None:
        notices.announce_due(session, site_id, now=self.runtime.database.now(session))

    def _is_due(self, what: str, every: float) -> bool:
        if time.monotonic() < self._due[what]:
            return False
        self._due[what] = time.monotonic() + every
        return True


@contextmanager
def _by_itself(what: str, site_id: UUID) -> Iterator[None]:
    """Let what is wrong with one site keep no other from its turn; that the database cannot be used is nobody's own."""
    try:
        yield
    except OperationalError:
        raise
    except SQLAlchemyError as error:
        # Its message would show what was to be stored.
        log.warning("site_failed", what=what, site=show("site", site_id), error=type(error).__name__)
    except Exception:
        log.exception("site_failed", what=what, site=show("site", site_id))


@cache
def _spam() -> spam.SpamScorer:
    """Load the spam model without the catalogue, which would bring the runtime of the other models along."""
    return spam.SpamScorer(spam.BUNDLED)


def main() -> None:
    """Run a relay until SIGTERM or SIGINT."""
    settings = Settings.from_env()
    logs.configure(settings.log_level)
    failpoints.configure(settings)
    runtime = Runtime.build(settings, role="worker")
    relay = Relay(runtime)

    def end(_number: int, _frame: FrameType | None) -> None:
        relay.ending.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    log.info("relay_started", process=relay.name)
    try:
        relay.run()
    finally:
        runtime.close()
        log.info("relay_ended", process=relay.name)


if __name__ == "__main__":
    main()

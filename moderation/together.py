"""Several threads' small transactions as one: on SQLite the commit, and not the work, is what they wait for.

A commit has to reach the disk, which takes milliseconds, and there is one writer at a time, of all processes; so whoever comes
while a thread waits for its turn to write goes into the same transaction instead of waiting for one of its own ("group
commit"). Nobody waits for company: a thread that is alone begins as soon as it is its turn. Each unit is answered after the
commit that holds it, and one that fails takes nothing with it: the transaction is rolled back, and each unit is run again by
itself.
"""

import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Generic, Protocol, TypeVar, cast

import structlog
from sqlalchemy.orm import Session

log = structlog.get_logger(__name__)

MOST = 16
"""Units in one transaction, so that the writers of other processes get their turn within some 20 milliseconds."""

SWITCH = 0.0005
"""Seconds after which a thread that computes lets another one have the interpreter."""

T = TypeVar("T")


def take_short_turns() -> None:
    """Have the threads of this process let each other have the interpreter sooner than Python's five milliseconds.

    Those are as long as a whole transaction: a thread that comes back from the database with the turn to write in its hand would
    wait for one that computes, at each statement, and all other processes with it.
    """
    sys.setswitchinterval(SWITCH)


class Store(Protocol):
    """What a unit of work is run in."""

    def transaction(self) -> AbstractContextManager[Session]:
        """Open a writing transaction, once it is this process's turn."""
        ...

    def join(self, session: Session) -> None:
        """Say of a transaction that has just begun that it holds like work of several units."""
        ...

    def transact(self, unit: Callable[[Session], T]) -> T:
        """Run a unit of work in a transaction of its own, again when the database asked for it."""
        ...


class _Joined(Generic[T]):
    """A unit that waits for its transaction."""

    def __init__(self, unit: Callable[[Session], T]) -> None:
        self.unit = unit
        self.called = threading.Event()
        self.stored = False
        self.failed = False
        self.result: T | None = None


class Together:
    """Joins the units of a process's threads; one object for each database."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._waiting: deque[_Joined[Any]] = deque()
        self._led = False

    def run(self, unit: Callable[[Session], T]) -> T:
        """Run a unit with those that other threads bring meanwhile; returns after the commit.

        Raises what the unit raises, or the database. A unit may be run twice, as with ``Database.transact``.
        """
        ours = _Joined(unit)
        with self._lock:
            self._waiting.append(ours)
            leads, self._led = not self._led, True
        if not leads:
            # Until it is stored or failed, or until it is this thread's turn to lead.
            ours.called.wait()
        if not (ours.stored or ours.failed):
            self._lead()
        return cast("T", ours.result) if ours.stored else self._store.transact(unit)

    def _lead(self) -> None:
        several: list[_Joined[Any]] = []
        try:
            self._commit(several)
        finally:
            with self._lock:
                if not several:
                    # It never came to a transaction; whoever comes next should not wait for us.
                    several.append(self._waiting.popleft())
                for each in several:
                    each.failed = not each.stored
                self._led = bool(self._waiting)
                following = self._waiting[0] if self._waiting else None
            for each in several:
                each.called.set()
            if following is not None:
                following.called.set()

    def _commit(self, several: list[_Joined[Any]]) -> None:
        """Store what waits when the transaction begins, the leader's own first; fills in ``several``."""
        try:
            with self._store.transaction() as session:
                with self._lock:
                    several.extend(self._waiting.popleft() for _ in range(min(MOST, len(self._waiting))))
                if len(several) > 1:
                    self._store.join(session)
                results = [each.unit(session) for each in several]
        except Exception as error:
            # Whose fault it was comes out when each is run by itself, in its own thread.
            log.debug("joined_transaction_failed", units=len(several), error=type(error).__name__, exc_info=True)
            return
        for each, result in zip(several, results, strict=True):
            each.result = result
            each.stored = True

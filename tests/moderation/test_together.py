"""Units of several threads share a transaction, are answered after its commit, and fail alone."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from moderation import together
from moderation.database import Database, asked_once, insert_now, store
from moderation.ids import new_id
from moderation.models import Site

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
PATIENCE = 20.0
T = TypeVar("T")


class Fault(Exception):
    """What a unit of these tests raises."""


def site(name: str) -> Site:
    return Site(id=new_id(), created_at=NOW, name=name, title=name, language="en", time_zone="UTC", origins=[])


def add(name: str) -> Callable[[Session], int]:
    def unit(session: Session) -> int:
        store(session, site(name))
        # Which transaction this is.
        return id(session)

    return unit


def names(database: Database) -> set[str]:
    with database.reading() as session:
        return set(session.scalars(select(Site.name)))


@contextmanager
def waiting(database: Database, *units: Callable[[Session], T]) -> Iterator[list[Future[T]]]:
    """Let the units wait behind one that is under way; they begin together when the block ends."""
    go_on = threading.Event()
    begun = threading.Event()

    def first(_: Session) -> None:
        begun.set()
        assert go_on.wait(PATIENCE)

    with ThreadPoolExecutor(len(units) + 1) as pool:
        leader = pool.submit(database.together, first)
        assert begun.wait(PATIENCE)
        futures = [pool.submit(database.together, unit) for unit in units]
        deadline = time.monotonic() + PATIENCE
        while len(database._together._waiting) < len(units):
            assert time.monotonic() < deadline
            time.sleep(0.001)
        yield futures
        go_on.set()
        leader.result(PATIENCE)


@pytest.fixture
def sqlite(sqlite_url: str) -> Iterator[Database]:
    database = Database(sqlite_url)
    yield database
    database.dispose()


def test_units_that_wait_share_a_transaction_and_all_are_stored(sqlite: Database) -> None:
    with waiting(sqlite, *(add(f"site-{number}") for number in range(5))) as futures:
        pass
    assert len({future.result(PATIENCE) for future in futures}) == 1
    assert names(sqlite) == {f"site-{number}" for number in range(5)}


def test_units_that_come_while_another_process_writes_share_the_transaction_that_comes_next(
    sqlite: Database,
) -> None:
    other = Database(str(sqlite.url))
    with ThreadPoolExecutor(3) as pool:
        with other.transaction():
            futures = [pool.submit(sqlite.together, add(f"site-{number}")) for number in range(3)]
            deadline = time.monotonic() + PATIENCE
            while len(sqlite._together._waiting) < len(futures):
                assert time.monotonic() < deadline
                time.sleep(0.001)
        assert len({future.result(PATIENCE) for future in futures}) == 1
    other.dispose()
    assert names(sqlite) == {f"site-{number}" for number in range(3)}


def test_who_never_gets_a_turn_does_not_hold_up_those_behind(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise Fault

    with monkeypatch.context() as patch:
        patch.setattr(sqlite, "transaction", broken)
        with pytest.raises(Fault):
            sqlite.together(add("never"))
    sqlite.together(add("afterwards"))
    assert names(sqlite) == {"afterwards"}


def test_a_unit_that_fails_takes_nothing_with_it(sqlite: Database) -> None:
    def bad(session: Session) -> int:
        store(session, site("bad"))
        raise Fault

    with waiting(sqlite, add("before"), bad, add("after")) as futures:
        pass
    before, failed, after = futures
    assert isinstance(failed.exception(PATIENCE), Fault)
    assert before.exception(PATIENCE) is None
    assert after.exception(PATIENCE) is None
    assert names(sqlite) == {"before", "after"}


def test_rows_that_break_a_rule_together_are_stored_as_far_as_they_can_be(sqlite: Database) -> None:
    twin = site("twin")

    def again(session: Session) -> int:
        found = session.get(Site, twin.id)
        if found is None:
            store(session, site_like(twin))
        return 1

    with waiting(sqlite, again, again, add("other")) as futures:
        pass
    assert [future.exception(PATIENCE) for future in futures] == [None, None, None]
    assert names(sqlite) == {"twin", "other"}


def site_like(one: Site) -> Site:
    copy = site(one.name)
    copy.id = one.id
    return copy


def test_more_units_than_one_transaction_takes_are_all_answered(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "MOST", 2)
    with waiting(sqlite, *(add(f"site-{number}") for number in range(5))) as futures:
        pass
    assert all(future.exception(PATIENCE) is None for future in futures)
    assert len(names(sqlite)) == 5


def test_what_a_unit_returns_is_its_own(sqlite: Database) -> None:
    with waiting(sqlite, lambda _: "one", lambda _: "two") as futures:
        pass
    assert [future.result(PATIENCE) for future in futures] == ["one", "two"]


def test_a_unit_alone_is_stored_at_once_and_its_error_is_its_own(database: Database) -> None:
    def bad(_: Session) -> None:
        raise Fault

    database.together(add("alone"))
    with pytest.raises(Fault):
        database.together(bad)
    # Nobody was left to lead for ever.
    database.together(add("afterwards"))
    assert names(database) == {"alone", "afterwards"}


def test_bells_ring_once_for_all_after_the_commit(sqlite: Database) -> None:
    rung: list[tuple[str, int]] = []

    def unit(name: str) -> Callable[[Session], int]:
        def add_and_ring(session: Session) -> int:
            session.info.setdefault("bells", set()).add("moderate")
            return add(name)(session)

        return add_and_ring

    sqlite.ring = lambda kind: rung.append((kind, len(names(sqlite))))
    with waiting(sqlite, unit("one"), unit("two")) as futures:
        pass
    assert all(future.exception(PATIENCE) is None for future in futures)
    assert rung == [("moderate", 2)]


def test_a_joined_transaction_inserts_at_its_end_or_when_told_to(database: Database) -> None:
    with database.transaction(joined=True) as session:
        store(session, site("later"))
        assert session.scalar(select(func.count()).select_from(Site)) == 0
        insert_now(session)
        assert session.scalar(select(func.count()).select_from(Site)) == 1
        store(session, site("last"))
    assert names(database) == {"later", "last"}


def test_a_joined_transaction_asks_once_and_another_each_time(database: Database) -> None:
    asked: list[int] = []

    def ask() -> int:
        asked.append(1)
        return len(asked)

    with database.transaction(joined=True) as session:
        assert [asked_once(session, "x", ask), asked_once(session, "x", ask)] == [1, 1]
    with database.transaction() as session:
        assert [asked_once(session, "x", ask), asked_once(session, "x", ask)] == [2, 3]

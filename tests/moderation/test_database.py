"""Writers on SQLite take turns, also those of several processes, and nobody waits without an end."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from moderation import database
from moderation.database import Database, store
from moderation.ids import new_id
from moderation.models import Site, User

PATIENCE = 20.0


@contextmanager
def processes(url: str, count: int) -> Iterator[list[Database]]:
    """As many stores as processes would have, each with its own locks."""
    with ExitStack() as stack:
        stores = [Database(url) for _ in range(count)]
        for each in stores:
            stack.callback(each.dispose)
        yield stores


def is_locked(path: str) -> bool:
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def test_who_waits_longest_writes_next(sqlite_url: str) -> None:
    order: list[str] = []

    def write(store: Database, name: str) -> None:
        with store.transaction():
            order.append(name)

    with processes(sqlite_url, 3) as (first, second, third), ThreadPoolExecutor(2) as pool:
        with first.transaction() as session:
            session.execute(text("UPDATE lease SET holder = holder"))
            waiting = [pool.submit(write, second, "second")]
            deadline = time.monotonic() + PATIENCE
            while not is_locked(f"{second.url.database}-next"):
                assert time.monotonic() < deadline
                time.sleep(0.001)
            # It comes later, and may not slip in.
            waiting.append(pool.submit(write, third, "third"))
            order.append("first")
        for found in waiting:
            found.result(PATIENCE)
    assert order == ["first", "second", "third"]


def test_locks_that_root_makes_belong_to_whom_the_database_belongs(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", lambda _file, uid, gid: given.append((uid, gid)))
    with processes(sqlite_url, 1) as (store,), store.transaction():
        owner = Path(str(store.url.database)).stat()
    assert given == [(owner.st_uid, owner.st_gid)] * 2


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_link_in_the_place_of_a_lock_gives_no_file_of_roots_away(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: Callable[[Path, str], None]
) -> None:
    given: list[int] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", lambda file, _uid, _gid: given.append(os.fstat(file).st_ino))
    roots = tmp_path / "shadow"
    roots.touch()
    with processes(sqlite_url, 1) as (store,):
        link(roots, f"{store.url.database}-turn")
        with suppress(OSError), store.transaction():
            pass
    assert roots.stat().st_ino not in given


def test_a_writer_that_hangs_is_not_waited_for_for_ever(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "TURN", 0.05)
    with processes(sqlite_url, 2) as (hanging, other):
        # It has the turn and does not write: SQLite lets the other one in.
        turn, _ = hanging._turnstiles()
        fcntl.flock(turn, fcntl.LOCK_EX)
        with other.transaction() as session:
            assert session.execute(text("SELECT 1")).scalar() == 1
        fcntl.flock(turn, fcntl.LOCK_UN)


def test_rows_stored_past_the_unit_of_work_are_the_same_with_their_defaults(database: Database) -> None:
    now = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)

    def site(name: str) -> Site:
        return Site(id=new_id(), created_at=now, name=name, title=name.title())

    by_unit, stored, twin = site("unit"), site("stored"), site("twin")
    user = User(id=new_id(), created_at=now, name="ada", email="ada@example.org")
    with database.transaction() as session:
        session.add(by_unit)
        session.flush()
        store(session, stored, twin, user)
    with database.reading() as session:
        expected, *found = (session.get_one(Site, each.id) for each in (by_unit, stored, twin))
        assert [(each.created_at, each.language, each.time_zone, each.origins) for each in found] == [
            (expected.created_at, expected.language, expected.time_zone, expected.origins)
        ] * 2
        assert [each.title for each in found] == ["Stored", "Twin"]
        assert session.get_one(User, user.id).name == "ada"


def test_a_stored_row_that_breaks_a_rule_is_refused_at_once(database: Database) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    with pytest.raises(IntegrityError), database.transaction() as session:
        store(session, *(Site(id=new_id(), created_at=now, name="same", title="") for _ in range(2)))
    with database.reading() as session:
        assert session.scalars(select(Site).where(Site.name == "same")).first() is None


def test_a_stored_row_has_the_defaults_that_its_table_has(database: Database) -> None:
    site = Site(id=new_id(), created_at=datetime(2026, 3, 1, tzinfo=UTC), name="one", title="One")
    with database.transaction() as session:
        store(session, site)
    with database.reading() as session:
        read = session.get_one(Site, site.id)
        assert (site.language, site.time_zone, site.origins) == (read.language, read.time_zone, read.origins) == ("en", "UTC", [])


def test_a_checkpoint_brings_the_log_into_the_file_and_passes_by_a_reader(sqlite_url: str) -> None:
    def waiting() -> tuple[int, int]:
        """Return the pages in the log and how many of them the file has."""
        with writer.engine.connect() as connection:
            _, log, stored = connection.connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return log, stored

    def add(name: str) -> None:
        with writer.transaction() as session:
            store(session, User(id=new_id(), created_at=datetime.now(UTC), email=f"{name}@example.org", name=name))

    with processes(sqlite_url, 2) as (writer, other):
        if database.journal_mode(database.sqlite_module().sqlite_version_info) != "WAL":
            # There is no log, and nothing that a reader could hold up.
            writer.checkpoint()
            return
        add("before")
        with other.reading() as reader:
            assert reader.scalar(select(func.count()).select_from(User)) == 1
            add("after")
            # Not waited for: the reader keeps its picture, and the file what it can have of the log.
            other.checkpoint()
            assert reader.scalar(select(func.count()).select_from(User)) == 1
        other.checkpoint()
        log, stored = waiting()
        assert 0 < stored == log

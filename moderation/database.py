"""Engines and transactions for SQLite (one machine) and PostgreSQL.

SQLite has one writer at a time. Writers take turns on locks of ours, within a process and between processes, and every writing
transaction begins IMMEDIATE: a deferred one that turns into a writer after somebody else's commit
fails at once whatever ``busy_timeout`` says (SQLITE_BUSY_SNAPSHOT). WAL is used only with a library
that has the WAL-reset fix (3.51.3); older ones get the rollback journal. See docs/decisions.
"""

import fcntl
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar, cast

import structlog
from sqlalchemy import Connection, Engine, Executable, Table, create_engine, event, insert, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import func
from sqlalchemy.sql.schema import CallableColumnDefault, ScalarElementColumnDefault

from moderation.models.base import Base, columns
from moderation.models.types import EPOCH, MICROSECOND
from moderation.together import Together

log = structlog.get_logger(__name__)

WAL_SAFE_SINCE = (3, 51, 3)
RETRIES = 4
TURN = 10.0
"""Seconds that a writer waits for the writers of other processes on SQLite."""
TURN_LOOK = 0.0005
"""Seconds between the looks of the writer who is next: while nobody sees that it is free, nobody writes."""
QUEUE_LOOK = 0.002
"""Seconds between the looks of those behind it, whose place is free long before they can write: each look costs a wake-up."""
LONGEST_LOG = 8000
"""Pages of four kilobytes in SQLite's log at which a writer shortens it; before that the relay does, beside the writers."""
TRANSIENT_STATES = ("40001", "40P01", "55P03", "57P01", "57P02", "57P03", "53300", "08000", "08001", "08003", "08004", "08006")
BELLS = "bells"
"""Key of ``Session.info``: the job kinds to ring for once the transaction is committed."""

LATER = "later"
"""Key of ``Session.info`` in a joined transaction: the rows to be inserted before the commit, by table and statement."""

Role = Literal["api", "worker", "tool"]
T = TypeVar("T")


class Database:
    """The store: hands out transactions and tells the doorbell, after each commit, which kinds of job were added."""

    def __init__(self, url: str, *, role: Role = "tool", ring: Callable[[str], None] | None = None) -> None:
        self.url = make_url(url.replace("postgres://", "postgresql://", 1))
        self.role = role
        self.ring = ring
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._writing = threading.Lock()
        self._opened: tuple[int, int, int] | None = None
        self._together = Together(self)
        self.engine = _sqlite_engine(self) if self.is_sqlite else _postgresql_engine(self)

    @contextmanager
    def transaction(self, *, joined: bool = False) -> Iterator[Session]:
        """Open a writing transaction; commits at the end, rolls back on any exception, rings after the commit.

        Services never commit: whoever opened the transaction says what belongs together. A ``joined`` one holds like work
        about several comments: new rows are inserted at its end, many at once (``insert_rows``), and what is the same for
        all of them is asked once (``asked_once``).
        """
        with self._turn(), Session(self.engine, expire_on_commit=False) as session:
            # Begins here, under the lock, and not with the first statement.
            session.connection(execution_options={"tidegate_begin": "IMMEDIATE"})
            if joined:
                self.join(session)
            yield session
            insert_now(session)
            session.commit()
            bells: set[str] = session.info.get(BELLS, set())
        if self.ring is not None:
            for kind in sorted(bells):
                self.ring(kind)

    def join(self, session: Session) -> None:
        """Make a transaction that has just begun a joined one, see ``transaction``."""
        session.info[LATER] = {}

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for this writer's turn on SQLite, where there is one at a time.

        Threads queue on a lock of ours, processes on a lock of the system: SQLite's own waiting is to sleep and try again, up to
        a tenth of a second at a time, and whoever has just begun to wait gets in before whoever waited long.
        """
        if not self.is_sqlite:
            yield
            return
        with self._writing:
            if self.url.database in {None, "", ":memory:"}:
                yield
                return
            turn, following = self._turnstiles()
            until = time.monotonic() + TURN
            # Who is next waits alone: whoever has just written must get behind, and cannot slip in again.
            held = _locked(following, until, look=QUEUE_LOOK) and _locked(turn, until, look=TURN_LOOK)
            fcntl.flock(following, fcntl.LOCK_UN)
            try:
                # Without a turn it is up to SQLite, which may refuse.
                yield
            finally:
                if held:
                    fcntl.flock(turn, fcntl.LOCK_UN)

    def _turnstiles(self) -> tuple[int, int]:
        """Return the files that the processes' writers lock; each process opens them for itself, as a lock is its opener's."""
        if self._opened is None or self._opened[0] != os.getpid():
            turn, following = (_lock_file(f"{self.url.database}-{name}", self.url.database or "") for name in ("turn", "next"))
            self._opened = (os.getpid(), turn, following)
        return self._opened[1:]

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction that only reads: one consistent picture, no lock that a writer would wait for."""
        with Session(self.engine, expire_on_commit=False) as session:
            session.connection(execution_options={"tidegate_begin": "DEFERRED", "postgresql_readonly": True})
            yield session
            # What was read stays readable after the end; a rollback would expire it.
            session.expunge_all()
            session.rollback()

    @contextmanager
    def glancing(self) -> Iterator[Connection]:
        """Open a connection for a look at something that one statement tells: a transaction would cost as much again."""
        with self.engine.connect().execution_options(tidegate_begin="NONE") as connection:
            yield connection

    def together(self, unit: Callable[[Session], T]) -> T:
        """Run a unit of work as ``transact`` does; on SQLite in one transaction with those that other threads bring meanwhile.

        For units without savepoints, which would not take back what is inserted at the end, and that read none of it.
        """
        return self._together.run(unit) if self.is_sqlite else self.transact(unit)

    def transact(self, unit: Callable[[Session], T], *, joined: bool = False) -> T:
        """Run a unit of work in a writing transaction, again when the database asked for it.

        Repeats deadlocks, serialization failures, lost connections and a unique key that a twin was faster to
        take; the unit must therefore find what it may already have stored (RELIABILITY: a commit whose outcome is
        unknown is not a failure).
        """
        for trial in range(RETRIES):
            try:
                with self.transaction(joined=joined) as session:
                    return unit(session)
            except DBAPIError as error:
                if trial == RETRIES - 1 or not _worth_repeating(error):
                    raise
                log.info("transaction_repeated", trial=trial + 1, error=type(error.orig).__name__)
                # A short, growing, random pause lets the other side finish; nothing can be awaited here.
                time.sleep(random.uniform(0.01, 0.05) * 2**trial)  # noqa: S311 (jitter, not a secret)
        raise AssertionError("unreachable: the last trial returns or raises")

    def moment(self) -> datetime:
        """Return the same clock for somebody who has no transaction open; on SQLite nothing is asked for it."""
        if self.is_sqlite:
            return self.now(None)
        with self.reading() as session:
            return self.now(session)

    def now(self, session: Session | None) -> datetime:
        """Return the database's clock where it has one of its own, so that leases do not depend on workers' clocks.

        SQLite has none, and needs no ``session``.
        """
        if session is None or self.is_sqlite:
            return datetime.now(UTC)
        clock: datetime = session.scalars(select(func.clock_timestamp())).one()
        return clock.astimezone(UTC)

    def checkpoint(self) -> None:
        """Bring what SQLite's log holds into its file, as far as that holds nobody up; nothing to do elsewhere.

        Otherwise a writer does it after its commit, when the log has become long, and all others wait for it.
        """
        if self.is_sqlite:
            with self.engine.connect() as connection:
                connection.connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")

    def dispose(self) -> None:
        """Close all connections; a connection must not cross a fork."""
        self.engine.dispose()
        if self._opened is not None and self._opened[0] == os.getpid():
            _, *files = self._opened
            self._opened = None
            for file in files:
                os.close(file)


def _lock_file(path: str, database: str) -> int:
    """Open a lock beside the database; one that root makes is its owner's, as SQLite does with its own files.

    Otherwise one command of root's would leave a lock behind that keeps the services from writing. No link is followed, symbolic
    or hard: whoever may write beside the database could have root give away any file by one. Raises OSError for such a link.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    if os.geteuid() == 0 and Path(database).exists() and os.fstat(file).st_nlink == 1:
        owner = Path(database).stat()
        with suppress(PermissionError):
            # A root that may not give files away, as in some containers, can still write.
            os.fchown(file, owner.st_uid, owner.st_gid)
    return file


def _locked(file: int, until: float, *, look: float) -> bool:
    """Lock a file, looking every ``look`` seconds, or give up at ``until`` on the monotonic clock.

    The system's own waiting knows no end.
    """
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(look)
        else:
            return True


def sqlite_module() -> ModuleType:
    """Return the newest SQLite driver at hand: ``pysqlite3`` brings its own library where a wheel exists."""
    import sqlite3  # noqa: PLC0415 (only where a SQLite database is opened)

    try:
        from pysqlite3 import dbapi2  # noqa: PLC0415
    except ImportError:
        return sqlite3
    return cast("ModuleType", dbapi2 if dbapi2.sqlite_version_info > sqlite3.sqlite_version_info else sqlite3)


def journal_mode(version: tuple[int, ...]) -> Literal["WAL", "DELETE"]:
    """Return the journal mode that is safe with that SQLite library (WAL-reset corruption, fixed in 3.51.3)."""
    return "WAL" if version >= WAL_SAFE_SINCE else "DELETE"


def microseconds(moment: datetime) -> int:
    """Return a moment as SQLite stores it."""
    return (moment - EPOCH) // MICROSECOND


def _sqlite_engine(database: Database) -> Engine:
    module = sqlite_module()
    mode = journal_mode(module.sqlite_version_info)
    engine = create_engine(
        database.url,
        module=module,
        connect_args={"check_same_thread": False, "timeout": 10.0},
        pool_size=40,
        max_overflow=8,
        # An error is logged with its statement, never with the values: a comment's text is among them.
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout=10000")
        found = cursor.execute(f"PRAGMA journal_mode={mode}").fetchone()[0]
        if found.upper() not in {mode, "MEMORY"}:
            log.warning("sqlite_journal_mode", wanted=mode, found=found)
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute(f"PRAGMA wal_autocheckpoint={LONGEST_LOG}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.execute("PRAGMA trusted_schema=OFF")
        cursor.execute("PRAGMA cell_size_check=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        how = connection.get_execution_options().get("tidegate_begin", "IMMEDIATE")
        if how != "NONE":
            connection.exec_driver_sql(f"BEGIN {how}")

    return engine


def _postgresql_engine(database: Database) -> Engine:
    url = database.url.set(drivername="postgresql+psycopg")
    statement_timeout = {"api": 10_000, "worker": 60_000, "tool": 0}[database.role]
    options = (
        f"-c statement_timeout={statement_timeout} -c lock_timeout=3000 "
        "-c idle_in_transaction_session_timeout=30000 -c timezone=UTC"
    )
    return create_engine(
        url,
        pool_size=8,
        max_overflow=8,
        pool_pre_ping=True,
        pool_recycle=1800,
        pool_timeout=5,
        hide_parameters=True,
        connect_args={"options": options, "connect_timeout": 5},
    )


def _worth_repeating(error: DBAPIError) -> bool:
    if isinstance(error, IntegrityError) or error.connection_invalidated:
        return True
    if getattr(error.orig, "sqlstate", None) in TRANSIENT_STATES:
        return True
    return "database is locked" in str(error.orig)


def store(session: Session, *rows: Base) -> None:
    """Insert new rows now, in the order given; they stay plain objects that the session does not know.

    For the paths that every comment takes, where the order is known: the unit of work, which would find it out, takes four times
    as long. Rows of one class that follow each other must have been given the same columns; defaults are filled in.
    """
    place = 0
    while place < len(rows):
        kind = type(rows[place])
        values = []
        while place < len(rows) and type(rows[place]) is kind:
            row = rows[place]
            for name, default in _defaults(kind):
                if name not in vars(row):
                    setattr(row, name, default(None))
            values.append({name: value for name, value in vars(row).items() if name != "_sa_instance_state"})
            place += 1
        insert_rows(session, kind, _insert(kind), values)


def insert_rows(session: Session, kind: type[Base], statement: Executable, rows: list[dict[str, Any]]) -> None:
    """Insert rows of equal names into the table of ``kind`` by a statement made for it; in a joined transaction at its end."""
    later: dict[tuple[int, Executable, tuple[str, ...]], list[dict[str, Any]]] | None = session.info.get(LATER)
    if later is None:
        session.execute(statement, rows if len(rows) > 1 else rows[0])
    else:
        later.setdefault((_place(kind), statement, tuple(rows[0])), []).extend(rows)


def insert_now(session: Session) -> None:
    """Insert what a joined transaction has put off, tables that others refer to first: for who has to read it."""
    later = session.info.get(LATER)
    if later:
        session.info[LATER] = {}
        for (_, statement, _), rows in sorted(later.items(), key=lambda item: item[0][0]):
            session.execute(statement, rows if len(rows) > 1 else rows[0])


def asked_once(session: Session, what: object, ask: Callable[[], T]) -> T:
    """Return the answer to a question; in a joined transaction the first answer holds until its end."""
    if LATER not in session.info:
        return ask()
    answers: dict[object, T] = session.info.setdefault("answers", {})
    if what not in answers:
        answers[what] = ask()
    return answers[what]


def answer(session: Session, answers: Mapping[Any, object]) -> None:
    """Say in a joined transaction what is known already of what ``asked_once`` will be asked; does nothing in another one."""
    if LATER in session.info:
        session.info.setdefault("answers", {}).update(answers)


@cache
def _place(kind: type[Base]) -> int:
    """Return the place of a table in an order in which each comes after those that it refers to."""
    return Base.metadata.sorted_tables.index(cast("Table", kind.__table__))


@cache
def _defaults(kind: type[Base]) -> list[tuple[str, Callable[[Any], Any]]]:
    """Return the columns that have a default, each with what makes it: the object has it too, not only the table."""
    found: list[tuple[str, Callable[[Any], Any]]] = []
    for column in columns(kind):
        made = column.default
        if isinstance(made, ScalarElementColumnDefault):
            found.append((column.key, partial(_same, made.arg)))
        elif isinstance(made, CallableColumnDefault):
            found.append((column.key, cast("Callable[[Any], Any]", made.arg)))
    return found


def _same(value: object, _: object) -> object:
    return value


@cache
def _insert(kind: type[Base]) -> Executable:
    # Into the table and not the mapping, which would make objects of the rows.
    return insert(cast("Table", kind.__table__))


def ping(session: Session) -> None:
    """Ask the database for a sign of life; raises what the driver raises."""
    session.execute(text("SELECT 1"))

"""How much the disk grows with 10,000 comments, on SQLite and on PostgreSQL, and what memory the small profile takes meanwhile.

    .venv/bin/python dev/growth.py [COMMENTS]

The comments go through the small profile's processes as an operator runs them, to one subscribed endpoint. Measured is what they
add to an empty installation at once, and what is left when all that is kept for a time is swept away: docs/deploy.md.
"""

import contextlib
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select, text

from bench.generator import body
from bench.ours import Receiver, call, settings_of
from bench.processes import memory
from bench.texts import texts
from moderation.config import Settings
from moderation.database import Database
from moderation.models import Comment, Delivery, DeliveryState, Job, Status
from moderation.services import housekeeping
from moderation.supervisor import Stack
from tests.servers import PostgresServer, open_folder

BATCH = 100
AHEAD = 400
"""Comments sent and not decided yet, at most: an installation is not that far behind."""

MUCH_LATER = timedelta(days=60)
"""When everything is swept away that is kept for a time."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Bytes on the disk before, with all comments, and when what is kept for a time is gone; the tables by size; resident MB."""

    before: int
    young: int
    old: int
    tables: list[tuple[str, int]]
    resident: dict[str, float]


def measure(settings: Settings, server: PostgresServer | None, count: int) -> Growth:
    """Send the comments through a stack of their own and measure."""
    receiver = Receiver(settings.home.parent / "received.jsonl")
    database = Database(settings.database_url)
    try:
        with Stack(settings, only=("valkey", "relay", "worker", "api")) as stack:
            key = _subscribed(stack, receiver)
            before = size(database)
            sent = 0
            stream = texts(1)
            while sent < count:
                items = [body(sent + each, 1, words) for each, words in enumerate(itertools.islice(stream, BATCH))]
                call(settings.port, key, "POST", "/v1/comments/batch", {"items": items})
                sent += BATCH
                wait(database, AHEAD)
                print(f"\r  {sent} of {count}", end="", flush=True)
            wait(database, 0)
            print()
            resident = {name: sum(memory(pid)[1] for pid in stack.processes(name)) for name in stack.programs}
            if server is not None:
                resident["postgresql"] = sum(memory(pid)[1] for pid in server.processes())
        young = size(database)
        with database.transaction() as session:
            now = database.now(session) + MUCH_LATER
        more = True
        while more:
            with database.transaction() as session:
                more = housekeeping.tidy(session, now=now)
        return Growth(before, young, size(database), by_table(database), resident)
    finally:
        database.dispose()
        receiver.close()


def _subscribed(stack: Stack, receiver: Receiver) -> str:
    """Leave the demo's endpoint out and subscribe the receiver; return the secret key."""
    key: str = json.loads((stack.home / "demo.json").read_text())["secret_key"]
    port = stack.settings.port
    for endpoint in call(port, key, "GET", "/v1/endpoints")["items"]:
        call(port, key, "DELETE", f"/v1/endpoints/{endpoint['id']}")
    receiver.secret = call(port, key, "POST", "/v1/endpoints", {"url": f"http://127.0.0.1:{receiver.port}/"})["secret"]
    return key


def wait(database: Database, at_most: int) -> None:
    """Wait until no more comments than that are undecided; with none, until everything is delivered, too."""
    while True:
        with database.reading() as session:
            waiting = session.scalar(select(func.count()).where(Comment.status == Status.PENDING)) or 0
            if at_most == 0:
                waiting += session.scalar(select(func.count()).where(Delivery.state == DeliveryState.PENDING)) or 0
                waiting += session.scalar(select(func.count()).select_from(Job)) or 0
        if waiting <= at_most:
            return
        time.sleep(0.2)


def size(database: Database) -> int:
    """Return the bytes of the database with no space in it that could be given back."""
    if database.is_sqlite:
        path = Path(database.url.database or "")
        with contextlib.closing(database.engine.raw_connection()) as connection:
            connection.driver_connection.isolation_level = None  # type: ignore[union-attr]
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return path.stat().st_size
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM FULL"))
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


def by_table(database: Database) -> list[tuple[str, int]]:
    """Return the largest tables, indexes included; empty on SQLite, whose usual builds cannot say."""
    if database.is_sqlite:
        return []
    asked = text(
        "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace "
        "ORDER BY 2 DESC LIMIT 8"
    )
    with database.engine.connect() as connection:
        return [(str(name), int(bytes_)) for name, bytes_ in connection.execute(asked)]


@contextlib.contextmanager
def postgresql() -> Iterator[tuple[str, PostgresServer]]:
    """Run a PostgreSQL of our own; give the address of an empty database in it."""
    with open_folder("tidegate-growth-") as folder:
        server = PostgresServer(folder)
        server.create()
        server.start()
        try:
            yield server.create_database("tidegate"), server
        finally:
            server.stop()


def report(kind: str, count: int, found: Growth) -> None:
    """Print what was measured, per 10,000 comments."""
    each = 10_000 / count / 1e6
    print(f"{kind}: {(found.young - found.before) * each:.1f} MB at once, {(found.old - found.before) * each:.1f} MB for good")
    if found.tables:
        print("  " + ", ".join(f"{name} {bytes_ / 1e6:.1f}" for name, bytes_ in found.tables))
    resident = ", ".join(f"{name} {size_:.0f}" for name, size_ in found.resident.items())
    print(f"  resident after {count} comments, shared pages counted once: {sum(found.resident.values()):.0f} MB ({resident})")


def main(count: int) -> int:
    """Measure both databases."""
    for kind in ("SQLite", "PostgreSQL"):
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            settings = replace(settings_of(Path(folder) / "home"), profile="small")
            server = None
            if kind == "PostgreSQL":
                url, server = stack.enter_context(postgresql())
                settings = replace(settings, database_url=url)
            report(kind, count, measure(settings, server, count))
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))

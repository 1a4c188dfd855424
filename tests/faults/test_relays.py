"""Two relays at once, then ten, and again and again the one at work is killed: RELIABILITY's fault 27.

A reader follows the feed all the while. What it saw must be what stands there at the end: no place was skipped, given twice or
given anew.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import ColumnElement, func, select

from moderation.models import Audit, Event, Lease
from moderation.services import audit, sealing
from tests.moderation.services.conftest import SECRET
from tests.packaging.compose import ROOT
from tests.servers import tied

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

PATIENCE = 60.0
SEED = 20_261_125


class Relays:
    """Relay processes on the database of a blog."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self._folder = folder
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("TIDEGATE_")} | {
            "TIDEGATE_HOME": str(folder / "home"),
            "TIDEGATE_SECRET": SECRET.decode(),
            "DATABASE_URL": database_url,
            "REDIS_URL": "",
        }
        self.running: list[subprocess.Popen[bytes]] = []
        self._log = folder / "relays.log"

    def start(self, count: int) -> None:
        for _ in range(count):
            command = [*tied(self._folder / "relay.tether"), sys.executable, "-m", "workers.relay"]
            with self._log.open("ab") as log:
                self.running.append(subprocess.Popen(command, cwd=ROOT, env=self._environment, stdout=log, stderr=log))

    def started(self) -> int:
        return self.said().count('"relay_started"')

    def said(self) -> str:
        return self._log.read_text()

    def kill(self, pid: int) -> bool:
        """Kill the relay of this process id; false where it is none of ours."""
        for relay in self.running:
            if relay.pid == pid:
                relay.kill()
                relay.wait()
                self.running.remove(relay)
                return True
        return False

    def end(self) -> list[int]:
        for relay in self.running:
            relay.send_signal(signal.SIGTERM)
        return [relay.wait(PATIENCE) for relay in self.running]


@pytest.fixture
def relays(tmp_path: Path, database_url: str) -> Iterator[Relays]:
    made = Relays(tmp_path, database_url)
    yield made
    for relay in made.running:
        relay.kill()
        relay.wait()


def wait(what: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.05)


class Traffic:
    """A blog on which things happen, and a subscriber who reads its feed behind what was read before."""

    def __init__(self, blog: Any) -> None:
        self.blog = blog
        self.read: list[tuple[int, UUID]] = []
        self.troubles: list[str] = []
        self._draw = random.Random(SEED)
        self._written, self._over = threading.Event(), threading.Event()
        self._writers = [threading.Thread(target=self._write) for _ in range(2)]
        self._reader = threading.Thread(target=self._follow)
        for thread in (self._reader, *self._writers):
            thread.start()

    def end(self) -> None:
        """Let nothing more happen, and wait until the reader has seen all that was placed."""
        self._written.set()
        for writer in self._writers:
            writer.join()
        try:
            wait("everything placed", lambda: self.number(Event.feed_pos.is_(None)) + self.number(Audit.seq.is_(None)) == 0)
        finally:
            self._over.set()
            self._reader.join()

    def number(self, condition: ColumnElement[bool]) -> int:
        with self.blog.database.reading() as session:
            return session.scalar(select(func.count()).where(condition)) or 0

    def feed(self) -> list[tuple[int, UUID]]:
        return self._behind(0)

    def breaks(self) -> list[sealing.Break]:
        with self.blog.database.reading() as session:
            return list(sealing.verify_audit(session, sealing.audit_key(SECRET), now=self.blog.database.now(session)))

    def _behind(self, position: int) -> list[tuple[int, UUID]]:
        with self.blog.database.reading() as session:
            found = session.execute(select(Event.feed_pos, Event.id).where(Event.feed_pos > position).order_by(Event.feed_pos))
            return [(place, event) for place, event in found]

    def _follow(self) -> None:
        while True:
            last = self._over.is_set()
            found = self._behind(self.read[-1][0] if self.read else 0)
            self.read += found
            if last and not found:
                return
            self._over.wait(0.02)

    def _write(self) -> None:
        database = self.blog.database
        try:
            while not self._written.is_set():
                subject = str(self.blog.submit().comment_id)
                with database.transaction() as session:
                    now = database.now(session)
                    audit.record(session, site_id=self.blog.site_id, actor="test", action="x", subject=subject, now=now)
                self._written.wait(self._draw.uniform(0.01, 0.05))
        except Exception as error:
            self.troubles.append(repr(error))
            raise


def kill_the_one_at_work(traffic: Traffic, relays: Relays) -> None:
    """Kill whichever relay has the sealer's lease, and wait until another one has taken its place."""

    def killed() -> bool:
        with traffic.blog.database.reading() as session:
            holder = session.scalar(select(Lease.holder).where(Lease.name == sealing.SEALER)) or ":0"
        return relays.kill(int(holder.rpartition(":")[2]))

    wait("a relay at work, killed", killed)
    before = len(traffic.feed())
    wait("another one at work", lambda: len(traffic.feed()) > before)


def test_of_many_relays_one_places_and_seals_also_when_it_is_killed(blog: Any, relays: Relays) -> None:
    # A start costs most of the time; ten on the database that has one writer at a time are the harder case.
    many = 10 if blog.database.is_sqlite else 4
    traffic = Traffic(blog)
    try:
        relays.start(2)
        wait("two relays", lambda: relays.started() == 2)
        kill_the_one_at_work(traffic, relays)
        relays.start(many - 1)
        wait(f"{many} relays", lambda: relays.started() == many + 1)
        for _ in range(2):
            kill_the_one_at_work(traffic, relays)
            assert traffic.breaks() == []
    finally:
        traffic.end()
    assert relays.end() == [0] * (many - 2)
    assert traffic.troubles == []
    feed = traffic.feed()
    assert [position for position, _ in feed] == list(range(1, len(feed) + 1))
    assert traffic.read == feed, f"seed {SEED}"
    assert traffic.breaks() == []
    assert '"level": "error"' not in relays.said()

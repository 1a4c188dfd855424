"""A running stack with a receiver and a client, to be broken and then judged."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from sqlalchemy import func, select

from dev.thousand import Receiver as Inbox
from dev.thousand import processes
from moderation.config import master_key
from moderation.database import Database
from moderation.models import DeliveryState, KeyKind, Publication, Role
from moderation.services import keys, sealing, sites
from moderation.services import processes as heartbeats
from tests.faults.checker import History, Received, violations
from tests.packaging.installation import Up

PATIENCE = 60.0
"""Seconds that a client goes on trying."""

CIVIL = (
    "The minister explained the budget for rail travel rather well this time.",
    "My grandmother grew up beside that river and loved its old bridge.",
    "Could the newsroom publish the figures as a table as well, please?",
    "Winter tyres would have helped more than another speed limit, I think.",
    "Reading this over breakfast made me hungry for pancakes and maple syrup.",
    "You are a stupid, worthless idiot and everybody here hates you.",
)


class Broken:
    """One installation under test: what its clients saw, what its receiver got, and the verdict of the checker."""

    def __init__(self, up: Up, database_url: str, *, inbox: Inbox | None = None) -> None:
        """``inbox`` is the receiver of an installation whose backup this one was made from: it hears of both."""
        self.up = up
        self.up.wait_ready()
        self.base = up.demo()["base_url"]
        self.key = up.demo()["secret_key"]
        self.database = Database(database_url)
        self.history = History()
        self.troubles: list[int] = []
        self._lock = threading.Lock()
        # The words of what was sent before a backup are not to come again.
        self._sent = 0 if inbox is None else 100_000
        self.inbox = inbox or Inbox()
        if inbox is None:
            self.inbox.secret = self.call("POST", "/v1/endpoints", {"url": self.inbox.url})["secret"]

    def close(self) -> None:
        """Let go of the database and the receiver's port."""
        self.database.dispose()
        self.inbox.server.shutdown()
        self.inbox.server.server_close()

    @property
    def home(self) -> Path:
        return self.up.home

    def environment(self) -> dict[str, str]:
        """Return what the stack's own relay runs in, for more programs of the installation."""
        (relay,) = processes(self.home, lambda line: "workers.relay" in line)
        pairs = Path(f"/proc/{relay}/environ").read_bytes().decode().split("\0")
        return dict(pair.split("=", 1) for pair in pairs if "=" in pair)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request again and again until it is answered with something else than a fault of ours."""
        status, answer = self.ask(method, path, body, **headers)
        assert status < 400, f"{method} {path}: {status} {answer}"
        return answer

    def ask(self, method: str, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> tuple[int, Any]:
        """Return the answer of a request that is sent until nothing of ours fails, with its status.

        ``body`` is sent as it is where it is bytes. What fails is noted in ``troubles``.
        """
        deadline = time.monotonic() + PATIENCE
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        while True:
            request = Request(
                self.base + path,
                data=data,
                method=method,
                headers={"Authorization": f"Bearer {key or self.key}", "Content-Type": "application/json", **headers},
            )
            try:
                with urlopen(request, timeout=30) as answer:
                    return answer.status, json.loads(answer.read() or b"null")
            except HTTPError as error:
                with error:
                    if error.code < 500 and error.code != 429:
                        return error.code, json.loads(error.read() or b"null")
                    self.troubles.append(error.code)
            except (URLError, HTTPException, ConnectionError, TimeoutError):
                pass
            assert time.monotonic() < deadline, f"{method} {path}: no answer"
            time.sleep(0.1)

    def moderator(self, name: str) -> str:
        """Return the personal key of a new moderator of the demo site."""
        with self.database.transaction() as session:
            now = self.database.now(session)
            site = sites.find(session, self.up.demo()["site"])
            email = f"{name.lower()}@blog.example"
            user = sites.add_member(session, site.id, email=email, name=name, role=Role.MODERATOR, by="test", now=now)
            return keys.create(
                session,
                site.id,
                KeyKind.PERSONAL,
                name=name,
                user_id=user.id,
                secret=master_key(self.home),
                by="test",
                now=now,
            ).shown

    def decided(self, body: str, **changes: Any) -> Any:
        """Send a comment of these words and return it as it stands once a machine has decided."""
        with self._lock:
            self._sent += 1
            number = self._sent
        asked = {
            "post": {"id": f"p{number % 5}", "url": f"https://blog.example/{number % 5}", "title": "A page"},
            "author": {"id": f"reader-{number}", "name": f"Reader {number}"},
            "body": body,
            **changes,
        }
        key = f"key-{number}"
        shown = self.call("POST", "/v1/comments", asked, **{"Idempotency-Key": key, "Prefer": "wait=10"})["id"]
        self.history.acknowledged[key].append(shown)
        self.wait(f"{shown} decided", lambda: self.call("GET", f"/v1/comments/{shown}")["status"] != "pending")
        return self.call("GET", f"/v1/comments/{shown}")

    def submit(self) -> str:
        """Send one comment, different from all others, until it is acknowledged."""
        with self._lock:
            self._sent += 1
            number = self._sent
        body = {
            "post": {"id": f"p{number % 5}", "url": f"https://blog.example/{number % 5}", "title": "A page"},
            "author": {"id": f"reader-{number}", "name": f"Reader {number}"},
            "body": f"{CIVIL[number % len(CIVIL)]} ({number * 7919 % 100_003})",
        }
        key = f"key-{number}"
        shown: str = self.call("POST", "/v1/comments", body, **{"Idempotency-Key": key})["id"]
        with self._lock:
            self.history.acknowledged[key].append(shown)
        return shown

    def submit_many(self, count: int, *, at_once: int = 4) -> list[str]:
        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(lambda _: self.submit(), range(count)))

    def mistake(self) -> None:
        """Send what no server should accept, and note how it was answered."""
        request = Request(
            f"{self.base}/v1/comments",
            data=b'{"body": 1}',
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )
        try:
            with urlopen(request, timeout=30) as answer:
                self.history.faulty.append(answer.status)
        except HTTPError as error:
            with error:
                self.history.faulty.append(error.code)

    def signal(self, part: str, number: signal.Signals, *, child: bool = False) -> None:
        """Send a signal to a part's process group, or to the child of the moderate worker alone."""
        if child:
            for pid in processes(self.home, lambda line: "billiard.spawn" in line):
                os.kill(pid, number)
            return
        os.killpg(int((self.home / "run" / f"{part}.pid").read_text()), number)

    def wait(self, what: str, condition: Callable[[], bool], seconds: float = 90.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
            time.sleep(0.1)

    def heal(self) -> None:
        """Wait until every process is back, then see how long a new comment takes to be decided."""
        self.wait("ready", lambda: self._ready() and self._all_run())
        began = time.monotonic()
        shown = self.submit()
        self.wait("a new comment decided", lambda: self.call("GET", f"/v1/comments/{shown}")["status"] != "pending")
        self.history.healed.append(time.monotonic() - began)

    def verdict(self) -> list[str]:
        """Wait until nothing is due, and let the checker judge."""
        self.mistake()
        key = sealing.audit_key(master_key(self.home))
        found: list[str] = []

        def settled() -> bool:
            received = Received(dict(self.inbox.seen), list(self.inbox.bad))
            found[:] = violations(self.database, self.history, received, audit_key=key)
            return not found

        deadline = time.monotonic() + 90
        while not settled() and time.monotonic() < deadline:
            time.sleep(0.5)
        return found

    def open_publications(self) -> int:
        """Return how many comments the blog is not up to date with yet."""
        pending = select(func.count()).select_from(Publication).where(Publication.state == DeliveryState.PENDING)
        with self.database.reading() as session:
            return session.scalar(pending) or 0

    def _all_run(self) -> bool:
        """Tell whether the processes that were heard of are running: a heartbeat outlives its process by some seconds."""
        with self.database.reading() as session:
            alive = heartbeats.alive(session, now=self.database.now(session))
        running = [found.kind for found in alive if Path(f"/proc/{found.process.rpartition(':')[2]}").exists()]
        # The one worker of a small machine is "deliver+moderate".
        return {each for kind in running for each in kind.split("+")} >= {"moderate", "deliver", "relay"}

    def _ready(self) -> bool:
        try:
            with urlopen(f"{self.base}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (HTTPError, URLError, HTTPException, ConnectionError, TimeoutError):
            return False

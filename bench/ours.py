"""Tidegate under load, as ``make up`` runs it: from a comment's submission to its signed webhook at a local receiver."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from standardwebhooks.webhooks import Webhook

from bench.generator import Plan, Sent
from bench.load import Step, step
from bench.processes import memory
from moderation.config import Settings
from moderation.database import sqlite_module
from moderation.embedded import free_port
from moderation.supervisor import Stack

PROGRAMS = ("valkey", "relay", "moderate", "deliver", "api")
DECIDED = {"comment.approved", "comment.flagged", "comment.rejected"}


def settings_of(home: Path) -> Settings:
    """Return the settings of a default installation in this home, on a free port and with SQLite."""
    for name in [name for name in os.environ if name.startswith(("TIDEGATE_", "DATABASE_", "REDIS_"))]:
        del os.environ[name]
    os.environ.update(TIDEGATE_HOME=str(home), TIDEGATE_PORT=str(free_port()), TIDEGATE_WEBHOOK_ALLOW="127.0.0.1")
    return Settings.from_env()


def call(port: int, key: str, method: str, path: str, body: object = None) -> Any:
    """Send one request to the API and return what it answers; raises RuntimeError for an error."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    with connection.getresponse() as answer:
        content = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {content.decode()}")
    connection.close()
    return json.loads(content or b"null")


class Receiver:
    """The endpoint, a process of its own, and what it noted."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.process = subprocess.Popen([sys.executable, "-m", "bench.receiver", str(file)], stdout=subprocess.PIPE, text=True)
        if self.process.stdout is None:
            raise RuntimeError("the receiver has no output")
        self.port = int(self.process.stdout.readline())
        self.secret = ""
        self.came: dict[str, float] = {}
        self.verified = 0
        self._read = 0

    def read(self) -> Mapping[str, float]:
        """Verify what is new and return when the first delivery about each comment's decision came; raises on a bad signature."""
        with self.file.open("rb") as lines:
            lines.seek(self._read)
            content = lines.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._read += len(whole)
        verifier = Webhook(self.secret)
        for line in whole.splitlines():
            found = json.loads(line)
            verifier.verify(found["body"], found["headers"])
            self.verified += 1
            event = json.loads(found["body"])
            if event["type"] in DECIDED:
                self.came.setdefault(event["data"]["comment"]["id"], found["came"])
        return self.came

    def close(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.wait()


class Ours:
    """A running stack with its receiver."""

    def __init__(self, stack: Stack, receiver: Receiver, *, ready_after: float) -> None:
        self.stack = stack
        self.ready_after = ready_after
        self.receiver = receiver
        self.port = stack.settings.port
        self.key: str = json.loads((stack.home / "demo.json").read_text())["secret_key"]
        for endpoint in call(self.port, self.key, "GET", "/v1/endpoints")["items"]:
            # The demo blog does not run here.
            call(self.port, self.key, "DELETE", f"/v1/endpoints/{endpoint['id']}")
        url = f"http://127.0.0.1:{receiver.port}/"
        receiver.secret = call(self.port, self.key, "POST", "/v1/endpoints", {"url": url})["secret"]
        self._seed = 0
        self._row = 0
        file = stack.settings.database_url.removeprefix("sqlite:///")
        self._reader = sqlite_module().connect(f"file:{file}?mode=ro", uri=True, check_same_thread=False, timeout=10)

    def run(self, rate: float, seconds: float, *, wait: bool = True) -> Step:
        """Offer a load and return what came of it; without ``wait`` nobody judges, and only the answers are measured."""
        self._seed += 1
        return step(
            Plan(self.port, "/v1/comments", self.key, rate, seconds, self._seed),
            stages=self.stages(),
            decided=self._decided,
            delivered=self._delivered,
            wait=wait,
        )

    def stages(self) -> dict[str, list[int]]:
        """Return the processes of each program that runs."""
        running = [name for name, state in self.stack.states().items() if state == "RUNNING"]
        return {name: self.stack.processes(name) for name in PROGRAMS if name in running} | {
            "receiver": [self.receiver.process.pid]
        }

    def memory(self) -> dict[str, tuple[float, float]]:
        """Return the resident and proportional MB of the largest process of each program."""
        return {name: max(memory(pid) for pid in pids) for name, pids in self.stages().items()}

    def intake_alone(self) -> None:
        """Stop all that works behind the API."""
        for name in ("moderate", "deliver", "relay"):
            self.stack.stop_program(name)

    def _decided(self) -> dict[int, float]:
        """Return what has become visible since the last look; rows of one writer at a time come in the order of their commits."""
        query = (
            "SELECT decision.rowid, comment.external_id FROM decision JOIN comment ON comment.id = decision.comment_id "
            "WHERE decision.rowid > ? ORDER BY decision.rowid"
        )
        found = self._reader.execute(query, (self._row,)).fetchall()
        now = time.time()
        if found:
            self._row = found[-1][0]
        mark = f"bench-{self._seed}-"
        return {int(external.removeprefix(mark)): now for _, external in found if external.startswith(mark)}

    def _delivered(self, sent: list[Sent]) -> dict[int, float]:
        came = self.receiver.read()
        return {each.number: came[each.comment] for each in sent if each.comment in came}


@contextmanager
def running(home: Path) -> Iterator[Ours]:
    """Run a stack with its receiver."""
    receiver = Receiver(home.parent / "received.jsonl")
    try:
        began = time.monotonic()
        with Stack(settings_of(home), only=PROGRAMS) as stack:
            yield Ours(stack, receiver, ready_after=time.monotonic() - began)
    finally:
        receiver.close()

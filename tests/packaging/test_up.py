"""`tidegate up` as a person runs it: ready in seconds, small, used by script, stopped by Ctrl-C, resumed by a second start."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from moderation.embedded import free_port, is_free
from tests.packaging.compose import ROOT

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

READY = 10.0
"""Seconds from an installed tree to a stack that is ready."""
RESIDENT = 1200
"""MB that the whole stack may take, shared pages counted once."""
SMALL_RESIDENT = 700
"""The same for the small profile: a machine with 1 GB has to hold the system, too."""
COMMENT = {
    "post": {"id": "p", "url": "https://example.org/p"},
    "author": {"name": "Ada"},
    "body": "A fine and thoughtful article.",
}


class Up:
    """A running `tidegate up`."""

    def __init__(self, home: Path, port: int, settings: dict[str, str]) -> None:
        self.home = home
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("TIDEGATE_", "DATABASE_", "REDIS_"))
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "moderation.cli", "up"],
            cwd=ROOT,
            env={**environment, "HOME": str(home.parent), "TIDEGATE_HOME": str(home), "TIDEGATE_PORT": str(port), **settings},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.said = ""

    def wait_ready(self) -> float:
        """Read what it says until it is ready; return the seconds that it took."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if found := re.search(r"ready after ([\d.]+) s", line):
                return float(found[1])
        logs = "\n".join(path.read_text()[-2000:] for path in (self.home / "logs").glob("*.log"))
        raise AssertionError(f"it ended before it was ready: {self.said}\n{logs}")

    def demo(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.home / "demo.json").read_text())
        return found

    def call(self, path: str, body: Any = None) -> Any:
        headers = {
            "Authorization": f"Bearer {self.demo()['secret_key']}",
            "Content-Type": "application/json",
            "Prefer": "wait=10",
        }
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(self.demo()["base_url"] + path, data=data, headers=headers), timeout=20) as answer:
                return json.load(answer)
        except HTTPError as error:
            with error:
                raise AssertionError(f"{path}: {error.status} {error.read().decode()}") from error

    def processes(self) -> list[int]:
        """Return the ids of all processes of this installation, by the home in their environment."""
        mark = f"TIDEGATE_HOME={self.home}\0".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return found

    def resident(self) -> int:
        """Return the MB that all its processes take, shared pages counted once."""
        sizes = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self.processes()]
        return sum(int(size.split("Pss:")[1].split()[0]) for size in sizes) // 1024

    def end(self, signal_number: signal.Signals) -> int:
        self.process.send_signal(signal_number)
        self.said += self.process.communicate(timeout=90)[0]
        return self.process.returncode

    def wait_gone(self) -> None:
        deadline = time.monotonic() + 60
        while left := self.processes():
            assert time.monotonic() < deadline, f"still there: {left}"
            time.sleep(0.1)


@pytest.fixture
def port() -> int:
    while not is_free((port := free_port()) + 1):
        pass
    return port


@pytest.fixture
def start(tmp_path: Path, port: int) -> Iterator[Any]:
    started: list[Up] = []

    def starting(**settings: str) -> Up:
        started.append(Up(tmp_path / "home", port, settings))
        return started[-1]

    yield starting
    for up in started:
        if up.process.poll() is None:
            up.end(signal.SIGTERM)


def test_a_first_start_serves_and_a_second_one_resumes(start: Any) -> None:
    first: Up = start()
    took = [first.wait_ready()]
    demo = first.demo()
    addresses, keys = {"base_url", "login_url", "console_url", "demo_blog_url"}, {"secret_key", "publishable_key", "door_key"}
    assert set(demo) == addresses | keys | {"site", "webhook_secret"}
    assert stat.S_IMODE((first.home / "demo.json").stat().st_mode) == 0o600
    assert {stat.S_IMODE(path.stat().st_mode) for path in (first.home, first.home / "data", first.home / "keys")} == {0o700}
    comment = first.call("/v1/comments", COMMENT)
    assert comment["status"] == "approved"
    assert first.resident() <= RESIDENT
    with urlopen(demo["demo_blog_url"], timeout=10) as page:
        assert page.status == 200
    assert first.end(signal.SIGINT) == 0
    assert first.processes() == []

    second: Up = start()
    took.append(second.wait_ready())
    assert second.demo() == demo
    assert second.call(f"/v1/comments/{comment['id']}")["body"] == COMMENT["body"]
    assert second.end(signal.SIGTERM) == 0
    assert second.processes() == []
    assert min(took) < READY, took


def test_parts_that_are_killed_come_back_and_the_comments_of_that_time_are_decided(start: Any) -> None:
    up: Up = start()
    up.wait_ready()
    for name in ("moderate", "valkey", "relay", "deliver"):
        os.killpg(int((up.home / "run" / f"{name}.pid").read_text()), signal.SIGKILL)
        assert up.call("/v1/comments", COMMENT | {"external_id": name})["id"]
    deadline = time.monotonic() + 30
    while pending := up.call("/v1/comments?status=pending")["items"]:
        assert time.monotonic() < deadline, pending
        time.sleep(0.2)


def test_nothing_outlives_a_supervisor_that_is_killed_outright(start: Any) -> None:
    up: Up = start()
    up.wait_ready()
    up.end(signal.SIGKILL)
    up.wait_gone()
    again: Up = start()
    again.wait_ready()


def test_with_redis_dead_for_good_comments_are_decided_and_no_worker_ends(start: Any) -> None:
    up: Up = start(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    up.wait_ready()
    workers = [int((up.home / "run" / f"{name}.pid").read_text()) for name in ("moderate", "deliver", "relay")]
    for number in range(3):
        comment = up.call("/v1/comments", COMMENT | {"external_id": str(number)})
        assert comment["decision"]["by"] == "machine"
    assert [int((up.home / "run" / f"{name}.pid").read_text()) for name in ("moderate", "deliver", "relay")] == workers
    assert up.end(signal.SIGTERM) == 0
    assert up.processes() == []


def test_the_small_profile_judges_and_delivers_in_one_worker(start: Any) -> None:
    up: Up = start(TIDEGATE_PROFILE="small")
    up.wait_ready()
    assert up.call("/v1/comments", COMMENT)["status"] == "approved"
    deadline = time.monotonic() + 15
    while {delivery["state"] for delivery in up.call("/v1/deliveries")["items"]} != {"delivered"}:
        assert time.monotonic() < deadline, up.call("/v1/deliveries")
        time.sleep(0.1)
    assert up.resident() <= SMALL_RESIDENT

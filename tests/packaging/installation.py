"""A `tidegate up` of its own for a test: a process tree with a home and a port that nobody else has."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.packaging.compose import ROOT


class Up:
    """A running `tidegate up`."""

    def __init__(self, home: Path, port: int, settings: dict[str, str]) -> None:
        self.home = home
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("TIDEGATE_", "DATABASE_", "REDIS_"))
        }
        own = {"HOME": str(home.parent), "TIDEGATE_HOME": str(home), "TIDEGATE_PORT": str(port)}
        self.environment = {**environment, **own, **settings}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "moderation.cli", "up"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.said = ""

    def wait_ready(self) -> None:
        """Read what it says until it is ready."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if re.search(r"ready after [\d.]+ s", line):
                return
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

"""Eight processes that write to one SQLite file at once, while it is being copied: RELIABILITY's fault 22."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from dev.thousand import processes
from moderation import programs
from moderation.database import sqlite_module
from tests.faults.stack import Broken
from tests.packaging.compose import ROOT
from tests.servers import tied

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

SECONDS = 12.0
"""How long all of them write."""


@contextmanager
def beside(within: dict[str, str], folder: Path, **commands: tuple[str, ...]) -> Iterator[dict[str, Path]]:
    """Run more programs of the installation with this environment; gives their logs."""
    logs = {name: folder / f"{name}.log" for name in commands}
    running = []
    for name, command in commands.items():
        with logs[name].open("wb") as log:
            line = [*tied(folder / f"{name}.tether"), *command]
            running.append(subprocess.Popen(line, cwd=ROOT, env=within, stdout=log, stderr=log))
    try:
        yield logs
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(60)


def sound(path: Path) -> bool:
    module = sqlite_module()
    with closing(module.connect(str(path))) as connection:
        found: str = connection.execute("PRAGMA integrity_check").fetchone()[0]
    return found == "ok"


def test_eight_writing_processes_and_a_backup_get_in_nobodys_way(breakable: Any, tmp_path: Path) -> None:
    """Two of the API, deliver, moderate and relay of the stack itself, and three more beside it."""
    stack: Broken = breakable("sqlite")
    within = stack.environment()
    moderate = programs.moderate(sys.executable).command[:-1]
    copies: list[Path] = []
    failed: list[str] = []
    until = time.monotonic()

    def copy() -> None:
        while time.monotonic() < until:
            folder = tmp_path / f"copy-{len(copies)}"
            command = [sys.executable, "-m", "moderation.cli", "backup", str(folder)]
            done = subprocess.run(command, cwd=ROOT, env=within, capture_output=True, text=True, check=False)
            copies.append(folder)
            failed.extend([done.stderr] if done.returncode else [])

    def write() -> None:
        while time.monotonic() < until:
            stack.submit_many(2, at_once=1)

    with beside(
        within,
        tmp_path,
        relay_two=programs.relay(sys.executable).command,
        relay_three=programs.relay(sys.executable).command,
        moderate_two=(*moderate, "WARNING"),
    ) as logs:
        stack.wait("the second relay", lambda: '"relay_started"' in logs["relay_two"].read_text())
        stack.wait("the third relay", lambda: '"relay_started"' in logs["relay_three"].read_text())
        stack.wait("the second worker", lambda: len(processes(stack.home, lambda line: "billiard.spawn" in line)) == 2)
        until = time.monotonic() + SECONDS
        threads = [threading.Thread(target=each) for each in (copy, *[write] * 4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stack.heal()
        assert stack.verdict() == []
    assert stack.troubles == [], "a client saw a fault of ours"
    assert failed == []
    said = "".join(path.read_text() for path in [*(stack.home / "logs").glob("*.log"), *logs.values()])
    assert "database is locked" not in said
    assert not [line for line in said.splitlines() if "OperationalError" in line and '"level": "info"' not in line]
    assert copies
    assert all(sound(folder / "tidegate.db") for folder in copies)
    assert sound(stack.home / "data" / "tidegate.db")

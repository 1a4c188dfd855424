"""A backup is made while comments come in, and what it gives back is judged like any other installation."""

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.faults.stack import Broken
from tests.packaging.compose import ROOT
from tests.packaging.installation import Up
from tests.packaging.ports import free_pair
from tests.servers import PostgresServer

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


def tidegate(within: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "moderation.cli", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=within, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def empty_url(kind: str, home: Path, request: pytest.FixtureRequest) -> str:
    """Return where the backup is to be put: a database that nobody has used yet."""
    if kind == "sqlite":
        return f"sqlite:///{home / 'data' / 'tidegate.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"restored_{uuid4().hex}"
    request.addfinalizer(lambda: server.drop_database(name))
    return server.create_database(name)


def test_a_backup_under_load_gives_back_every_comment_that_was_answered_before_it_began(
    breakable: Any, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    stack: Broken = breakable(kind)
    within, copy = stack.environment(), tmp_path / "copy"
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            stack.submit_many(2, at_once=1)
            # Below what is judged meanwhile: a backlog of minutes says nothing about backups.
            stop.wait(0.3)

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        stack.wait("a stream of comments", lambda: len(stack.history.acknowledged) >= 20)
        before = {key: list(ids) for key, ids in list(stack.history.acknowledged.items())}
        tidegate(within, "backup", str(copy))
        assert len(stack.history.acknowledged) > len(before), "nothing came in while the backup was made"
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    stack.heal()
    assert stack.verdict() == []
    assert stack.troubles == [], "a client saw a fault of ours"
    stack.up.end(signal.SIGTERM)

    home = tmp_path / "again" / ".tidegate"
    url = empty_url(kind, home, request)
    tidegate({**within, "HOME": str(home.parent), "TIDEGATE_HOME": str(home), "DATABASE_URL": url}, "restore", str(copy))
    up = Up(home, free_pair(), {"TIDEGATE_WEBHOOK_ALLOW": "127.0.0.1", "DATABASE_URL": url})
    request.addfinalizer(lambda: up.end(signal.SIGTERM))
    restored = Broken(up, url, inbox=stack.inbox)
    request.addfinalizer(restored.database.dispose)
    restored.history.acknowledged.update(before)
    restored.heal()
    assert restored.verdict() == []

"""A running Tidegate, and other people's clients beside it, unchanged, in an environment of their own (`make test-clients`)."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from moderation.config import master_key
from moderation.database import Database
from moderation.models import KeyKind
from moderation.services import keys, policies, sites
from tests.packaging.installation import Up
from tests.packaging.ports import free_pair

CLIENTS = Path(__file__).parents[2] / ".venv-clients"
PATIENCE = 60.0

Run = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Service:
    """A Tidegate at ``url`` whose site decides by ``standard``; ``door`` opens the doors, ``secret`` the API."""

    url: str
    door: str
    secret: str
    up: Up
    database: Database


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One running stack on SQLite for all clients."""
    home = tmp_path_factory.mktemp("clients") / ".tidegate"
    with contextlib.ExitStack() as end:
        up = Up(home, free_pair(), {})
        end.callback(up.end, signal.SIGTERM)
        up.wait_ready()
        database = Database(f"sqlite:///{home / 'data' / 'tidegate.db'}")
        end.callback(database.dispose)
        secret, now = master_key(home), datetime.now(UTC)
        with database.transaction() as session:
            site = sites.create(session, name="clients", title="Clients", policy="standard", by="test", now=now)
            shown = {
                kind: keys.create(session, site.id, kind, name="clients", secret=secret, by="test", now=now).shown
                for kind in (KeyKind.DOOR, KeyKind.SECRET)
            }
            assert policies.in_force(session, site.id).policy_label == "standard@1"
        base = up.demo()["base_url"]
        yield Service(url=base, door=shown[KeyKind.DOOR], secret=shown[KeyKind.SECRET], up=up, database=database)


@pytest.fixture
def python() -> Run:
    """Runs a program in the clients' Python and returns the JSON value of its last line.

    ``apart`` names the package of apart.txt that it imports; the arguments are its ``sys.argv``.
    """
    interpreter = CLIENTS / "bin" / "python"
    if not interpreter.exists():
        pytest.skip("the clients are not installed: make test-clients")

    def run(program: str, *arguments: str, apart: str = "") -> Any:
        path = str(CLIENTS / "apart" / apart) if apart else ""
        return _last_line([str(interpreter), "-c", program, *arguments], PYTHONPATH=path)

    return run


@pytest.fixture
def node() -> Run:
    """Runs a program in Node with the clients of node.txt and returns the JSON value of its last line."""
    interpreter = shutil.which("node")
    if interpreter is None or not (CLIENTS / "node" / "node_modules").exists():
        pytest.skip("the clients for Node are not installed: make test-clients, where npm is there")

    def run(program: str, *arguments: str) -> Any:
        return _last_line([interpreter, "-e", program, *arguments], NODE_PATH=str(CLIENTS / "node" / "node_modules"))

    return run


def _last_line(command: list[str], **variables: str) -> Any:
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables}
    done = subprocess.run(command, env=environment, cwd=CLIENTS, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])

"""The API as gunicorn serves it, for tests: the small profile on SQLite, without Redis and without workers."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moderation.config import Settings
from moderation.embedded import free_port
from moderation.runtime import Runtime
from tests.api.conftest import SECRET, found_site, settings
from tests.servers import tied

PATIENCE = 30.0
ROOT = Path(__file__).parents[2]


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    port: int
    key: str
    log: Path

    def get(self, path: str, **headers: str) -> Any:
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        return urllib.request.urlopen(asked, timeout=PATIENCE)

    def raw(self, request: bytes) -> bytes:
        """Send bytes and return what comes until the server closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            connection.sendall(request)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        return answer

    def await_models(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.get("/readyz")
            except urllib.error.HTTPError as error:
                if json.load(error)["checks"]["models"] == "ok":
                    return
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)


def environment(given: Settings, port: int) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "TIDEGATE_HOME": str(given.home),
        "TIDEGATE_PORT": str(port),
        "TIDEGATE_SECRET": SECRET.decode(),
        "TIDEGATE_PROFILE": "small",
        "DATABASE_URL": given.database_url,
    }


@contextmanager
def serving(folder: Path, database_url: str, **variables: str) -> Iterator[Server]:
    """Serve from a folder and a migrated database; ``variables`` are added to the environment."""
    given = settings(folder, database_url)
    runtime = Runtime.build(given, role="tool")
    key = found_site(runtime, "blog", "https://blog.example")["secret"]
    runtime.close()
    port = free_port()
    log = folder / "api.log"
    command = [sys.executable, "-m", "gunicorn", "--config", "python:api.gunicorn", "--no-control-socket", "api.app:from_env()"]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*tied(folder / "tether.pid"), *command],
            cwd=folder,
            env=environment(given, port) | variables,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    found = Server(process, port, key, log)
    try:
        found.await_models()
        yield found
    finally:
        process.terminate()
        process.wait(PATIENCE)

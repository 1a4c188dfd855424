"""The API as gunicorn serves it: real processes, raw sockets, and an end that waits for nobody's stream."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

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


@pytest.fixture
def server(tmp_path: Path, sqlite_url: str) -> Iterator[Server]:
    """The small profile on SQLite, without Redis and without workers."""
    given = settings(tmp_path, sqlite_url)
    runtime = Runtime.build(given, role="tool")
    key = found_site(runtime, "blog", "https://blog.example")["secret"]
    runtime.close()
    port = free_port()
    log = tmp_path / "api.log"
    command = [sys.executable, "-m", "gunicorn", "--config", "python:api.gunicorn", "--no-control-socket", "api.app:from_env()"]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*tied(tmp_path / "tether.pid"), *command],
            cwd=tmp_path,
            env=environment(given, port),
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


@pytest.mark.slow
@pytest.mark.system
def test_the_server_refuses_smuggled_requests_counts_and_ends_in_time(server: Server) -> None:
    """One start for all of it: it takes seconds."""
    head = b"POST /v1/comments HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    for trick in (
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    ):
        answer = server.raw(head + trick)
        assert answer.split(b" ", 2)[1] in {b"400", b"401", b"501"}, answer
        assert answer.count(b"HTTP/1.1") == 1, answer
    body = b'{"body": "A civil text, sent in pieces."}'
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:7], body[7:])) + b"0\r\n\r\n"
    asked = (
        b"POST /v1/check HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer " + server.key.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    answer = server.raw(asked + chunked)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["verdict"] == "approve"
    assert b'tidegate_requests_total{method="POST",route="/v1/check",status="200"} 1.0' in server.get("/metrics").read()
    assert server.get("/healthz?key=do-not-log-me").headers["Server"] == "gunicorn"

    stream = server.get("/v1/stream", Authorization=f"Bearer {server.key}")
    assert stream.readline() == b"retry: 2000\n"
    began = time.monotonic()
    server.process.terminate()
    # The stream would last a minute and gunicorn's patience 25 seconds: the end lets it go.
    assert stream.read().strip() == b""
    assert server.process.wait(PATIENCE) == 0
    assert time.monotonic() - began < 10
    log = server.log.read_text()
    assert "do-not-log-me" not in log
    assert server.key not in log
    assert "127.0.0.1" not in "".join(line for line in log.splitlines() if '"request"' in line)

"""The API as gunicorn serves it: real processes, raw sockets, and an end that waits for nobody's stream."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.server import PATIENCE, Server, serving


@pytest.fixture
def server(tmp_path: Path, sqlite_url: str) -> Iterator[Server]:
    with serving(tmp_path, sqlite_url) as found:
        yield found


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

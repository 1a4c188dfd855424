"""nginx and Caddy with the files that we ship, before the API as gunicorn serves it: what readers get and what the API sees."""

import gzip
import json
import shutil
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api import gunicorn
from api.parsing import MAX_BATCH_BYTES, MAX_BYTES
from api.streams import STILL_HERE
from moderation.commands import outside
from moderation.config import Settings
from moderation.services import probing
from tests.api.conftest import SECRET
from tests.api.server import Server, serving
from tests.certificates import Authority
from tests.packaging.compose import ROOT
from tests.packaging.proxies import HOST, PROXIES, Proxy

pytestmark = [pytest.mark.system]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("api")
    shutil.copyfile(sqlite_template, folder / "tidegate.db")
    variables = {"TRUSTED_PROXIES": "1", "PUBLIC_URL": f"https://{HOST}"}
    with serving(folder, f"sqlite:///{folder / 'tidegate.db'}", **variables) as server:
        yield server


@pytest.fixture(scope="module", params=PROXIES)
def proxy(request: pytest.FixtureRequest, served: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    if shutil.which(request.param, path="/usr/sbin:/usr/bin:/usr/local/bin") is None:
        pytest.skip(f"{request.param} is not installed")
    folder = tmp_path_factory.mktemp(request.param)
    yield from PROXIES[request.param](folder, Authority(folder), served.port)


def probe(proxy: Proxy, claims: dict[str, str]) -> dict[str, Any]:
    asked = {probing.HEADER: probing.question(SECRET, now=datetime.now(UTC))}
    with proxy.ask("GET", "/probe", claims | asked) as answer:
        assert answer.status == 200
        found: dict[str, Any] = json.load(answer)
        return found


def test_the_api_sees_the_client_and_not_what_the_client_claims(proxy: Proxy) -> None:
    claims = {
        "X-Forwarded-For": "192.0.2.77, 192.0.2.78",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Port": "1",
        "Forwarded": "for=192.0.2.77",
    }
    for sent in ({}, claims):
        found = probe(proxy, sent)
        assert found["forwarded_for"] == ["127.0.0.1"], "one hop, and none of it the client's words"
        assert (found["address"], found["scheme"], found["host"].partition(":")[0]) == ("127.0.0.1", "https", HOST)


def test_headers_reach_the_reader_as_the_api_sent_them(proxy: Proxy, served: Server) -> None:
    with served.get("/docs") as plain:
        expected = {
            name: value for name, value in plain.headers.items() if name.startswith(("Content-Sec", "Cross", "X-C", "Ref"))
        }
    assert len(expected) >= 4
    with proxy.ask("GET", "/docs") as answer:
        assert answer.status == 200
        assert {name: answer.headers.get_all(name) for name in expected} == {name: [value] for name, value in expected.items()}
        assert answer.headers.get_all("Strict-Transport-Security") == ["max-age=31536000; includeSubDomains"]


def test_plain_http_is_sent_to_https_and_nowhere_else(proxy: Proxy) -> None:
    with proxy.ask("GET", "/docs?a=b", secure=False) as answer:
        assert answer.status in {301, 308}
        place = answer.headers["Location"]
    assert place.replace(f":{proxy.secure}", "") == f"https://{HOST}/docs?a=b"


def test_an_event_stream_comes_as_it_is_sent(proxy: Proxy, served: Server) -> None:
    for accepted in ("identity", "gzip"):
        began = time.monotonic()
        with proxy.ask("GET", "/v1/stream", {"Authorization": f"Bearer {served.key}", "Accept-Encoding": accepted}) as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            first = answer.read1(100)
        assert time.monotonic() - began < STILL_HERE / 2
        if answer.headers.get("Content-Encoding") is None:
            assert first == b"retry: 2000\n\n"


def test_what_is_too_large_is_told_by_the_api_in_its_own_words(proxy: Proxy, served: Server) -> None:
    head = {"Authorization": f"Bearer {served.key}", "Content-Type": "application/json"}
    # Several times: a connection that was closed too early fails the one request that it carried, or the next one.
    for size in (MAX_BYTES + 1, 1_000_000, MAX_BATCH_BYTES + 1000) * 3:
        for path in ("/v1/comments", "/v1/comments/batch"):
            with proxy.ask("POST", path, head, body=b" " * size) as answer:
                allowed = MAX_BATCH_BYTES if path.endswith("batch") else MAX_BYTES
                expected = 413 if size > allowed else 400
                assert (answer.status, answer.headers["Content-Type"]) == (expected, "application/problem+json"), size
    with proxy.ask("POST", "/v1/comments", {"Authorization": "Bearer wrong"}, body=b" " * 1_000_000) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (401, "application/problem+json")


def test_a_posts_address_in_a_path_arrives_as_it_was_written(proxy: Proxy, served: Server) -> None:
    head = {"Authorization": f"Bearer {served.key}", "Content-Type": "application/json"}
    comment = {"post": {"url": "https://blog.example/a//b"}, "author": {"name": "Ada"}, "body": "A fine article."}
    with proxy.ask("POST", "/v1/comments", head, body=json.dumps(comment).encode()) as answer:
        assert answer.status == 202
    for post in ("https://blog.example/a//b", "https%3A%2F%2Fblog.example%2Fa%2F%2Fb"):
        path = f"/v1/posts/{post}/comments"
        with served.get(path, Authorization=f"Bearer {served.key}") as direct:
            expected = direct.read()
        with proxy.ask("GET", path, head) as answer:
            assert (answer.status, answer.read()) == (200, expected)


def test_a_long_answer_is_compressed_for_who_takes_it(proxy: Proxy) -> None:
    with proxy.ask("GET", "/openapi.json") as answer:
        whole = answer.read()
    with proxy.ask("GET", "/openapi.json", {"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert "accept-encoding" in ",".join(answer.headers.get_all("Vary", [])).lower()
        packed = answer.read()
    assert gzip.decompress(packed) == whole
    assert len(packed) < len(whole) / 4


def test_the_numbers_stay_on_this_machine(proxy: Proxy) -> None:
    with proxy.ask("GET", "/metrics") as answer:
        assert answer.status == 404


def test_a_doctor_outside_finds_nothing_to_mend_behind_the_files_that_we_ship(
    proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *arguments, **options: asked(host and "127.0.0.1", *arguments, **options)
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(proxy.authority))
    public_url = f"https://{HOST}:{proxy.secure}"
    settings = Settings(home=tmp_path, database_url="", secret=SECRET, public_url=public_url, trusted_proxies=1)
    found = {each.name: each for each in outside.look(settings, now=datetime.now(UTC), plain_port=proxy.plain)}
    assert {name: each.level for name, each in found.items()} == {
        "address": "ok", "dns": "warn", "tls": "ok", "http": "ok", "headers": "ok", "proxy": "ok", "bodies": "ok",
    }, found  # fmt: skip


def test_caddy_closes_idle_connections_before_the_api_does() -> None:
    (kept,) = [line.split()[1] for line in (ROOT / "deploy" / "Caddyfile").read_text().splitlines() if "keepalive" in line]
    assert int(kept.removesuffix("s")) < gunicorn.keepalive

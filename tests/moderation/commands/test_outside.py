"""A doctor who looks from outside in: real TLS, real redirects, and an API behind proxies that are right or wrong in each way."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest

from moderation.commands import outside
from moderation.config import Settings
from moderation.embedded import free_port
from moderation.services import probing
from moderation.services.events import iso
from tests.certificates import Authority

SECRET = b"a master secret of the tests, long enough"
API_HEADERS = {
    "Content-Security-Policy": "default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Request-ID": "0",
}
HSTS = {"Strict-Transport-Security": "max-age=31536000"}

Way = Callable[[dict[str, str]], dict[str, Any]]
"""A way in: from the headers that a client sent to what the API says that it saw."""


def told(forwarded: list[str], trusted: int, **changes: Any) -> dict[str, Any]:
    """What the API says behind proxies of which it trusts so many (`api/probe.py`; tests/packaging has the real one)."""
    address = forwarded[-trusted] if 0 < trusted <= len(forwarded) else "127.0.0.1"
    seen = {"address": address, "scheme": "https", "host": "localhost", "peer": "127.0.0.1", "release": "0", "now": iso(moment())}
    return {**seen, "forwarded_for": forwarded, "trusted_proxies": trusted, **changes}


def moment() -> datetime:
    return datetime.now(UTC)


def replacing(trusted: int, **changes: Any) -> Way:
    return lambda _sent: told(["198.51.100.4"], trusted, **changes)


def adding(trusted: int, *, proxies: int = 1) -> Way:
    def way(sent: dict[str, str]) -> dict[str, Any]:
        added = ["198.51.100.4", *(f"10.0.0.{number}" for number in range(1, proxies))]
        return told([*sent["x-forwarded-for"].split(", "), *added], trusted)

    return way


def silent(trusted: int) -> Way:
    return lambda sent: told(sent["x-forwarded-for"].split(", "), trusted)


class Place(ThreadingHTTPServer):
    """Where the API is reached from outside, as a test wants it."""

    def __init__(self, certificate: Path | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.way: Way = replacing(1)
        self.headers: list[tuple[str, str]] = [*API_HEADERS.items(), *HSTS.items()]
        self.largest = 5_000_000
        self.status: int | None = None
        self.port: int = self.server_address[1]
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            # The handshake belongs into the connection's own thread.
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that refuses the certificate is what some tests are about."""


class Handler(BaseHTTPRequestHandler):
    """Answers as the API and what stands before it."""

    def do_GET(self) -> None:
        place = cast("Place", self.server)
        sent = {name.lower(): value for name, value in self.headers.items()}
        if place.status is not None:
            self.answer(place.status, b"<h1>Bad Gateway</h1>", "text/html")
        elif not probing.is_ours(SECRET, sent.get("tidegate-probe", ""), now=moment()):
            self.answer(404, b"{}", "application/problem+json")
        else:
            self.answer(200, json.dumps(place.way(sent)).encode(), "application/json")

    def do_POST(self) -> None:
        length = left = int(self.headers["Content-Length"])
        while left > 0:
            left -= len(self.rfile.read(min(left, 65536)))
        if length > cast("Place", self.server).largest:
            self.answer(413, b"<h1>Too large</h1>", "text/html")
        else:
            self.answer(401, b"{}", "application/problem+json")

    def answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in cast("Place", self.server).headers:
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Stay quiet."""


@contextmanager
def open_place(certificate: Path | None) -> Iterator[Place]:
    place = Place(certificate)
    thread = threading.Thread(target=place.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield place
    finally:
        place.shutdown()
        place.server_close()
        thread.join()


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made


@pytest.fixture
def place(authority: Authority) -> Iterator[Place]:
    with open_place(authority.issue("localhost")) as opened:
        yield opened


def looked(
    tmp_path: Path, port: int, *, scheme: str = "https", host: str = "localhost", **changes: Any
) -> dict[str, tuple[str, str]]:
    """Return each finding's level and words, by its name."""
    given: dict[str, Any] = {"home": tmp_path, "database_url": "", "secret": SECRET, "trusted_proxies": 1}
    settings = Settings(**{**given, "public_url": f"{scheme}://{host}:{port}", **changes})
    with plain(f"https://{host}:{port}/docs", 301) as redirecting:
        return {each.name: (each.level, each.detail) for each in outside.look(settings, now=moment(), plain_port=redirecting)}


@contextmanager
def plain(location: str, status: int) -> Iterator[int]:
    """Plain http beside it, which leads somewhere."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Location", location)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Stay quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_a_way_in_that_is_right_has_nothing_but_a_private_address_against_it(place: Place, tmp_path: Path) -> None:
    found = looked(tmp_path, place.port)
    assert {name: level for name, (level, _) in found.items()} == {
        "address": "ok", "dns": "warn", "tls": "ok", "http": "ok", "headers": "ok", "proxy": "ok", "bodies": "ok",
    }  # fmt: skip
    assert "look from another machine" in found["dns"][1]


@pytest.mark.parametrize(
    ("way", "level", "said"),
    [
        (replacing(1), "ok", "the API saw 198.51.100.4"),
        (adding(1), "ok", "the API saw 198.51.100.4"),
        (adding(2, proxies=2), "ok", "the API saw 198.51.100.4"),
        (replacing(0), "fail", "all readers share the proxy's address; set TRUSTED_PROXIES=1"),
        (adding(0), "fail", "all readers share the proxy's address; set TRUSTED_PROXIES=1"),
        (adding(1, proxies=2), "fail", "all readers share the proxy's address; set TRUSTED_PROXIES=2"),
        (adding(2), "fail", "everybody can choose his own address; set TRUSTED_PROXIES=1"),
        (replacing(2), "fail", "everybody can choose his own address; set TRUSTED_PROXIES=1"),
        (silent(1), "fail", "set TRUSTED_PROXIES=1"),
        (silent(0), "fail", "set TRUSTED_PROXIES=1"),
    ],
    ids=["replaced", "added", "two", "none-1", "none-2", "one-of-two", "two-of-one-1", "two-of-one-2", "silent-1", "silent-0"],
)
def test_proxies_are_counted_and_what_a_client_claims_is_told_from_what_they_say(
    place: Place, tmp_path: Path, way: Way, level: str, said: str
) -> None:
    place.way = way
    found = looked(tmp_path, place.port)
    assert found["proxy"][0] == level
    assert said in found["proxy"][1]


def test_without_tls_and_proxies_no_proxy_is_missed(tmp_path: Path) -> None:
    with open_place(None) as place:
        place.way = lambda sent: told(sent["x-forwarded-for"].split(", "), 0, scheme="http")
        place.headers = list(API_HEADERS.items())
        found = looked(tmp_path, place.port, scheme="http", trusted_proxies=0)
    assert (found["address"][0], found["proxy"][0], found["headers"][0]) == ("fail", "ok", "ok")
    assert "set the https address" in found["address"][1]


@pytest.mark.parametrize(
    ("change", "name", "said"),
    [
        ({"host": "claimed.invalid"}, "host", "replace X-Forwarded-Host"),
        ({"scheme": "http"}, "scheme", "replace X-Forwarded-Proto"),
        ({"now": iso(datetime.now(UTC) - timedelta(minutes=5))}, "time", "s apart"),
    ],
)
def test_what_the_api_believes_of_a_claim_is_a_fault(
    place: Place, tmp_path: Path, change: dict[str, str], name: str, said: str
) -> None:
    place.way = replacing(1, **change)
    level, detail = looked(tmp_path, place.port)[name]
    assert level != "ok"
    assert said in detail


def test_an_api_that_was_not_restarted_is_noticed(place: Place, tmp_path: Path) -> None:
    found = looked(tmp_path, place.port, trusted_proxies=3)
    assert "restart it" in found["settings"][1]


@pytest.mark.parametrize(
    ("ends", "level", "said"),
    [(60, "ok", "good for 59 days"), (15, "warn", "should have been renewed"), (3, "fail", "renewed"), (-1, "fail", "expired")],
)
def test_a_certificate_is_watched_before_it_ends(authority: Authority, tmp_path: Path, ends: int, level: str, said: str) -> None:
    begins = timedelta(days=-90)
    with open_place(authority.issue("localhost", begins=begins, ends=timedelta(days=ends))) as place:
        found = looked(tmp_path, place.port)
    assert found["tls"][0] == level
    assert said in found["tls"][1]
    assert ("proxy" in found) == (ends > 0)


def test_a_certificate_for_another_name_or_of_nobody_is_refused(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_place(authority.issue("other.example")) as place:
        assert "localhost" in looked(tmp_path, place.port)["tls"][1]
    with open_place(authority.issue("localhost")) as place:
        monkeypatch.delenv("SSL_CERT_FILE")
        assert looked(tmp_path, place.port)["tls"][0] == "fail"


def test_a_port_without_tls_is_told(authority: Authority, tmp_path: Path) -> None:
    with open_place(None) as place:
        found = looked(tmp_path, place.port)
    assert found["tls"][0] == "fail"
    assert "does the proxy have a certificate" in found["tls"][1]


def test_headers_that_a_proxy_takes_away_or_doubles_are_named(place: Place, tmp_path: Path) -> None:
    whole = list(place.headers)
    place.headers = [pair for pair in whole if pair[0] != "Content-Security-Policy"]
    assert looked(tmp_path, place.port)["headers"][1].startswith("Content-Security-Policy did not arrive")
    place.headers = [*whole, ("Referrer-Policy", "unsafe-url")]
    assert looked(tmp_path, place.port)["headers"] == (
        "warn",
        "Referrer-Policy came twice: the proxy adds its own; leave that to the API",
    )
    place.headers = [pair for pair in whole if pair not in HSTS.items()]
    assert "X-Forwarded-Proto: https" in looked(tmp_path, place.port)["headers"][1]


def test_a_proxy_that_takes_too_little_or_reaches_nobody_is_told(place: Place, tmp_path: Path) -> None:
    place.largest = 1_000_000
    assert looked(tmp_path, place.port)["bodies"] == ("warn", "a batch of 4 MiB got 413 from the proxy: let it take 5 MB")
    place.status = 502
    assert "does the API run?" in looked(tmp_path, place.port)["proxy"][1]


def test_another_installation_behind_the_name_is_told(place: Place, tmp_path: Path) -> None:
    found = looked(tmp_path, place.port, secret=b"the secret of another installation, as long")
    assert "another TIDEGATE_SECRET" in found["proxy"][1]


def test_nothing_that_listens_and_no_such_name_are_told_and_end_it(tmp_path: Path) -> None:
    found = looked(tmp_path, free_port())
    assert list(found) == ["address", "dns"]
    assert "open port" in found["dns"][1]
    found = looked(tmp_path, 443, host="no-such-name.invalid")
    assert found["dns"] == (
        "fail",
        "no-such-name.invalid has no address: add an A record (and AAAA for IPv6) that leads to this machine",
    )


def test_one_address_of_several_that_does_not_answer_is_named(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with an AAAA record that was forgotten: many readers wait for it first."""
    asked = socket.getaddrinfo

    def two(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if host != "localhost":
            return asked(host, port, *arguments, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.1", "127.0.0.2")]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    found = looked(tmp_path, place.port)
    assert found["dns"][0] == "fail"
    assert "; 127.0.0.2 does not answer" in found["dns"][1]
    assert found["proxy"][0] == "ok", "the rest is looked at all the same"


@pytest.mark.parametrize(("location", "status"), [("http://localhost/", 301), ("https://elsewhere.example/", 301), ("", 200)])
def test_plain_http_that_does_not_lead_to_https_is_a_fault(place: Place, tmp_path: Path, location: str, status: int) -> None:
    settings = Settings(
        home=tmp_path, database_url="", secret=SECRET, public_url=f"https://localhost:{place.port}", trusted_proxies=1
    )
    with plain(location, status) as port:
        found = {each.name: each for each in outside.look(settings, now=moment(), plain_port=port)}
    assert found["http"].level == "fail"
    found = {each.name: each for each in outside.look(settings, now=moment(), plain_port=free_port())}
    assert found["http"].level == "warn"


def test_the_clock_is_asked_and_not_set() -> None:
    before = datetime.now(UTC)
    assert {each.name for each in outside.clock()} <= {"time"}
    assert timedelta() <= datetime.now(UTC) - before < timedelta(minutes=1)

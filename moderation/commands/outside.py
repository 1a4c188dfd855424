"""The way in, as a reader's browser takes it: name, certificate, proxies and headers, each with what to do about it.

The API is asked by its public address what it saw (``moderation.services.probing``). The question comes with claims of its own,
as an attacker's would: an address that nobody has, another host, another scheme. Whatever of them the API believes is a fault.
"""

import ctypes
import http.client
import ipaddress
import json
import socket
import ssl
import sys
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import Message
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from moderation.commands.finding import Finding, Level
from moderation.config import Settings
from moderation.services import probing

TIMEOUT: Final = 10.0
"""Seconds for a connection, and for each wait on it."""

CLAIMED: Final = "192.0.2.77"
"""An address for documentation (RFC 5737): no reader ever has it."""

CLAIMS: Final = {"X-Forwarded-For": CLAIMED, "X-Forwarded-Host": "claimed.invalid", "X-Forwarded-Proto": "http"}

RENEWED: Final = timedelta(days=21)
"""Days left below which a certificate should have been renewed; most are renewed with thirty left."""

ALMOST_OVER: Final = timedelta(days=7)
CLOCK_OFF: Final = timedelta(seconds=5)
LARGE: Final = 4 * 1024 * 1024
"""Bytes of the largest body that the API takes: a batch."""

WANTED: Final = ("Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "X-Request-ID")
"""Headers that the API sends with every answer."""

NOT_SYNCHRONISED: Final = 5
"""What adjtimex(2) returns while nothing keeps the kernel's clock right (TIME_ERROR)."""

UNREACHABLE: Final = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over the public address."""

    status: int
    headers: Message
    body: bytes

    @property
    def is_ours(self) -> bool:
        """Tell whether the API said it and not something before it."""
        return self.headers.get_content_type() in {"application/json", "application/problem+json"}


def look(settings: Settings, *, now: datetime, plain_port: int = 80) -> Iterator[Finding]:
    """Yield how the public address is; ``plain_port`` is where plain http is looked for."""
    url = urlsplit(settings.public_url)
    secure = url.scheme == "https"
    if not secure:
        yield Finding("address", "fail", f"PUBLIC_URL is {settings.public_url}: pages on https refuse it; set the https address")
    else:
        yield Finding("address", "ok", settings.public_url)
    reached = yield from _name(url)
    if not reached:
        return
    if secure:
        certified = yield from _certificate(url, now)
        if not certified:
            return
        yield _plain(url, plain_port)
    try:
        answer = ask(url, "GET", "/probe", {probing.HEADER: probing.question(settings.secret, now=now), **CLAIMS})
        yield _headers(answer, secure=secure)
        yield from _proxies(url, settings, answer, now)
        yield _bodies(ask(url, "POST", "/v1/comments/batch", {"Content-Type": "application/json"}, body=b" " * LARGE))
    except UNREACHABLE as error:
        yield Finding("proxy", "fail", f"the connection broke ({type(error).__name__}); does the proxy's log say why?")


def clock() -> Iterator[Finding]:
    """Yield whether anything keeps this machine's clock right; nothing where the system cannot say."""
    if not sys.platform.startswith("linux"):
        return
    try:
        # A zeroed struct timex only asks.
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):
        return
    if state == NOT_SYNCHRONISED:
        yield Finding("time", "warn", "nothing keeps this machine's clock right: turn on systemd-timesyncd or chrony")
    elif state >= 0:
        yield Finding("time", "ok", "this machine's clock is kept right")


def ask(url: SplitResult, method: str, path: str, headers: Mapping[str, str], *, body: bytes | None = None) -> Answer:
    """Send one request to the public address; raises OSError and HTTPException."""
    port = url.port
    connection = (
        http.client.HTTPSConnection(url.hostname or "", port, timeout=TIMEOUT, context=ssl.create_default_context())
        if url.scheme == "https"
        else http.client.HTTPConnection(url.hostname or "", port, timeout=TIMEOUT)
    )
    try:
        connection.request(method, url.path.rstrip("/") + path, body, dict(headers))
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read(1_000_000))
    finally:
        connection.close()


def _port(url: SplitResult) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _name(url: SplitResult) -> Generator[Finding, None, bool]:
    """Yield how the name is, and return whether any address of the name answers."""
    host = url.hostname or ""
    try:
        found = socket.getaddrinfo(host, _port(url), type=socket.SOCK_STREAM)
    except OSError:
        yield Finding("dns", "fail", f"{host} has no address: add an A record (and AAAA for IPv6) that leads to this machine")
        return False
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    silent = [address for address in addresses if not _answers(address, _port(url))]
    inside = [address for address in addresses if not ipaddress.ip_address(address.partition("%")[0]).is_global]
    shown = f"{host} is {', '.join(addresses)}"
    if silent:
        advice = f"open port {_port(url)} there, or take the record away"
        yield Finding("dns", "fail", f"{shown}; {', '.join(silent)} does not answer: {advice}")
    elif inside:
        yield Finding("dns", "warn", f"{shown}: readers elsewhere do not get there; look from another machine, too")
    else:
        yield Finding("dns", "ok", shown)
    return len(silent) < len(addresses)


def _answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=TIMEOUT / 2).close()
    except OSError:
        return False
    return True


def _certificate(url: SplitResult, now: datetime) -> Generator[Finding, None, bool]:
    """Yield how the certificate is, and return whether a browser would go on."""
    host = url.hostname or ""
    context = ssl.create_default_context()
    try:
        with (
            socket.create_connection((host, _port(url)), timeout=TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            certificate: Any = connection.getpeercert() or {}
            version = connection.version()
    except ssl.SSLCertVerificationError as error:
        yield Finding("tls", "fail", f"browsers refuse the certificate: {error.verify_message}; let the proxy get one for {host}")
        return False
    except OSError as error:
        yield Finding("tls", "fail", f"no TLS on port {_port(url)} ({type(error).__name__}); does the proxy have a certificate?")
        return False
    left = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC) - now
    level: Level = "fail" if left < ALMOST_OVER else "warn" if left < RENEWED else "ok"
    advice = "" if level == "ok" else "; it should have been renewed: look at the log of Caddy or certbot"
    yield Finding("tls", level, f"{version}, the certificate is good for {left.days} days{advice}")
    return True


def _plain(url: SplitResult, port: int) -> Finding:
    try:
        answer = ask(urlsplit(f"http://{url.hostname}:{port}"), "GET", "/docs", {"Host": url.netloc})
    except UNREACHABLE:
        return Finding("http", "warn", f"port {port} does not answer: who types the name without https gets nowhere")
    place = urlsplit(answer.headers.get("Location", ""))
    moved = answer.status in {HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.PERMANENT_REDIRECT}
    if moved and (place.scheme, place.hostname) == ("https", url.hostname):
        return Finding("http", "ok", "leads to https")
    return Finding("http", "fail", f"plain http answers {answer.status}: let the proxy redirect all of it to https")


def _headers(answer: Answer, *, secure: bool) -> Finding:
    wanted = (*WANTED, "Strict-Transport-Security") if secure else WANTED
    missing = [name for name in wanted if not answer.headers.get_all(name)]
    doubled = [name for name in wanted if len(answer.headers.get_all(name, [])) > 1]
    if missing == ["Strict-Transport-Security"]:
        return Finding("headers", "fail", "no Strict-Transport-Security: the proxy has to send X-Forwarded-Proto: https")
    if missing:
        return Finding("headers", "fail", f"{', '.join(missing)} did not arrive: the proxy takes them away, or it is not our API")
    if doubled:
        return Finding("headers", "warn", f"{', '.join(doubled)} came twice: the proxy adds its own; leave that to the API")
    return Finding("headers", "ok", "as the API sends them")


def _proxies(url: SplitResult, settings: Settings, answer: Answer, now: datetime) -> Iterator[Finding]:
    if answer.status != HTTPStatus.OK or not answer.is_ours:
        yield Finding("proxy", "fail", _why_not(answer, now))
        return
    seen: dict[str, Any] = json.loads(answer.body)
    yield _hops(seen, secure=url.scheme == "https")
    host = str(seen["host"]).partition(":")[0]
    if host != url.hostname:
        advice = "the proxy has to replace X-Forwarded-Host and to pass Host on"
        yield Finding("host", "fail", f"the API takes the host for {host}: {advice}")
    if seen["scheme"] != url.scheme:
        advice = "the proxy has to replace X-Forwarded-Proto, and TRUSTED_PROXIES has to count it"
        yield Finding("scheme", "fail", f"the API takes the scheme for {seen['scheme']}: {advice}")
    if abs(off := datetime.fromisoformat(seen["now"]) - now) > CLOCK_OFF + timedelta(seconds=TIMEOUT):
        yield Finding("time", "warn", f"the API's clock and this machine's are {abs(off.total_seconds()):.0f} s apart")
    if seen["trusted_proxies"] != settings.trusted_proxies:
        yield Finding("settings", "warn", "the API runs with another TRUSTED_PROXIES than this command; restart it")


def _hops(seen: dict[str, Any], *, secure: bool) -> Finding:
    forwarded, trusted = list(seen["forwarded_for"]), int(seen["trusted_proxies"])
    # What stands behind our claim was added by proxies; one that replaces what it gets leaves no claim.
    hops = forwarded[len(forwarded) - forwarded[::-1].index(CLAIMED) :] if CLAIMED in forwarded else forwarded
    told = f"{len(hops)} in the way, TRUSTED_PROXIES={trusted}"
    if secure and not hops:
        # The API speaks no TLS: whatever does stands before it.
        advice = "let it put the client's address there, and set TRUSTED_PROXIES=1"
        return Finding("proxy", "fail", f"the proxy says nothing of its own in X-Forwarded-For: {advice}")
    if seen["address"] == CLAIMED or trusted > len(hops):
        return Finding("proxy", "fail", f"{told}: everybody can choose his own address; set TRUSTED_PROXIES={len(hops)}")
    if trusted < len(hops):
        return Finding("proxy", "fail", f"{told}: all readers share the proxy's address; set TRUSTED_PROXIES={len(hops)}")
    return Finding("proxy", "ok", f"{told}; the API saw {seen['address']} and believed no claim")


def _why_not(answer: Answer, now: datetime) -> str:
    if not answer.is_ours:
        return (
            f"something before the API answers {answer.status}: does the proxy hand on to the right port, and does the API run?"
        )
    if answer.status != HTTPStatus.NOT_FOUND:
        return f"the API answers {answer.status}; see its log"
    try:
        theirs = datetime.strptime(answer.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except (TypeError, ValueError):
        theirs = now
    if abs(theirs - now) > probing.VALID:
        return f"the clocks are {abs(theirs - now).total_seconds():.0f} s apart: set them right"
    return "the API does not know our question: it has another TIDEGATE_SECRET or is of another release"


def _bodies(answer: Answer) -> Finding:
    if answer.is_ours:
        # Without a key it is refused, but by the one who should do that.
        return Finding("bodies", "ok", "as large as the API takes them")
    return Finding("bodies", "warn", f"a batch of 4 MiB got {answer.status} from the proxy: let it take 5 MB")

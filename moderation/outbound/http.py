"""The one HTTP client for addresses that users give us: webhooks and blogs.

A name is resolved once, at connect time; if any of its addresses is not acceptable the attempt is refused, else one
of exactly these addresses is connected to, while TLS still verifies the host's name. So a name that changed its
address since it was saved (DNS rebinding) gains nothing. httpx2 2.16 gives no way to choose the network backend, but
httpcore2, the engine beneath it, does; it also neither follows redirects nor reads proxies from the environment nor
decompresses, which are three more things not to be tricked with. httpx2 parses the address, for the check and for
the request alike: two parsers that disagree are how such checks are usually passed by.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal, TypeVar

import httpcore2
import httpx2

from moderation.config import Settings
from moderation.errors import Refused
from moderation.outbound.addresses import IPAddress, is_public, literal, split_allowed, within

CONNECT_TIMEOUT = 5.0
"""Seconds for resolving and connecting together."""

PORTS = frozenset({443, 8443})
LONGEST_URL = 2048
READ_AT_MOST = 16 * 1024
"""Bytes of an answer that are read; the rest is never asked for."""

KEEP_AT_MOST = 1024
"""Bytes of an answer that are kept for the log of attempts."""

USER_AGENT = "Tidegate-Webhook/1"

Trouble = Literal[
    "timeout", "refused_address", "unresolvable", "connect", "tls", "protocol", "credentials", "sender", "deferred", "rejected",
    "fault",
]  # fmt: skip
"""``fault`` is one of ours: the attempt raised what it must not raise."""

Resolver = Callable[[str, int], Sequence[str]]
T = TypeVar("T")


class ForbiddenAddress(Refused):
    """The URL leads where we do not send: ``code`` says why, ``detail`` in a sentence for the person who typed it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail, "/url")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An address as it was understood; ``named`` says that the operator allowed its host by name."""

    url: httpx2.URL
    host: str
    port: int
    named: bool

    @property
    def ordinary(self) -> bool:
        """Tell whether scheme and port are those that any receiver may have."""
        return self.url.scheme == "https" and self.port in PORTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of an attempt: a status, or the trouble that there was instead; ``excerpt`` holds no control characters.

    ``duration_ms`` is wall-clock time; ``retry_after`` is the header as it came; ``body`` is empty unless it was asked for.
    """

    status: int | None = None
    trouble: Trouble | None = None
    excerpt: str = ""
    retry_after: str | None = None
    duration_ms: int = 0
    body: bytes = field(default=b"", repr=False)

    @property
    def ok(self) -> bool:
        """Tell whether the receiver took it: only 2xx counts, a redirect does not."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def error(self) -> str | None:
        """Return the failure in a word that can be stored, such as ``http_500`` or ``timeout``; None for a success."""
        if self.ok:
            return None
        return f"http_{self.status}" if self.status is not None else self.trouble


def system_resolver(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host as the system resolves it; raises OSError where it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError("not a host name") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Guard:
    """Decides where a URL may lead; ``allow`` holds the operator's exceptions: host names, CIDRs, and ``host:port``.

    What the operator allows may also be reached over plain http and on any port.
    """

    def __init__(self, allow: Sequence[str] = (), *, resolver: Resolver = system_resolver) -> None:
        self._names, self._networks = split_allowed(allow)
        self._resolver = resolver

    def parse(self, url: str) -> Target:
        """Return a URL understood, refusing without any look-up what can be refused so; raises ForbiddenAddress."""
        if len(url) > LONGEST_URL or "\\" in url or url != url.strip():
            raise ForbiddenAddress("url_invalid", "This is not a usable address.")
        try:
            parsed = httpx2.URL(url)
            host = parsed.raw_host.decode("ascii").lower()
        except (httpx2.InvalidURL, ValueError):
            raise ForbiddenAddress("url_invalid", "This is not a usable address.") from None
        if parsed.scheme not in {"http", "https"} or not host or "%" in host:
            raise ForbiddenAddress("url_invalid", "Give a full address that begins with https://.")
        if parsed.userinfo:
            raise ForbiddenAddress("url_userinfo", "Leave the user name and password out of the address.")
        port = parsed.port if parsed.port is not None else {"http": 80, "https": 443}[parsed.scheme]
        target = Target(
            url=parsed.copy_with(fragment=None),
            host=host,
            port=port,
            named=bool({host.rstrip("."), f"{host}:{port}"} & self._names),
        )
        address = literal(host)
        if address is not None:
            self._judge(target, [address])
        elif not target.named and not target.ordinary and not self._networks:
            self._refuse_form(target)
        return target

    def resolve(self, target: Target, *, timeout: float = CONNECT_TIMEOUT) -> list[IPAddress]:
        """Return all addresses of a target; raises ForbiddenAddress if any of them is not acceptable.

        Raises TimeoutError after ``timeout`` seconds and OSError where the name has no address.
        """
        written = literal(target.host)
        if written is not None:
            self._judge(target, [written])
            return [written]
        found = [literal(shown) for shown in _within(timeout, lambda: self._resolver(target.host, target.port))]
        addresses = [address for address in found if address is not None]
        if not addresses or len(addresses) != len(found):
            raise OSError("the name has no address")
        self._judge(target, addresses)
        return addresses

    def check(self, url: str) -> Target:
        """Return a URL understood and resolved, for a friendly answer when it is saved; raises ForbiddenAddress.

        Waits for the resolver, so call it outside of any transaction. The control is at connect time.
        """
        target = self.parse(url)
        try:
            self.resolve(target)
        except OSError:
            raise ForbiddenAddress("url_unresolvable", f"The host {target.host} cannot be found.") from None
        return target

    def _judge(self, target: Target, addresses: Sequence[IPAddress]) -> None:
        if target.named:
            return
        allowed = [within(address, self._networks) for address in addresses]
        if not all(ours or is_public(address) for ours, address in zip(allowed, addresses, strict=True)):
            raise ForbiddenAddress(
                "url_not_public", f"The host {target.host} leads to an address that is not on the public Internet."
            )
        if not target.ordinary and not all(allowed):
            self._refuse_form(target)

    def _refuse_form(self, target: Target) -> None:
        if target.url.scheme != "https":
            raise ForbiddenAddress("url_not_https", "The address must begin with https://.")
        raise ForbiddenAddress("url_port", f"Port {target.port} is not one of {', '.join(map(str, sorted(PORTS)))}.")


@dataclass(slots=True)
class Deadline:
    """A moment on the monotonic clock by which the whole attempt ends; a time-out per read would let a receiver drip."""

    seconds: float
    ends: float = field(init=False)

    def __post_init__(self) -> None:
        self.ends = time.monotonic() + self.seconds

    def left(self, at_most: float | None = None) -> float:
        """Return the seconds that remain, not more than ``at_most``; raises httpcore2.ReadTimeout when there are none."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout("the attempt took too long")
        return left if at_most is None else min(left, at_most)


class _Stream(httpcore2.NetworkStream):
    """A stream each of whose waits ends with the attempt's deadline."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(min(max_bytes, READ_AT_MOST), self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        inner = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        return _Stream(inner, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


class _VettedBackend(httpcore2.NetworkBackend):
    """Connects to addresses that the guard accepted a moment ago, and to nothing else."""

    def __init__(self, guard: Guard, target: Target, deadline: Deadline) -> None:
        self._guard = guard
        self._target = target
        self._deadline = deadline
        self._backend = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        if (host.lower(), port) != (self._target.host, self._target.port):
            raise ForbiddenAddress("url_invalid", "The request would go elsewhere than was checked.")
        patience = Deadline(self._deadline.left(timeout))
        addresses = self._guard.resolve(self._target, timeout=patience.left())
        failure: Exception | None = None
        for address in addresses:
            try:
                stream = self._backend.connect_tcp(str(address), port, patience.left(), local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(stream, self._deadline)
        raise failure or httpcore2.ConnectError("no address")


@cache
def _trusted() -> ssl.SSLContext:
    """Return what verifies certificates, once for all of a process: reading the authorities takes tens of milliseconds."""
    return httpx2.create_ssl_context(trust_env=False)


class Client:
    """Sends one request per connection; safe to be used by many threads. ``timeout`` is wall-clock seconds for an attempt."""

    def __init__(self, guard: Guard, *, timeout: float = 15.0, ssl_context: ssl.SSLContext | None = None) -> None:
        self.guard = guard
        self.timeout = timeout
        self._ssl = ssl_context or _trusted()

    @classmethod
    def from_settings(cls, settings: Settings) -> "Client":
        """Return the client that the operator's settings describe."""
        return cls(Guard(settings.webhook_allow), timeout=settings.webhook_timeout)

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes, whole: int = 0, within: float | None = None
    ) -> Reply:
        """Send a request and return what came of it; a receiver's fault is part of the reply and never raised.

        With ``whole`` the answer is read to its end and is the reply's ``body``; one of more bytes than that is a trouble.
        ``within`` is fewer seconds than the client's usual ones.
        """
        began = time.monotonic()
        seconds = self.timeout if within is None else min(within, self.timeout)
        try:
            reply = self._send(method, url, headers, body, whole=whole, seconds=seconds)
        except ForbiddenAddress as error:
            reply = Reply(trouble="refused_address", excerpt=error.code)
        except (httpcore2.TimeoutException, TimeoutError):
            reply = Reply(trouble="timeout")
        except ssl.SSLError:
            reply = Reply(trouble="tls")
        except httpcore2.ConnectError as error:
            reply = Reply(trouble="tls" if isinstance(error.__cause__ or error.__context__, ssl.SSLError) else "connect")
        except (httpcore2.NetworkError, httpcore2.ProtocolError):
            reply = Reply(trouble="protocol")
        except OSError:
            reply = Reply(trouble="unresolvable")
        return replace(reply, duration_ms=int((time.monotonic() - began) * 1000))

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, whole: int, seconds: float) -> Reply:
        deadline = Deadline(seconds)
        target = self.guard.parse(url)
        fixed = {
            "Host": target.url.netloc.decode("ascii"),
            "User-Agent": USER_AGENT,
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
            "Content-Length": str(len(body)),
        }
        timeouts = {"connect": CONNECT_TIMEOUT, "read": seconds, "write": seconds}
        address = httpcore2.URL(scheme=target.url.raw_scheme, host=target.host, port=target.url.port, target=target.url.raw_path)
        # For one request, so without a pool.
        connection = httpcore2.HTTPConnection(
            address.origin, ssl_context=self._ssl, network_backend=_VettedBackend(self.guard, target, deadline)
        )
        with (
            connection,
            connection.stream(
                method, address, headers=list({**headers, **fixed}.items()), content=body, extensions={"timeout": timeouts}
            ) as response,
        ):
            answer = _whole(response, whole) if whole else b""
            return Reply(
                status=response.status,
                excerpt="" if whole else _excerpt(response),
                retry_after=_header(response, b"retry-after"),
                body=answer,
            )


def _whole(response: httpcore2.Response, most: int) -> bytes:
    read = bytearray()
    for chunk in response.iter_stream():
        read += chunk
        if len(read) > most:
            raise httpcore2.RemoteProtocolError("the answer is longer than was asked for")
    return bytes(read)


def _excerpt(response: httpcore2.Response) -> str:
    # The status is the answer: whatever goes wrong behind it does not make a delivered message undelivered.
    kept, read = b"", 0
    with suppress(httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError):
        for chunk in response.iter_stream():
            kept += chunk[: KEEP_AT_MOST - len(kept)]
            read += len(chunk)
            if read >= READ_AT_MOST:
                break
    return printable(kept)


def _header(response: httpcore2.Response, wanted: bytes) -> str | None:
    return next((value.decode("latin-1") for name, value in response.headers if name.lower() == wanted), None)


def printable(data: bytes) -> str:
    r"""Return bytes as text in which every control character and undecodable byte is written out (``\x00``)."""
    text = data.decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode() for char in text)


def _within(seconds: float, act: Callable[[], T]) -> T:
    # A resolver cannot be interrupted; a thread that nobody waits for any more ends with its time-out.
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(act())
        except Exception as error:  # noqa: BLE001 (handed over to the thread that waits)
            future.set_exception(error)

    threading.Thread(target=run, name="resolver", daemon=True).start()
    return future.result(timeout=seconds)

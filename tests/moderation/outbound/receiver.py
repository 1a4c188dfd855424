"""A receiver of webhooks on a free port of the loopback, that a test can program and ask what it got."""

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TLS = Path(__file__).parent / "tls"


@dataclass(frozen=True, slots=True)
class Got:
    """A request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """Return the message's id."""
        return self.headers["webhook-id"]


Answer = Callable[[BaseHTTPRequestHandler, Got], None]


def status(code: int, *, body: bytes = b"", **headers: str) -> Answer:
    """Answer with a status, headers (underscores for hyphens) and a body."""

    def answer(handler: BaseHTTPRequestHandler, _got: Got) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@dataclass
class Receiver:
    """Where it listens, how it answers, and what came."""

    port: int
    answer: Answer = field(default_factory=lambda: status(204))
    got: list[Got] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        """Return the plain address."""
        return f"http://127.0.0.1:{self.port}/hook"

    def wait_for(self, count: int, *, timeout: float = 10.0) -> list[Got]:
        """Wait until so many requests came in, and return them."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.got) >= count, timeout), f"{len(self.got)} of {count} came"
            return list(self.got)


@contextmanager
def listening(*, certificate: str | None = None) -> Iterator[Receiver]:
    """Run a receiver, with TLS where a certificate of the folder ``tls`` is named."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            got = Got(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            with receiver.changed:
                receiver.got.append(got)
                receiver.changed.notify_all()
            try:
                receiver.answer(self, got)
            except OSError:
                # The client hung up on us, which is what some tests are about.
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = handle_any  # noqa: N815 (the library's names)

        def log_message(self, *args: Any) -> None:
            """Stay quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 64

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that breaks off its handshake is what some tests are about."""

        def get_request(self) -> Any:
            connection, address = super().get_request()
            if context is not None:
                # The handshake belongs into the connection's own thread.
                connection = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            return connection, address

    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / certificate)
    server = Server(("127.0.0.1", 0), Handler)
    receiver = Receiver(port=server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(5)

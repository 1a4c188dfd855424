"""A real mail server (aiosmtpd) on a free port of the loopback, that a test can program and ask what it got."""

import asyncio
import email
import email.policy
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.moderation.outbound.receiver import TLS

TAKEN = "250 OK"
DIES = "dies"
"""Instead of an answer: the connection is closed in the middle of a letter."""

USER, PASSWORD = "tidegate", "correct horse"


@dataclass(frozen=True, slots=True)
class Got:
    """A letter as it was taken, and whether the connection was protected."""

    sender: str
    to: list[str]
    message: EmailMessage
    protected: bool

    @property
    def text(self) -> str:
        """Return what the letter says."""
        return str(self.message.get_content())


@dataclass
class MailHost:
    """Where it listens, what it answers (to a recipient, to a letter), how slowly, and what it took."""

    port: int = 0
    to_recipient: str = TAKEN
    to_letter: str = TAKEN
    pause: float = 0.0
    got: list[Got] = field(default_factory=list)
    begun: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        """Return the address for SMTP_URL, without protection."""
        return f"smtp://127.0.0.1:{self.port}"

    def wait_for(self, count: int, *, timeout: float = 20.0) -> list[Got]:
        """Return the letters when there are as many; raises AssertionError when there are not in time."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.got) >= count, timeout), f"{len(self.got)} letters"
            return list(self.got)

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's names)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.to_recipient == TAKEN:
            envelope.rcpt_tos.append(address)
        return self.to_recipient

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 (the same)
        self.begun += 1
        await asyncio.sleep(self.pause)
        if self.to_letter == DIES:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
            return TAKEN
        if self.to_letter == TAKEN:
            content = envelope.original_content
            assert content is not None
            message = email.message_from_bytes(content, policy=email.policy.default)
            got = Got(envelope.mail_from or "", list(envelope.rcpt_tos), message, session.ssl is not None)
            with self.changed:
                self.got.append(got)
                self.changed.notify_all()
        return self.to_letter


def _authenticate(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any) -> AuthResult:
    right = isinstance(given, LoginPassword) and (given.login, given.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False)


@contextmanager
def mail_host(*, certificate: str | None = None, implicit: bool = False, port: int = 0) -> Iterator[MailHost]:
    """Run a mail server: with STARTTLS and sign-in, or TLS from the start, where a certificate of the folder ``tls`` is named."""
    host = MailHost()
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / certificate)
    controller = Controller(
        host,
        hostname="127.0.0.1",
        port=port or _free_port(),
        ssl_context=context if implicit else None,
        tls_context=None if implicit else context,
        authenticator=_authenticate,
        auth_require_tls=context is not None and not implicit,
        enable_SMTPUTF8=True,
        ready_timeout=20.0,
    )
    host.port = controller.port
    controller.start()
    try:
        yield host
    finally:
        controller.stop()


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

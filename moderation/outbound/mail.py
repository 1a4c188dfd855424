"""Handing mail to the operator's mail server: one connection a letter, an end to every wait, and a word for what went wrong.

A letter whose connection dies after its last byte may have been taken or not. It is handed in again under the same
Message-ID, by which mail programs know a repeat: at least once, never silently not at all.
"""

import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import HeaderParseError
from email.headerregistry import Address, AddressHeader
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import cache
from typing import Final

from moderation.config import MailServer, Settings, mailbox
from moderation.outbound.http import Reply, Trouble, printable

TIMEOUT = 15.0
"""Wall-clock seconds for a letter, from looking up the server's name to its answer."""

LONGEST_SUBJECT = 150

ADVICE: Final[Mapping[str, str]] = {
    "timeout": "the mail server did not answer in time: is its port open from here?",
    "unresolvable": "the mail server's name cannot be found: look at the host in SMTP_URL",
    "connect": "nothing listens there: look at host and port in SMTP_URL (587 with smtp://, 465 with smtps://)",
    "tls": "no protected connection: the certificate is not for that name, or the server has no STARTTLS",
    "credentials": "the mail server does not take the user and password in SMTP_URL",
    "sender": "the mail server does not take mail from MAIL_FROM",
    "deferred": "the mail server says: not now; it is tried again",
    "rejected": "the mail server does not take mail for that address",
    "protocol": "the mail server hung up or did not speak SMTP",
    "fault": "Tidegate itself failed: look at its log",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail as it is to be read: plain text, to one address; ``id`` is the same in every attempt."""

    id: str
    to: str
    subject: str
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


@cache
def _trusted() -> ssl.SSLContext:
    """Return what verifies certificates, once for all of a process: reading the authorities takes tens of milliseconds."""
    return ssl.create_default_context()


class Mailer:
    """Hands letters to one server; safe to be used by many threads. ``timeout`` is wall-clock seconds for a letter."""

    def __init__(
        self, server: MailServer, sender: Address, *, timeout: float = TIMEOUT, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        self.server = server
        self.sender = sender
        self.timeout = timeout
        self._ssl = ssl_context or _trusted()

    @classmethod
    def from_settings(cls, settings: Settings) -> "Mailer | None":
        """Return the mailer that the operator's settings describe; None where nobody is to be mailed."""
        if settings.smtp_url is None or settings.mail_from is None:
            return None
        return cls(MailServer.from_url(settings.smtp_url), mailbox(settings.mail_from))

    def send(self, letter: Letter, *, now: datetime) -> Reply:
        """Hand a letter in and return what came of it; a fault of the server or the address is part of it and never raised."""
        if not _is_plain(letter.to):
            return Reply(trouble="rejected", excerpt="not one address, plainly written")
        message = self._message(letter, now)
        return self._try(lambda smtp: _hand_in(smtp, message))

    def probe(self) -> Reply:
        """Connect and sign in, and send nothing."""
        return self._try(lambda smtp: _checked(*smtp.noop()))

    def _try(self, act: Callable[[smtplib.SMTP], Reply]) -> Reply:
        began = time.monotonic()
        late = threading.Event()
        try:
            with self._open(late) as smtp:
                return act(smtp)
        except OSError as error:  # smtplib's errors and those of TLS are of its kind
            trouble, said = _understood(error)
        took = time.monotonic() - began
        # smtplib calls its own end of waiting a lost connection, and may be a moment earlier than ours.
        over = late.is_set() or took >= self.timeout
        return Reply(trouble="timeout" if over else trouble, excerpt=said, duration_ms=int(took * 1000))

    @contextmanager
    def _open(self, late: threading.Event) -> Iterator[smtplib.SMTP]:
        # smtplib's time-out is one for each read: a server that drips would hold the attempt for ever. So the connection is
        # closed under it when the time is over.
        name = self.sender.domain
        smtp = (
            smtplib.SMTP_SSL(local_hostname=name, timeout=self.timeout, context=self._ssl)
            if self.server.tls == "implicit"
            else smtplib.SMTP(local_hostname=name, timeout=self.timeout)
        )

        def end() -> None:
            late.set()
            if smtp.sock is not None:
                with suppress(OSError):
                    # Of the socket itself, beneath TLS: the other thread is in the middle of using that.
                    socket.socket.shutdown(smtp.sock, socket.SHUT_RDWR)

        timer = threading.Timer(self.timeout, end)
        timer.daemon = True
        timer.start()
        try:
            # For the handshake, which names the host that the certificate has to be for; smtplib takes it from the constructor
            # only, and that would connect before there is anything to close.
            smtp._host = self.server.host  # type: ignore[attr-defined]  # noqa: SLF001
            _checked(*smtp.connect(self.server.host, self.server.port))
            if self.server.tls == "starttls":
                smtp.starttls(context=self._ssl)
            if self.server.user is not None and self.server.password is not None:
                smtp.login(self.server.user, self.server.password)
            if late.is_set():
                raise TimeoutError
            yield smtp
            with suppress(smtplib.SMTPException, OSError):
                # What was taken stays taken, however the parting goes.
                smtp.quit()
        finally:
            timer.cancel()
            smtp.close()

    def _message(self, letter: Letter, now: datetime) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        message["From"] = self.sender
        message["To"] = letter.to
        message["Subject"] = one_line(letter.subject)
        message["Date"] = format_datetime(now)
        message["Message-ID"] = f"<{letter.id}@{self.sender.domain}>"
        # So that no absence note is sent back (RFC 3834).
        message["Auto-Submitted"] = "auto-generated"
        for name, value in letter.headers.items():
            message[name] = value
        message.set_content(letter.text)
        return message


def one_line(text: str, *, longest: int = LONGEST_SUBJECT) -> str:
    """Return text for a header or a line of its own: nothing that breaks or steers the line, and not too long."""
    plain = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return plain if len(plain) <= longest else plain[: longest - 1].rstrip() + "…"


def _is_plain(address: str) -> bool:
    """Tell whether all who read an address find the same one in it: the mail library decodes parts of what a form lets pass."""
    try:
        header = SMTP.header_factory("To", address)
    except (HeaderParseError, ValueError, IndexError):
        return False
    found: tuple[Address, ...] = header.addresses if isinstance(header, AddressHeader) else ()
    return [each.addr_spec for each in found] == [address] and address.isprintable() and all(part.domain for part in found)


def _hand_in(smtp: smtplib.SMTP, message: EmailMessage) -> Reply:
    began = time.monotonic()
    smtp.send_message(message)
    return Reply(status=250, duration_ms=int((time.monotonic() - began) * 1000))


def _checked(code: int, words: bytes) -> Reply:
    if not 200 <= code < 300:
        raise smtplib.SMTPResponseException(code, words)
    return Reply(status=code)


_TROUBLES: Final[tuple[tuple[type[OSError], Trouble], ...]] = (
    (smtplib.SMTPAuthenticationError, "credentials"),
    (smtplib.SMTPSenderRefused, "sender"),
    (smtplib.SMTPException, "protocol"),
    (ssl.SSLError, "tls"),
    (TimeoutError, "timeout"),
    (socket.gaierror, "unresolvable"),
)


def _understood(error: OSError) -> tuple[Trouble, str]:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        ((code, words),) = error.recipients.values()
        return _refusal(code), _said(code, words)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        # An address that is not ASCII, or a server without STARTTLS or sign-in.
        return ("rejected" if "SMTPUTF8" in str(error) else "tls"), str(error)
    trouble: Trouble = next((word for kind, word in _TROUBLES if isinstance(error, kind)), "connect")
    if isinstance(error, smtplib.SMTPResponseException):
        trouble = _refusal(error.smtp_code) if trouble == "protocol" else trouble
        return trouble, _said(error.smtp_code, error.smtp_error)
    return trouble, (error.reason or "") if isinstance(error, ssl.SSLError) else ""


def _refusal(code: int) -> Trouble:
    return "rejected" if code >= 500 else "deferred"


def _said(code: int, words: bytes | str) -> str:
    return f"{code} {printable(words if isinstance(words, bytes) else words.encode())}"[:500]

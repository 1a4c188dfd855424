"""Mail goes out whole and protected or not at all, to a real server, and each fault has its word."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from moderation.config import MailServer, mailbox
from moderation.outbound.mail import ADVICE, Letter, Mailer, one_line
from tests.moderation.outbound.mailserver import DIES, PASSWORD, USER, MailHost, mail_host
from tests.moderation.outbound.receiver import TLS

NOW = datetime(2026, 11, 28, 8, 0, tzinfo=UTC)
LETTER = Letter(id="msg_1", to="ada@blog.example", subject="Comment: größer", text="Ein Wort für Ada.\n.\nEnde.\n")


@pytest.fixture
def host() -> Iterator[MailHost]:
    with mail_host() as running:
        yield running


def mailer(url: str, *, timeout: float = 10.0, trusting: bool = False) -> Mailer:
    context = None
    if trusting:
        context = ssl.create_default_context(cafile=str(TLS / "authority.pem"))
    return Mailer(
        MailServer.from_url(url), mailbox("Die Kommentare <comments@blog.example>"), timeout=timeout, ssl_context=context
    )


@contextmanager
def silent(says: bytes = b"") -> Iterator[int]:
    """A port that takes connections and, a byte every now and then, never comes to an end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ending = threading.Event()

        def drip() -> None:
            with server.accept()[0] as connection:
                while says and not ending.wait(0.1):
                    try:
                        connection.sendall(says)
                    except OSError:
                        return
                ending.wait()

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ending.set()
            thread.join()


def test_a_letter_arrives_as_it_was_written(host: MailHost) -> None:
    assert mailer(host.url).send(LETTER, now=NOW).ok
    (got,) = host.got
    assert (got.sender, got.to) == ("comments@blog.example", ["ada@blog.example"])
    assert got.text.replace("\r\n", "\n") == LETTER.text
    assert got.message["From"] == "Die Kommentare <comments@blog.example>"
    assert got.message["Subject"] == "Comment: größer"
    assert got.message["Message-ID"] == "<msg_1@blog.example>"
    assert got.message["Auto-Submitted"] == "auto-generated"


def test_a_second_attempt_has_the_same_message_id(host: MailHost) -> None:
    host.to_letter = DIES
    assert mailer(host.url).send(LETTER, now=NOW).error == "protocol"
    host.to_letter = "250 OK"
    assert mailer(host.url).send(LETTER, now=NOW).ok
    assert host.begun == 2
    assert [got.message["Message-ID"] for got in host.got] == ["<msg_1@blog.example>"]


@pytest.mark.parametrize(
    ("to_recipient", "to_letter", "trouble"),
    [
        ("550 5.1.1 no such person", "250 OK", "rejected"),
        ("450 4.2.1 later", "250 OK", "deferred"),
        ("250 OK", "554 5.7.1 not this", "rejected"),
        ("250 OK", "452 4.3.1 full", "deferred"),
        ("250 OK", DIES, "protocol"),
    ],
)
def test_a_refusal_is_a_word_and_what_the_server_said(host: MailHost, to_recipient: str, to_letter: str, trouble: str) -> None:
    host.to_recipient, host.to_letter = to_recipient, to_letter
    reply = mailer(host.url).send(LETTER, now=NOW)
    assert reply.error == trouble
    said = next((each for each in (to_recipient, to_letter) if each not in {"250 OK", DIES}), "")
    assert reply.excerpt == said
    assert host.got == []


def test_what_was_taken_stays_taken_though_the_server_dies_before_the_parting(
    host: MailHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(server: Any, *_arguments: Any) -> str:
        server.transport.abort()
        return "221 Bye"

    host.handle_QUIT = dies  # type: ignore[attr-defined]
    assert mailer(host.url).send(LETTER, now=NOW).ok
    assert len(host.got) == 1


@pytest.mark.parametrize("says", [b"", b"220-and so on\r\n"])
def test_a_server_that_never_comes_to_an_end_is_left_in_time(says: bytes) -> None:
    with silent(says) as port:
        reply = mailer(f"smtp://127.0.0.1:{port}", timeout=0.5).send(LETTER, now=NOW)
    assert reply.error == "timeout"
    assert 400 < reply.duration_ms < 5000


def test_a_slow_answer_to_the_letter_is_a_timeout(host: MailHost) -> None:
    host.pause = 3.0
    assert mailer(host.url, timeout=0.5).send(LETTER, now=NOW).error == "timeout"


def test_nobody_there_and_no_such_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert mailer(f"smtp://127.0.0.1:{port}").probe().error == "connect"
    assert mailer("smtp://mail.invalid:25?tls=none").probe().error == "unresolvable"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """receiver.test and other.test lead to the loopback."""
    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **named: Any) -> Any:
        return look_up("127.0.0.1" if str(host).endswith(".test") else host, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_starttls_protects_the_password_and_the_letter(names: None) -> None:
    with mail_host(certificate="receiver.pem") as host:
        url = f"smtp://{USER}:correct%20horse@receiver.test:{host.port}"
        assert mailer(url, trusting=True).send(LETTER, now=NOW).ok
        assert host.got[0].protected
        assert mailer(url.replace("correct", "wrong"), trusting=True).send(LETTER, now=NOW).error == "credentials"
        assert mailer(url).send(LETTER, now=NOW).error == "tls"
        assert mailer(url.replace("receiver.test", "other.test"), trusting=True).send(LETTER, now=NOW).error == "tls"
        assert len(host.got) == 1


def test_tls_from_the_start_verifies_too(names: None) -> None:
    with mail_host(certificate="receiver.pem", implicit=True) as host:
        url = f"smtps://{USER}:correct%20horse@receiver.test:{host.port}"
        assert mailer(url, trusting=True).probe().ok
        assert mailer(url, trusting=True).send(LETTER, now=NOW).ok
        assert mailer(url).probe().error == "tls"
        assert len(host.got) == 1


def test_without_starttls_nothing_is_sent_in_clear(names: None, host: MailHost) -> None:
    assert mailer(f"smtp://receiver.test:{host.port}").send(LETTER, now=NOW).error == "tls"
    assert mailer(f"smtp://receiver.test:{host.port}?tls=none").send(LETTER, now=NOW).ok
    assert len(host.got) == 1


def test_a_header_is_one_line_whatever_a_title_says(host: MailHost) -> None:
    nasty = Letter(id="msg_2", to="ada@blog.example", subject="a\r\nBcc: eve@evil.example\x00\u2028b" + "x" * 200, text="")
    assert mailer(host.url).send(nasty, now=NOW).ok
    (got,) = host.got
    assert got.message["Bcc"] is None
    assert got.to == ["ada@blog.example"]
    assert str(got.message["Subject"]).startswith("a Bcc: eve@evil.example bxxx")
    assert one_line("x" * 200, longest=10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    "address",
    [
        # What a comment form takes for an address, and the mail library for two words in another character set.
        "=?utf-8?q?a=0D=0Ab?=@x.example",
        "=?utf-8?q?ada=40blog.example=2C?=@x.example",
        "=?utf-7?q?+2AA-?=@x.example",
        '"\x01"@x.example',
        "ada@blog.example, eve@x.example",
        "ada@blog.example\nBcc: eve@x.example",
        "nobody",
        "",
    ],
)
def test_what_is_not_plainly_one_address_is_rejected_before_anybody_is_asked(host: MailHost, address: str) -> None:
    reply = mailer(host.url).send(replace(LETTER, to=address), now=NOW)
    assert reply.error == "rejected"
    assert host.got == []


@pytest.mark.parametrize(
    "address", ["ädä@blog.example", "ada@bücher.example", '"ada \\"b\\" c"@blog.example', "a'b+c@blog.example"]
)
def test_an_unusual_address_is_written_to_as_it_is(host: MailHost, address: str) -> None:
    assert mailer(host.url).send(replace(LETTER, to=address), now=NOW).ok
    assert host.got[0].to == [address]


def test_every_trouble_of_a_mail_server_has_advice() -> None:
    assert {
        "timeout",
        "unresolvable",
        "connect",
        "tls",
        "credentials",
        "sender",
        "deferred",
        "rejected",
        "protocol",
        "fault",
    } == set(ADVICE)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", MailServer(host="mail.example", port=587, tls="starttls")),
        (
            "smtp://a%40b:c%3Ad@mail.example:25",
            MailServer(host="mail.example", port=25, tls="starttls", user="a@b", password="c:d"),
        ),
        ("smtps://a:b@mail.example", MailServer(host="mail.example", port=465, tls="implicit", user="a", password="b")),
        ("smtp://localhost", MailServer(host="localhost", port=25, tls="none")),
        ("smtp://mail:2525?tls=none", MailServer(host="mail", port=2525, tls="none")),
    ],
)
def test_an_address_of_a_mail_server_says_how_it_is_reached(url: str, server: MailServer) -> None:
    assert MailServer.from_url(url) == server
    assert PASSWORD not in repr(MailServer.from_url(f"smtp://{USER}:{PASSWORD}@localhost"))


@pytest.mark.parametrize(
    "url",
    [
        "mail.example", "http://mail.example", "smtp://", "smtp://mail.example/inbox", "smtp://mail.example?tls=maybe",
        "smtps://mail.example?tls=none", "smtp://user@mail.example", "smtp://user:password@mail.example?tls=none",
        "smtp://mail.example:99999", "smtp://mail.example#inbox", "smtp://user:p%C3%A4ss@mail.example", "smtp://user:p\u00e4ss@mail.example",
    ],
)  # fmt: skip
def test_a_wrong_address_of_a_mail_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        MailServer.from_url(url)


@pytest.mark.parametrize("mark", ["/", "?", "#"])
def test_a_password_with_a_mark_that_ends_the_host_is_refused_without_being_repeated(mark: str) -> None:
    with pytest.raises(ValueError, match="in a password / is written %2F") as refused:
        MailServer.from_url(f"smtp://user:hush{mark}secret@mail.example")
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("shown", ["", "nobody", "a@b, c@d", "Ada <>", "a@b\r\nBcc: c@d", "@b", "a@"])
def test_a_wrong_sender_is_refused(shown: str) -> None:
    with pytest.raises(ValueError, match="must be an address"):
        mailbox(shown)

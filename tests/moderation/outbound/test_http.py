"""The client that must never knock at a door of ours, however the address is written and whatever the receiver does."""

import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler

import pytest

from moderation.outbound.addresses import is_public, literal
from moderation.outbound.http import READ_AT_MOST, Client, ForbiddenAddress, Guard, Reply, printable
from tests.moderation.outbound.receiver import TLS, Got, Receiver, listening, status

LOOPBACK = ("127.0.0.0/8",)


def answers(*addresses: str) -> Callable[[str, int], Sequence[str]]:
    return lambda host, port: list(addresses)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as receiver:
        yield receiver


def post(receiver: Receiver, *, timeout: float = 5.0, url: str | None = None) -> Reply:
    client = Client(Guard(LOOPBACK), timeout=timeout)
    return client.send("POST", url or receiver.url, headers={"X-Own": "1"}, body=b"hello")


# Everything here leads to us, to our neighbours, or nowhere at all.
FORBIDDEN = [
    "http://example.com/",
    "https://example.com:22/",
    "https://example.com:80/",
    "https://example.com:8080/",
    "https://example.com:0/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "javascript:alert(1)",
    "data:text/plain,hello",
    "//example.com/",
    "example.com",
    "https://",
    "https:///path",
    "https://user@example.com/",
    "https://user:word@example.com/",
    "https://example.com@127.0.0.1/",
    r"https://example.com\@127.0.0.1/",
    r"https://127.0.0.1\@example.com/",
    "https://%31%32%37.0.0.1/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.0.0.1./",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://0177.0.0.1/",
    "https://localhost/",
    "https://LOCALHOST./",
    "https://0/",
    "https://0.0.0.0/",
    "https://10.1.2.3/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/",
    "https://192.0.0.8/",
    "https://192.88.99.1/",
    "https://198.18.0.1/",
    "https://192.0.2.1/",
    "https://198.51.100.1/",
    "https://203.0.113.1/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://[::]/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[64:ff9b:1::1]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:808:808::1]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://[2001:db8::1]/",
    "https://[2001::1]/",
    "https://[3fff::1]/",
    "https://[100::1]/",
    "https://[5f00::1]/",
    "https://[4000::1]/",
]


@pytest.mark.parametrize(
    "url", [*FORBIDDEN, "https://exa mple.com/", "https://example.com/\r\nX: y", "https://a/" + "x" * 3000, ""]
)
def test_an_address_that_is_not_on_the_public_internet_is_refused_at_save_and_at_send(url: str) -> None:
    guard = Guard()
    with pytest.raises(ForbiddenAddress) as refusal:
        guard.check(url)
    assert refusal.value.field == "/url"
    reply = Client(guard, timeout=2).send("POST", url, headers={}, body=b"")
    assert reply.trouble in {"refused_address", "unresolvable"}


def test_the_table_of_forbidden_addresses_is_long_enough_to_mean_something() -> None:
    assert len(FORBIDDEN) >= 40


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_is_accepted_in_each_of_its_spellings(address: str) -> None:
    parsed = literal(address)
    assert parsed is not None
    assert is_public(parsed)


@pytest.mark.parametrize("url", ["https://example.com/hook", "https://example.com:8443/", "https://bücher.example/x?y=1#z"])
def test_an_ordinary_address_is_accepted(url: str) -> None:
    target = Guard(resolver=answers("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c")).check(url)
    assert target.host.isascii()
    assert "#" not in str(target.url)


def test_one_private_address_among_public_ones_refuses_the_name() -> None:
    guard = Guard(resolver=answers("93.184.215.14", "10.0.0.7"))
    with pytest.raises(ForbiddenAddress, match="public Internet"):
        guard.check("https://example.com/")


def test_a_name_without_an_address_is_refused_in_words() -> None:
    def nothing(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(ForbiddenAddress, match="cannot be found"):
        Guard(resolver=nothing).check("https://example.invalid/")
    reply = Client(Guard(resolver=nothing)).send("POST", "https://example.invalid/", headers={}, body=b"")
    assert reply.error == "unresolvable"


def test_a_name_that_moved_to_the_loopback_after_it_was_saved_is_refused_when_sending(receiver: Receiver) -> None:
    asked: list[str] = []

    def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["93.184.215.14"] if len(asked) == 1 else ["127.0.0.1"]

    guard = Guard(resolver=rebinding)
    url = "https://rebind.example:8443/"
    guard.check(url)
    reply = Client(guard).send("POST", url, headers={}, body=b"")
    assert reply.error == "refused_address"
    assert asked == ["rebind.example", "rebind.example"], "one look-up per connection"
    assert receiver.got == []


def test_a_connection_goes_to_the_vetted_address_and_asks_the_resolver_once(receiver: Receiver) -> None:
    asked: list[str] = []

    def resolver(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    client = Client(Guard(LOOPBACK, resolver=resolver))
    reply = client.send("POST", f"http://blog.example:{receiver.port}/hook?a=b", headers={}, body=b"x")
    assert reply.ok
    assert asked == ["blog.example"]
    assert receiver.got[0].headers["host"] == f"blog.example:{receiver.port}"
    assert receiver.got[0].path == "/hook?a=b"


def test_what_the_operator_allows_may_use_http_and_any_port() -> None:
    by_name = Guard(("intranet.example",), resolver=answers("10.0.0.7"))
    assert by_name.check("http://intranet.example:8080/").port == 8080
    with pytest.raises(ForbiddenAddress, match="https"):
        by_name.check("http://other.example:8080/")
    with pytest.raises(ForbiddenAddress, match="public Internet"):
        by_name.check("https://other.example/")
    by_network = Guard(("10.0.0.0/24",), resolver=answers("10.0.0.7"))
    assert by_network.check("http://anything.example:8080/").port == 8080
    with pytest.raises(ForbiddenAddress, match="https"):
        Guard(("10.0.0.0/24",), resolver=answers("93.184.215.14")).check("http://example.com/")
    with pytest.raises(ForbiddenAddress, match="Port 22"):
        Guard(("10.0.0.0/24",), resolver=answers("93.184.215.14")).check("https://example.com:22/")


def test_the_request_asks_for_no_compression_and_carries_the_body_as_given(receiver: Receiver) -> None:
    reply = post(receiver)
    assert (reply.status, reply.error) == (204, None)
    (got,) = receiver.got
    assert (got.method, got.body, got.headers["x-own"]) == ("POST", b"hello", "1")
    assert got.headers["accept-encoding"] == "identity"
    assert got.headers["connection"] == "close"


def test_a_redirect_is_a_failure_and_is_not_followed(receiver: Receiver) -> None:
    with listening() as elsewhere:
        receiver.answer = status(302, Location=elsewhere.url)
        reply = post(receiver)
        assert (reply.ok, reply.error) == (False, "http_302")
        assert elsewhere.got == []


def test_proxies_of_the_environment_are_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert post(receiver).ok
        assert proxy.got == []


@pytest.mark.parametrize(
    ("begins", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", "timeout"),
        # The status line is the answer; what follows it is not needed.
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", None),
    ],
)
def test_a_receiver_that_drips_is_left_at_the_deadline(receiver: Receiver, begins: bytes, error: str | None) -> None:
    def drip(handler: BaseHTTPRequestHandler, got: Got) -> None:
        handler.wfile.write(begins)
        while not receiver.closing.wait(0.02):
            handler.wfile.write(b"x")

    receiver.answer = drip
    began = time.monotonic()
    reply = post(receiver, timeout=0.4)
    assert time.monotonic() - began < 2
    assert reply.error == error


def test_a_receiver_that_says_nothing_is_left_at_the_deadline(receiver: Receiver) -> None:
    def silence(handler: BaseHTTPRequestHandler, got: Got) -> None:
        receiver.closing.wait(5)

    receiver.answer = silence
    assert post(receiver, timeout=0.3).error == "timeout"


def test_a_huge_answer_is_read_no_further_than_needed_and_a_kilobyte_is_kept(receiver: Receiver) -> None:
    written = 0

    def endless(handler: BaseHTTPRequestHandler, got: Got) -> None:
        nonlocal written
        handler.wfile.write(b"HTTP/1.1 500 Oops\r\nContent-Length: 1000000000\r\n\r\n")
        while not receiver.closing.is_set():
            written += handler.wfile.write(b"y" * 65536)

    receiver.answer = endless
    reply = post(receiver)
    assert reply.status == 500
    assert reply.excerpt == "y" * 1024
    assert written < 64 * 1024 * 1024
    assert READ_AT_MOST == 16 * 1024


def test_a_receiver_that_hangs_up_in_the_middle_of_its_answer_has_still_answered(receiver: Receiver) -> None:
    def half(handler: BaseHTTPRequestHandler, got: Got) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        handler.close_connection = True

    receiver.answer = half
    reply = post(receiver)
    assert (reply.ok, reply.excerpt) == (True, "half")


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 20", b"SSH-2.0-OpenSSH\r\n"])
def test_a_receiver_that_does_not_speak_http_is_a_failure(receiver: Receiver, said: bytes) -> None:
    def nonsense(handler: BaseHTTPRequestHandler, got: Got) -> None:
        handler.wfile.write(said)
        handler.close_connection = True

    receiver.answer = nonsense
    assert post(receiver).error == "protocol"


def test_a_closed_port_is_a_failure_to_connect() -> None:
    with listening() as receiver:
        url = receiver.url
    assert Client(Guard(LOOPBACK)).send("POST", url, headers={}, body=b"").error == "connect"


def test_a_resolver_that_hangs_counts_against_the_deadline(receiver: Receiver) -> None:
    def hanging(host: str, port: int) -> Sequence[str]:
        receiver.closing.wait(5)
        return ["127.0.0.1"]

    client = Client(Guard(LOOPBACK, resolver=hanging), timeout=0.2)
    assert client.send("POST", receiver.url.replace("127.0.0.1", "slow.example"), headers={}, body=b"").error == "timeout"


def secure(port: int, host: str) -> Reply:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(TLS / "authority.pem")
    client = Client(Guard(LOOPBACK, resolver=answers("127.0.0.1")), ssl_context=context)
    return client.send("POST", f"https://{host}:{port}/hook", headers={}, body=b"hello")


def test_tls_verifies_the_name_though_the_connection_goes_to_an_address() -> None:
    with listening(certificate="receiver.pem") as receiver:
        assert secure(receiver.port, "receiver.test").ok
        assert secure(receiver.port, "other.test").error == "tls"
        assert len(receiver.got) == 1


def test_an_expired_certificate_is_refused() -> None:
    with listening(certificate="expired.pem") as receiver:
        assert secure(receiver.port, "receiver.test").error == "tls"
        assert receiver.got == []


def test_a_certificate_of_an_unknown_authority_is_refused() -> None:
    with listening(certificate="receiver.pem") as receiver:
        client = Client(Guard(LOOPBACK, resolver=answers("127.0.0.1")))
        assert client.send("POST", f"https://receiver.test:{receiver.port}/", headers={}, body=b"").error == "tls"
        assert receiver.got == []


def test_an_excerpt_holds_nothing_that_a_terminal_or_a_database_would_stumble_over() -> None:
    assert printable(b"a\x00\x1b[31m\xff\n\xe2\x80\xae") == "a\\x00\\x1b[31m\\xff\n\\u202e"

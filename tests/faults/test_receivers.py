"""Receivers that stall, drip, flood, lie or are gone, beside a healthy one on one running stack: RELIABILITY's fault 28.

The schedule over hours and each single misbehaviour are tested on a fake clock and in process; here a real deliver worker has
them all at once, and the healthy receiver must not notice.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.faults.hook import sitecustomize as hook
from tests.faults.stack import CIVIL, Broken
from tests.moderation.outbound.receiver import Got, Receiver, listening, status

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(240),
    pytest.mark.parametrize("stack", ["sqlite"], indirect=True, scope="module"),
]

TIMEOUT = 20.0
PROMPT = 15.0
"""Seconds within which the healthy receiver hears of a comment: less than one stalling attempt takes."""

SETTINGS = {
    "PYTHONPATH": str(Path(hook.__file__).parent),
    "TIDEGATE_WEBHOOK_ALLOW": f"127.0.0.1,{hook.MOVING}",
    "TIDEGATE_WEBHOOK_SCHEDULE": ",".join(["0", "1", "1", *["2"] * 90]),
    "TIDEGATE_WEBHOOK_TIMEOUT": str(TIMEOUT),
}
WAITS = 600
"""What the throttling receiver asks for, in seconds."""


def stalls(receiver: Receiver) -> Callable[[BaseHTTPRequestHandler, Got], None]:
    def answer(handler: BaseHTTPRequestHandler, got: Got) -> None:
        receiver.closing.wait(60)

    return answer


def drips(receiver: Receiver) -> Callable[[BaseHTTPRequestHandler, Got], None]:
    def answer(handler: BaseHTTPRequestHandler, got: Got) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not receiver.closing.wait(1):
            handler.wfile.write(b"x")

    return answer


def floods(receiver: Receiver) -> Callable[[BaseHTTPRequestHandler, Got], None]:
    return status(200, body=b"y" * 10_000_000)


def hangs_up(receiver: Receiver) -> Callable[[BaseHTTPRequestHandler, Got], None]:
    def answer(handler: BaseHTTPRequestHandler, got: Got) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        handler.close_connection = True

    return answer


NASTY: dict[str, Callable[[Receiver], Callable[[BaseHTTPRequestHandler, Got], None]]] = {
    "timeout": stalls,
    "timeout too": drips,
    "floods": floods,
    "hangs up": hangs_up,
    "http_500": lambda _: status(500),
    "http_429": lambda _: status(429, Retry_After=str(WAITS)),
    "http_410": lambda _: status(410),
    "tls": lambda _: status(204),
    "unresolvable": lambda _: status(204),
}


@pytest.fixture
def nasty() -> Iterator[dict[str, Receiver]]:
    """The receivers by the word that their attempts end with, and one that others redirect to."""
    with ExitStack() as open_:
        found = {}
        for name, how in NASTY.items():
            found[name] = open_.enter_context(listening(certificate="receiver.pem" if name == "tls" else None))
            found[name].answer = how(found[name])
        found["target"] = open_.enter_context(listening())
        found["http_301"] = open_.enter_context(listening())
        found["http_301"].answer = status(301, Location=found["target"].url)
        yield found


def url_of(name: str, receiver: Receiver) -> str:
    if name == "tls":
        return receiver.url.replace("http:", "https:")
    return receiver.url.replace("127.0.0.1", hook.MOVING) if name == "unresolvable" else receiver.url


def deliveries(stack: Broken, endpoint: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.call("GET", f"/v1/deliveries?endpoint={endpoint}&limit=100")["items"]
    return found


def fail_with(stack: Broken, endpoint: str, error: str) -> bool:
    return {delivery["last_error"] for delivery in deliveries(stack, endpoint) if delivery["attempts"]} == {error}


def are(stack: Broken, endpoint: str, state: str) -> bool:
    return {delivery["state"] for delivery in deliveries(stack, endpoint)} == {state}


def heard(stack: Broken, comment: str) -> bool:
    return any(comment.encode() in body for body in list(stack.inbox.seen.values()))


def test_a_healthy_receiver_does_not_notice_the_others(stack: Broken, nasty: dict[str, Receiver]) -> None:
    resolves = stack.home / "run" / hook.RESOLVES.name
    resolves.touch()  # a name without an address would not be accepted
    endpoints = {
        name: stack.call("POST", "/v1/endpoints", {"url": url_of(name, receiver)})["id"]
        for name, receiver in nasty.items()
        if name != "target"
    }
    resolves.unlink()

    late = []
    for number in range(16):
        decided = stack.decided(f"{CIVIL[number % 5]} ({number * 7919 % 100_003})")["id"]
        began = time.monotonic()
        stack.wait("heard of", partial(heard, stack, decided))
        late.append(time.monotonic() - began)
    assert max(late) < PROMPT, late

    for name in ("http_500", "http_301", "http_429", "http_410", "tls", "unresolvable"):
        stack.wait(name, partial(fail_with, stack, endpoints[name], name))
    for name in ("timeout", "timeout too"):
        stack.wait(name, partial(fail_with, stack, endpoints[name], "timeout"))
    for name in ("floods", "hangs up"):
        # The status line is the answer, and what follows it is read no further than needed.
        stack.wait(name, partial(are, stack, endpoints[name], "delivered"))
    assert nasty["target"].got == [], "a redirect was followed"
    assert nasty["tls"].got == [], "something was said to a server that proved nothing"
    # Told to wait, it waits: what was already under way, and nothing more.
    assert len(nasty["http_429"].got) <= 4
    # Gone said twice is believed: nothing is lost, and nothing more is sent.
    stack.wait(
        "the gone one disabled", lambda: stack.call("GET", f"/v1/endpoints/{endpoints['http_410']}")["state"] == "disabled"
    )
    stack.wait("its deliveries paused", partial(are, stack, endpoints["http_410"], "paused"))
    assert len(nasty["http_410"].got) <= 8

    resolves.touch()
    stack.wait("the moved one delivered", partial(are, stack, endpoints["unresolvable"], "delivered"))
    assert {got.id for got in nasty["unresolvable"].got} == {got.id for got in nasty["hangs up"].got}

    for endpoint in endpoints.values():
        stack.call("DELETE", f"/v1/endpoints/{endpoint}")
    stack.heal()
    assert stack.verdict() == []

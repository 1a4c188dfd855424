"""Hostile requests, and receivers that stall, drip, flood, lie or are gone, on one running stack: RELIABILITY's faults 38 and 28.

What each request is answered, the schedule over hours and each single misbehaviour of a receiver are tested in process. Here
the real server must stay itself, at little cost, and a real deliver worker has all the receivers at once while a healthy one
must not notice.
"""

import http.client
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from http.server import BaseHTTPRequestHandler
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from dev.thousand import processes
from moderation.models import Comment, Job, JobKind, Subject
from moderation.services import policies, sites
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


EACH = 5
"""Times that each request is sent."""

AFFORDABLE = 0.2
"""Seconds of processor time that a request may cost."""

HEAD = b'{"post":{"url":"https://blog.example/a","title":"A"},"author":{"name":"Ann"},"body":'
MARKS = "\u0301\u0327"
HOSTILE = {
    "brackets": b"[" * 100_000,
    "objects": b'{"a":' * 20_000,
    "forty deep": b'{"a":' * 40 + b"1" + b"}" * 40,
    "half a pair": HEAD + b'"\\ud800"}',
    "not a number": HEAD + b"NaN}",
    "infinite": HEAD + b"1e999}",
    "five thousand digits": HEAD + b"9" * 5000 + b"}",
    "a list": HEAD + b"[1]}",
    "nul": HEAD + b'"x\\u0000y"}',
    "twice": HEAD + b'"x","body":"y"}',
    "cut off": HEAD + b'"x"',
    "empty": b"[]",
    "utf-16": '{"body":"x"}'.encode("utf-16"),
    "too long": HEAD + b'"' + b"x" * 20_001 + b'"}',
    "combining marks": HEAD + json.dumps("a" + MARKS * 25_000, ensure_ascii=False).encode() + b"}",
    "combining marks in the name": json.dumps(
        {"post": {"url": "https://b.example/", "title": "A"}, "author": {"name": "a" + MARKS * 25_000}, "body": "x"},
        ensure_ascii=False,
    ).encode(),
    "a hundred names": b"{" + b",".join(b'"n%d":1' % number for number in range(8000)) + b"}",
}

WORDS = " ".join("abcdefghijklmnopqrstuvwxyz"[number % 26] for number in range(10_000))
"""Ten thousand words in the twenty thousand characters that a comment may have; spaced letters are also read as words."""
RULES = [
    {"text": f"{first}{second} {number} zz", "reason": 9}
    for number in range(50)
    for first, second in product("abcdefghijklmnopqrst", repeat=2)
]


def spent(pids: list[int]) -> float:
    """Return the seconds of processor time that processes have used."""
    ticks = 0
    for pid in pids:
        user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        ticks += int(user) + int(system)
    return ticks / os.sysconf("SC_CLK_TCK")


def post(stack: Broken, body: bytes, path: str = "/v1/comments", **headers: str) -> tuple[int, str, Any]:
    """Send a body once and return status, type and answer; one that is refused unread may be hung up on."""
    connection = http.client.HTTPConnection(stack.base.removeprefix("http://"), timeout=60)
    try:
        connection.request(
            "POST", path, body, {"Authorization": f"Bearer {stack.key}", "Content-Type": "application/json", **headers}
        )
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], json.loads(answer.read())
    finally:
        connection.close()


def stored(stack: Broken) -> int:
    with stack.database.reading() as session:
        return session.scalar(select(func.count()).select_from(Comment)) or 0


def pending(stack: Broken) -> int:
    with stack.database.reading() as session:
        return session.scalar(select(func.count()).select_from(Job).where(Job.kind == JobKind.MODERATE)) or 0


def servers(stack: Broken) -> list[int]:
    found = processes(stack.home, lambda line: "gunicorn" in line)
    assert len(found) == 3, "a master and two workers"
    return found


def test_no_hostile_body_is_accepted_or_costs_much(stack: Broken) -> None:
    api = servers(stack)
    before_all = stored(stack)
    costs = {}
    for name, body in HOSTILE.items():
        before = spent(api)
        for _ in range(EACH):
            status, kind, problem = post(stack, body)
            assert (400 <= status < 500, kind) == (True, "application/problem+json"), (name, status, problem)
            stack.history.faulty.append(status)
        costs[name] = (spent(api) - before) / EACH
    assert {name: cost for name, cost in costs.items() if cost > AFFORDABLE} == {}
    assert servers(stack) == api, "a server ended"
    assert stored(stack) == before_all


def test_ten_thousand_words_against_twenty_thousand_rules_are_taken_in_and_judged(stack: Broken) -> None:
    worker = processes(stack.home, lambda line: "billiard.spawn" in line)
    api = servers(stack)

    def judged(*numbers: int) -> tuple[float, float]:
        """Return what such a comment costs the API and the worker."""
        before = spent(api), spent(worker)
        for number in numbers:
            body = {
                "post": {"url": "https://blog.example/long", "title": "A"},
                "author": {"name": f"Ann {number}"},
                "body": f"{number} {WORDS}"[:20_000],
            }
            status, _, made = post(stack, json.dumps(body).encode(), **{"Idempotency-Key": f"long-{number}"})
            assert status == 202, made
            stack.history.acknowledged[f"long-{number}"].append(made["id"])
        taken_in = spent(api)
        # Asked of the database: the API is being measured.
        stack.wait("all judged", lambda: pending(stack) == 0)
        return (taken_in - before[0]) / len(numbers), (spent(worker) - before[1]) / len(numbers)

    _, without = judged(1)
    with stack.database.transaction() as session:
        now = stack.database.now(session)
        site = sites.find(session, stack.up.demo()["site"])
        version = policies.add_version(session, site.id, Subject.BANNED_WORDS, "banned", {"words": RULES}, by="test", now=now)
        policies.activate(session, version, by="test", now=now)
    judged(2)  # compiles the list, once a process
    intake, with_rules = judged(3)
    assert len(RULES) == 20_000
    assert intake < AFFORDABLE
    # What the model costs varies with what else the machine does, and by more than twenty thousand rules cost.
    assert with_rules < 1.5 * without + AFFORDABLE
    flagged = stack.decided(f"{CIVIL[0]} ab 7 zz")
    assert flagged["status"] == "flagged", "the list is in force"
    stack.heal()
    assert stack.verdict() == []


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

"""Hostile requests to the real server, and what they cost it in processor time: RELIABILITY's fault 38.

What each of them is answered is tested in process, request by request; here is told that the server stays itself: no answer is a
fault of ours, nothing is stored, and none of them is expensive.
"""

import http.client
import json
import os
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from dev.thousand import processes
from moderation.models import Comment, Job, JobKind, Subject
from moderation.services import policies, sites
from tests.faults.stack import CIVIL, Broken

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(180),
    pytest.mark.parametrize("stack", ["sqlite"], indirect=True, scope="module"),
]

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

"""The doors before one client at a time and before eight at once: how soon each answers, and how often it holds.

With usual texts and with long ones, one door after the other, on a stack as ``make up`` runs it;
``python -m bench --only doors``.
"""

import hmac
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

from bench.load import percentile
from bench.ours import PROGRAMS, settings_of
from bench.texts import texts
from moderation.database import Database
from moderation.models import KeyKind
from moderation.services import keys, signing, sites
from moderation.supervisor import Stack

AT_ONCE = 8
IDLE = 3.0
"""Seconds for which a door is asked by one client alone: with both lengths of text and four doors less than half a minute."""

LONG = 2_000
"""Characters of a long text: about 450 tokens, which the model takes in several windows."""

SITE = "doors"
SIGNED_WITH = "ssec_of_the_measurement_0123456789"

Request = tuple[str, bytes, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Door:
    """How a door is asked about a text, and how its hold, or its "try again", is told from its other answers."""

    name: str
    limit: float | None
    """Seconds after which its most impatient client gives up."""
    asked: Callable[[str, int], Request]
    held: Callable[[int, Mapping[str, str], bytes], bool]


@dataclass(frozen=True, slots=True)
class Found:
    """What came of some requests; ``took`` in seconds."""

    took: list[float]
    held: int
    failed: int
    seconds: float
    limit: float | None
    at_once: int = AT_ONCE

    @property
    def kept(self) -> bool | None:
        """Tell whether 99 of 100 answers came before the client gave up, None where it waits for ever."""
        return None if self.limit is None else percentile(self.took, 0.99) <= self.limit

    @property
    def rate(self) -> float:
        """Return how many were answered in a second."""
        return len(self.took) / self.seconds

    @property
    def late(self) -> int | None:
        """Return how many came after the client had given up, None where it waits for ever."""
        return None if self.limit is None else sum(each > self.limit for each in self.took)

    def line(self) -> str:
        """Return the figures in one line."""
        p50, p99 = (1000 * percentile(self.took, share) for share in (0.5, 0.99))
        late = "" if self.limit is None else f", {self.late} over {1000 * self.limit:.0f} ms"
        asked = f"{self.at_once} at once: {self.rate:.1f}/s"
        return f"{asked}, p50 {p50:.0f} ms, p99 {p99:.0f} ms, {self.held} held, {self.failed} failed{late}"


def measure(home: Path, seconds: float) -> Iterator[tuple[str, Found]]:
    """Yield what was asked of whom and what came of it, per door, length of text and number of clients.

    Eight clients ask for so many seconds, one alone for ``IDLE``.
    """
    with Stack(settings_of(home), only=PROGRAMS) as stack:
        settings = stack.settings
        key = set_up(settings.database_url, settings.secret)
        for door in every_door(key):
            _run(settings.port, door, texts(0), 2.0)
            for length, source in (("usual", texts(1)), ("long", _long(texts(2)))):
                yield f"{door.name}, {length} texts", _run(settings.port, door, source, IDLE, at_once=1)
                yield f"{door.name}, {length} texts", _run(settings.port, door, source, seconds)


def set_up(database_url: str, secret: bytes) -> str:
    """Make the site that is asked for and return a key that opens its doors."""
    database, now = Database(database_url), datetime.now(UTC)
    with database.transaction() as session:
        site = sites.create(session, name=SITE, title="Doors", policy="standard", by="bench", now=now)
        signing.add(session, site.id, door="coral", shown=SIGNED_WITH, name="phase", secret=secret, by="bench", now=now)
        made = keys.create(session, site.id, KeyKind.DOOR, name="bench", secret=secret, by="bench", now=now)
    database.dispose()
    return made.shown


def every_door(key: str) -> tuple[Door, ...]:
    """Return each door and how it is asked."""
    as_json = {"Content-Type": "application/json"}

    def coral(text: str, number: int) -> Request:
        body = json.dumps(
            {
                "action": "NEW",
                "comment": {"body": text, "parentID": None},
                "author": {"id": f"reader-{number % 500}", "role": "COMMENTER"},
                "story": {"id": f"story-{number % 20}", "url": f"https://doors.example/{number % 20}"},
            }
        ).encode()
        signature = hmac.digest(SIGNED_WITH.encode(), body, "sha256").hex()
        return f"/coral/{SITE}", body, {**as_json, "X-Coral-Signature": f"sha256={signature}"}

    def openai(text: str, _number: int) -> Request:
        return "/v1/moderations", json.dumps({"input": text}).encode(), {**as_json, "Authorization": f"Bearer {key}"}

    def akismet(text: str, number: int) -> Request:
        fields = {
            "api_key": key,
            "blog": "https://doors.example",
            "user_ip": "192.0.2.7",
            "permalink": f"https://doors.example/{number % 20}",
            "comment_author": f"Reader {number % 500}",
            "comment_author_email": f"reader-{number % 500}@example.org",
            "comment_content": text,
        }
        form = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "WordPress/6.1.9 | Akismet/5.0.2"}
        return "/1.1/comment-check", urlencode(fields).encode(), form

    def perspective(text: str, _number: int) -> Request:
        asked = {"comment": {"text": text}, "requestedAttributes": {"TOXICITY": {}}, "languages": ["en"], "doNotStore": True}
        return f"/v1alpha1/comments:analyze?{urlencode({'key': key})}", json.dumps(asked).encode(), as_json

    return (
        Door("Perspective", 0.8, perspective, lambda status, *_: status == 503),
        Door("Coral", 0.2, coral, lambda _status, _headers, body: b"SYSTEM_WITHHELD" in body),
        Door("Akismet", 1.0, akismet, lambda _status, headers, _body: "X-akismet-error" in headers),
        Door("OpenAI", None, openai, lambda status, *_: status == 503),
    )


def _long(source: Iterator[str]) -> Iterator[str]:
    while True:
        text = ""
        while len(text) < LONG:
            text = f"{text} {next(source)}"
        yield text[:LONG]


def _run(port: int, door: Door, source: Iterator[str], seconds: float, *, at_once: int = AT_ONCE) -> Found:
    taking = threading.Lock()
    taken = iter(range(10**9))
    took: list[float] = []
    held: list[bool] = []
    failed: list[int] = []
    began = time.monotonic()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while time.monotonic() < began + seconds:
            with taking:
                text, number = next(source), next(taken)
            path, body, headers = door.asked(text, number)
            asked = time.monotonic()
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            took.append(time.monotonic() - asked)
            is_hold = door.held(answer.status, dict(answer.headers), content)
            held.append(is_hold)
            if answer.status >= 300 and not is_hold:
                failed.append(answer.status)
        connection.close()

    with ThreadPoolExecutor(at_once) as pool:
        for each in [pool.submit(client) for _ in range(at_once)]:
            each.result()
    return Found(took, sum(held), len(failed), time.monotonic() - began, door.limit, at_once)

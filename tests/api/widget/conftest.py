"""The comment section's routes as a reader's browser asks them."""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.api.conftest import CIVIL, ORIGIN, Door

PAGE = {"id": "p1", "url": f"{ORIGIN}/arms", "title": "Arms and the treaty"}


@dataclass
class Reader:
    """A reader's browser on the blog's page, and the token of what it sent last."""

    door: Door
    token: str = ""

    def send(self, body: str = CIVIL, *, headers: Any = None, **changes: Any) -> Any:
        comment = {"post": PAGE, "author": {"name": "Ada"}, "body": body, **changes}
        answer = self.call("POST", "/v1/comments", comment, headers=headers)
        self.token = answer.headers.get("Author-Token", "")
        self.door.work()
        return answer

    def call(self, method: str, path: str, body: Any = None, *, headers: Any = None) -> Any:
        sent = {"Origin": ORIGIN, "Author-Token": self.token, **(headers or {})}
        options = {"json": body} if body is not None else {}
        return self.door.call(method, path, key="publishable", headers=sent, **options)

    def own(self, language: str = "en") -> Any:
        answer = self.call("GET", f"/v1/own?lang={language}")
        assert answer.status_code == 200, answer.text
        return answer.json

    def thread(self) -> list[Any]:
        answer = self.call("GET", "/v1/threads?post=p1")
        found: list[Any] = answer.json["comments"]
        return found

    def decide(self, verdict: str, *, key: str = "moderator", **more: Any) -> Any:
        """Let a moderator decide about what was sent last."""
        own = self.own()
        seen = self.door.shown(own["id"])["decision_seq"]
        body = {"verdict": verdict, "revision": own["revision"], "decision_seq": seen, **more}
        return self.door.post(f"/v1/comments/{own['id']}/decisions", body, key=key)


@pytest.fixture
def reader(door: Door) -> Reader:
    """A reader, on either database."""
    return Reader(door)


@pytest.fixture
def sqlite_reader(sqlite_door: Door) -> Reader:
    """A reader, for what no database can make a difference to."""
    return Reader(sqlite_door)

"""The application on a real database with the real models, and a blog that talks to it through Flask's client."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import jsonschema
import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from api import openapi
from api.app import create_app
from api.context import KEY, Context
from moderation.config import Settings
from moderation.models import Job, JobKind, KeyKind, Role
from moderation.runtime import Runtime
from moderation.scoring import catalog
from moderation.services import keys, sealing, sites
from moderation.services.asking import Models
from moderation.services.explaining import Explainer
from moderation.services.moderating import Moderator

SECRET = b"a secret for the tests, long enough"
CIVIL = "I disagree with the treaty, but thank you for this clear article."
ABUSIVE = "You are a stupid, worthless idiot and everybody here hates you."
ORIGIN = "https://blog.example"
DESCRIBED = orjson.loads(openapi.COPY.read_bytes())


@dataclass
class Door:
    """What a test does over HTTP, in few words.

    ``keys`` has one of the blog's keys per kind and per role, and ``stranger``, the secret key of another site.
    """

    app: Flask
    runtime: Runtime
    keys: dict[str, str]
    _sent: int = 0

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    @property
    def context(self) -> Context:
        return cast("Context", self.app.extensions[KEY])

    def call(self, method: str, path: str, *, key: str | None = "secret", headers: Any = None, **options: Any) -> Any:
        shown = self.keys.get(key, key) if key else None
        sent = {"Authorization": f"Bearer {shown}"} if shown else {}
        answer = self.client.open(path, method=method, headers={**sent, **(headers or {})}, **options)
        if answer.content_type == "application/json" and answer.status_code < 300:
            self._check_as_described(answer)
        return answer

    def _check_as_described(self, answer: Any) -> None:
        """Every answer to every test is held to the description of the API."""
        adapter = self.app.url_map.bind("localhost")
        found, _ = adapter.match(answer.request.path, method=answer.request.method, return_rule=True)
        path = openapi.path_of(found)
        operation = DESCRIBED["paths"].get(path, {}).get(answer.request.method.lower())
        if operation is None:
            return
        described = operation["responses"][str(answer.status_code)]
        schema = {**described["content"]["application/json"]["schema"], "components": DESCRIBED["components"]}
        jsonschema.Draft202012Validator(schema).validate(answer.json)

    def get(self, path: str, **options: Any) -> Any:
        return self.call("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        return self.call("POST", path, json=body if body is not None else {}, **options)

    def comment(self, body: str = CIVIL, **changes: Any) -> dict[str, Any]:
        self._sent += 1
        return {
            "post": {"id": "p1", "url": f"{ORIGIN}/arms", "title": "Arms and the treaty"},
            "author": {"id": f"reader-{self._sent}", "name": f"Reader {self._sent}"},
            "body": body,
            **changes,
        }

    def submitted(self, body: str = CIVIL, **changes: Any) -> dict[str, Any]:
        """Send a comment and return what the answer says of it."""
        answer = self.post("/v1/comments", self.comment(body, **changes))
        assert answer.status_code == 202, answer.text
        return cast("dict[str, Any]", answer.json)

    def decided(self, body: str = CIVIL, **changes: Any) -> dict[str, Any]:
        """Send a comment, let the worker decide, and return what became of it."""
        comment_id = self.submitted(body, **changes)["id"]
        self.work()
        return self.shown(comment_id)

    def shown(self, comment_id: str) -> dict[str, Any]:
        return cast("dict[str, Any]", self.get(f"/v1/comments/{comment_id}").json)

    def work(self) -> None:
        """Let a worker judge what waits."""
        Moderator(self.runtime.database, Models(catalog.bundled(), catalog.spam()), SECRET, "one").drain()

    def explain(self) -> None:
        """Let a worker explain what waits for it, and that at once."""
        models = Models(catalog.bundled(), catalog.spam())
        with self.runtime.database.transaction() as session:
            session.execute(update(Job).where(Job.kind == JobKind.EXPLAIN).values(run_at=Job.created_at))
        Explainer(self.runtime.database, models, "one", Moderator(self.runtime.database, models, SECRET, "one").settle).drain()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Let a worker judge in a thread whatever comes meanwhile."""
        done = threading.Event()

        def run() -> None:
            while not done.wait(0.02):
                self.work()

        with ThreadPoolExecutor(1) as pool:
            ended = pool.submit(run)
            try:
                yield
            finally:
                done.set()
            ended.result()

    def place(self) -> None:
        """Give what happened its place in the feed, as the relay does."""
        with self.runtime.database.transaction() as session:
            sealing.place_events(session)


def settings(folder: Path, database_url: str, **changes: Any) -> Settings:
    """Return the settings of an installation without Redis, which may send to one port of this machine."""
    given: dict[str, Any] = {
        "home": folder / "home",
        "database_url": database_url,
        "secret": SECRET,
        "public_url": "https://tidegate.example",
        "webhook_allow": ("127.0.0.1:9",),
    }
    return Settings(**{**given, **changes})


def open_door(given: Settings) -> Iterator[Door]:
    """Make two sites with their keys and people, and the application in front of them."""
    runtime = Runtime.build(given, role="api")
    shown = found_site(runtime, "blog", ORIGIN)
    shown["stranger"] = found_site(runtime, "other", "https://other.example")["secret"]
    door = Door(create_app(runtime), runtime, shown)
    try:
        yield door
    finally:
        door.context.end()
        runtime.close()


def found_site(runtime: Runtime, name: str, origin: str) -> dict[str, str]:
    """Make a site with a key of each kind and a member of each role; returns the keys by kind and role."""
    now = datetime.now(UTC)
    shown = {}
    with runtime.database.transaction() as session:
        site = sites.create(session, name=name, title=name, origins=[origin], policy="standard", by="test", now=now)
        for kind in (KeyKind.SECRET, KeyKind.PUBLISHABLE, KeyKind.DOOR):
            shown[str(kind)] = keys.create(session, site.id, kind, name="test", secret=SECRET, by="test", now=now).shown
        for role in Role:
            person = sites.add_member(
                session, site.id, email=f"{role}@{name}.example", name=role.title(), role=role, by="test", now=now
            )
            own = keys.create(
                session, site.id, KeyKind.PERSONAL, name="own", user_id=person.id, secret=SECRET, by="test", now=now
            )
            shown[str(role)] = own.shown
    return shown


@pytest.fixture
def door(tmp_path: Path, database_url: str) -> Iterator[Door]:
    """An installation on either database."""
    yield from open_door(settings(tmp_path, database_url))


@pytest.fixture
def sqlite_door(tmp_path: Path, sqlite_url: str) -> Iterator[Door]:
    """An installation on SQLite, for what no database can make a difference to."""
    yield from open_door(settings(tmp_path, sqlite_url))

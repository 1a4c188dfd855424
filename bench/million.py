"""The moderator's queue in an installation that has stored a million comments: its page and a claim, over HTTP."""

import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table, insert, select

from bench.ours import settings_of
from bench.texts import texts
from moderation.config import Settings
from moderation.database import Database
from moderation.embedded import is_free
from moderation.ids import new_id
from moderation.models import (
    Author,
    Case,
    CaseKind,
    Comment,
    Decider,
    Decision,
    KeyKind,
    Membership,
    Post,
    Revision,
    Site,
    Status,
)
from moderation.models.author import IdentityKind
from moderation.services import keys
from moderation.supervisor import Stack

OPEN = 5_000
"""Comments of them that wait for a human."""

AT_ONCE = 20_000
"""Comments a transaction."""

ROUNDS = 300
"""Measured requests of each kind."""


@dataclass(frozen=True, slots=True)
class Queue:
    """Seconds that each request took, and what was stored."""

    stored: int
    waiting: int
    filled: float
    megabytes: float
    pages: list[float]
    claims: list[float]


def measure(home: Path, count: int) -> Queue:
    """Store ``count`` comments, and time the queue's page and claims."""
    settings = settings_of(home)
    stack = Stack(settings, only=("valkey", "api"))
    stack.start()
    try:
        # Not wait_ready: without workers it never is.
        stack.wait_until(lambda: not is_free(settings.port), "the API answers", timeout=60)
        database = Database(settings.database_url)
        began = time.monotonic()
        fill(database, count)
        filled = time.monotonic() - began
        key = _personal_key(database, settings)
        connection = http.client.HTTPConnection("127.0.0.1", settings.port, timeout=60)
        pages: list[float] = []
        claims: list[float] = []
        after, waiting = "", 0
        for number in range(ROUNDS):
            took, page = _timed(connection, key, "GET", f"/v1/cases?limit=25{after}")
            pages.append(took)
            waiting = int(page["waiting"])
            claims.append(_timed(connection, key, "PUT", f"/v1/cases/{page['items'][number % 25]['id']}/claim")[0])
            # Not always the first page: a moderator walks on.
            after = f"&after={page['next']}" if number % 50 < 49 else ""
        database.dispose()
        size = Path(settings.database_url.removeprefix("sqlite:///")).stat().st_size / 2**20
    finally:
        stack.stop()
    return Queue(count, waiting, filled, size, pages, claims)


def fill(database: Database, count: int) -> None:
    """Store comments with their revision and decision, the newest of them before a human."""
    now = datetime.now(UTC)
    with database.transaction() as session:
        site = session.scalars(select(Site.id)).one()
        posts = [new_id() for _ in range(5_000)]
        rows = [
            {
                "id": post,
                "site_id": site,
                "created_at": now,
                "canonical_key": f"news.example/{number}",
                "title": f"Article {number}",
            }
            | {"url": f"https://news.example/{number}"}
            for number, post in enumerate(posts)
        ]
        session.execute(insert(_table(Post)), rows)
        authors = [new_id() for _ in range(50_000)]
        rows = [
            {"id": author, "site_id": site, "created_at": now, "identity_kind": IdentityKind.CLAIMED}
            | {"identity_key": f"bench-{number}", "name": f"Reader {number}", "name_key": f"reader{number}"}
            for number, author in enumerate(authors)
        ]
        session.execute(insert(_table(Author)), rows)
    written = texts(7)
    for first in range(0, count, AT_ONCE):
        many = min(AT_ONCE, count - first)
        made = [_comment(site, number, count, posts=posts, authors=authors, now=now) for number in range(first, first + many)]
        with database.transaction() as session:
            session.execute(insert(_table(Comment)), made)
            session.execute(insert(_table(Revision)), list(_revisions(made, written)))
            session.execute(insert(_table(Decision)), list(_decisions(made)))
            if waiting := [row for row in made if row["status"] is Status.FLAGGED]:
                session.execute(insert(_table(Case)), list(_cases(waiting)))


def _comment(site: UUID, number: int, count: int, *, posts: list[UUID], authors: list[UUID], now: datetime) -> dict[str, Any]:
    waits = number >= count - OPEN
    return {
        "id": new_id(),
        "site_id": site,
        "post_id": posts[number * 7 % len(posts)],
        "author_id": authors[number * 13 % len(authors)],
        "external_id": f"old-{number}",
        "status": Status.FLAGGED if waits else Status.APPROVED,
        "decision_seq": 1,
        "visible_revision": None if waits else 1,
        "created_at": now - timedelta(seconds=count - number),
    }


def _revisions(comments: list[dict[str, Any]], written: Iterator[str]) -> Iterator[dict[str, Any]]:
    for row, body in zip(comments, islice(written, len(comments)), strict=True):
        yield {
            "id": new_id(),
            "site_id": row["site_id"],
            "comment_id": row["id"],
            "number": 1,
            "body": body,
            "language": "en",
            "text_hash": row["id"].bytes,
            "created_at": row["created_at"],
        }


def _decisions(comments: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in comments:
        yield {
            "id": new_id(),
            "site_id": row["site_id"],
            "comment_id": row["id"],
            "seq": 1,
            "revision": 1,
            "verdict": "flag" if row["status"] is Status.FLAGGED else "approve",
            "status": row["status"],
            "decider": Decider.MACHINE,
            "policy": "standard@1",
            "cause": f"bench:{row['id'].hex}",
            "replaced_status": Status.PENDING,
            "created_at": row["created_at"],
        }


def _cases(comments: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(comments):
        yield {
            "id": new_id(),
            "site_id": row["site_id"],
            "comment_id": row["id"],
            "post_id": row["post_id"],
            "author_id": row["author_id"],
            "revision": 1,
            "kind": CaseKind.FLAGGED,
            "priority": number * 37 % OPEN / OPEN,
            "created_at": row["created_at"],
        }


def _table(model: Any) -> Table:
    return cast("Table", model.__table__)


def _personal_key(database: Database, settings: Settings) -> str:
    with database.transaction() as session:
        member = session.scalars(select(Membership).limit(1)).one()
        made = keys.create(
            session,
            member.site_id,
            KeyKind.PERSONAL,
            name="bench",
            user_id=member.user_id,
            secret=settings.secret,
            by="bench",
            now=datetime.now(UTC),
        )
        return made.shown


def _timed(connection: http.client.HTTPConnection, key: str, method: str, path: str) -> tuple[float, Any]:
    began = time.perf_counter()
    connection.request(method, path, headers={"Authorization": f"Bearer {key}"})
    with connection.getresponse() as answer:
        content = answer.read()
    took = time.perf_counter() - began
    if answer.status != 200:
        raise RuntimeError(f"{method} {path}: {answer.status} {content.decode()}")
    return took, json.loads(content)

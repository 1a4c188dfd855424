"""A site whose news go out to a real receiver on the loopback, and a clock that the test moves."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from moderation.config import Settings
from moderation.database import Database
from moderation.ids import new_id, show
from moderation.models import (
    Attempt,
    Author,
    Comment,
    Delivery,
    Endpoint,
    IdentityKind,
    Job,
    Post,
    Publication,
    Revision,
    Site,
    Status,
)
from moderation.outbound.http import Client, Guard
from moderation.services import endpoints, events
from moderation.services.delivery import Deliverer
from moderation.services.endpoints import NewEndpoint
from tests.moderation.outbound.receiver import Receiver, listening

SECRET = b"a secret for the tests, long enough"
GUARD = Guard(("127.0.0.0/8",))


@dataclass
class Hands:
    """A clock that stands still until it is moved."""

    moment: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        return self.moment

    def move(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@dataclass
class Outgoing:
    """What a test does with deliveries, in few words; every call is a transaction of its own."""

    database: Database
    settings: Settings
    clock: Hands
    site_id: UUID
    deliverer: Deliverer
    receiver: Receiver

    def another(self, *, timeout: float = 5.0) -> Deliverer:
        client = Client(GUARD, timeout=timeout)
        return Deliverer(self.database, client, self.settings, self.clock, f"worker-{new_id().hex}", draw=lambda: 0.5)

    def drain(self) -> int:
        return self.deliverer.drain(lambda: False)

    def subscribe(self, url: str | None = None, **options: Any) -> NewEndpoint:
        with self.database.transaction() as session:
            return endpoints.create(
                session,
                self.site_id,
                url=url or self.receiver.url,
                guard=GUARD,
                secret=SECRET,
                by="test",
                now=self.clock.now(),
                **options,
            )

    def comment(self, body: str = "the text") -> UUID:
        now = self.clock.now()
        with self.database.transaction() as session:
            post = Post(
                id=new_id(),
                site_id=self.site_id,
                created_at=now,
                canonical_key=new_id().hex,
                url="https://blog.example/1",
                title="1",
            )
            author = Author(
                id=new_id(),
                site_id=self.site_id,
                created_at=now,
                identity_kind=IdentityKind.ANONYMOUS,
                identity_key=new_id().hex,
                name="Ann",
            )
            session.add_all([post, author])
            session.flush()
            comment = Comment(
                id=new_id(), site_id=self.site_id, created_at=now, post_id=post.id, author_id=author.id, external_id=new_id().hex
            )
            session.add(comment)
            session.flush()
            session.add(
                Revision(
                    id=new_id(),
                    site_id=self.site_id,
                    created_at=now,
                    comment_id=comment.id,
                    number=1,
                    body=body,
                    text_hash=b"",
                )
            )
            return comment.id

    def change(self, comment_id: UUID, type_: str = events.APPROVED, *, status: Status = Status.APPROVED) -> str:
        """Change a comment, announce it, and return the id of the event as receivers see it."""
        with self.database.transaction() as session:
            comment = session.get_one(Comment, comment_id)
            comment.version += 1
            comment.status = status
            comment.visible_revision = 1 if status is Status.APPROVED else None
            session.flush()
            return show("event", events.emit(session, type_, comment, now=self.clock.now()).id)

    def news(self, count: int) -> list[str]:
        """Announce something about so many comments."""
        return [self.change(self.comment()) for _ in range(count)]

    def deliveries(self) -> list[Delivery]:
        with self.database.reading() as session:
            return list(session.scalars(select(Delivery).order_by(Delivery.id)))

    def states(self) -> list[str]:
        return [str(delivery.state) for delivery in self.deliveries()]

    def attempts(self) -> list[Attempt]:
        with self.database.reading() as session:
            return list(session.scalars(select(Attempt).order_by(Attempt.id)))

    def jobs(self) -> list[Job]:
        with self.database.reading() as session:
            return list(session.scalars(select(Job).order_by(Job.run_at)))

    def publications(self) -> list[Publication]:
        with self.database.reading() as session:
            return list(session.scalars(select(Publication).order_by(Publication.id)))

    def endpoint(self, new: NewEndpoint) -> Endpoint:
        with self.database.reading() as session:
            return session.get_one(Endpoint, new.endpoint.id)

    def ids(self) -> list[str]:
        return [got.id for got in self.receiver.got]


@contextlib.contextmanager
def outgoing(database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Iterator[Outgoing]:
    """Set up a site with a receiver; the database's clock is the test's. ``changes`` are settings."""
    clock = Hands()
    monkeypatch.setattr(database, "now", lambda _session: clock.now())
    settings = Settings(home=folder, database_url=str(database.url), secret=SECRET, **changes)
    with database.transaction() as session:
        site = Site(id=new_id(), created_at=clock.now(), name="blog", title="A blog")
        session.add(site)
    with listening() as receiver:
        deliverer = Deliverer(database, Client(GUARD, timeout=5), settings, clock, "worker", draw=lambda: 0.5)
        world = Outgoing(database, settings, clock, site.id, deliverer, receiver)
        try:
            yield world
        finally:
            receiver.closing.set()
            deliverer.close()

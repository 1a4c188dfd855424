"""A blog whose people are told by mail: a real mail server, a worker that hands letters in, and a clock that the test moves."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from moderation.config import Settings
from moderation.ids import new_id
from moderation.models import Job, JobKind, Message
from moderation.outbound.http import Client
from moderation.services import notices
from moderation.services.delivery import Deliverer
from tests.moderation.outbound.mailserver import Got, MailHost, mail_host
from tests.moderation.services.conftest import SECRET, Blog
from tests.moderation.services.outgoing import GUARD, Hands


@dataclass
class Office:
    """What a test does with letters, in few words."""

    blog: Blog
    host: MailHost
    clock: Hands
    settings: Settings
    deliverer: Deliverer

    def work(self) -> list[Got]:
        """Let the worker hand in what is due, announcements first; returns all letters that the server took so far."""
        while self.deliverer.drain(lambda: False) or self._due():
            pass
        return self.host.got

    def another(self, **changes: Any) -> Deliverer:
        settings = Settings(**{**self._given(), **changes})
        return Deliverer(self.blog.database, Client(GUARD, timeout=5), settings, self.clock, new_id().hex, draw=lambda: 0.5)

    def _given(self) -> dict[str, Any]:
        return {name: getattr(self.settings, name) for name in self.settings.__dataclass_fields__}

    def _due(self) -> bool:
        with self.blog.database.reading() as session:
            now = self.clock.now()
            due = select(Job.id).where(Job.kind == JobKind.MESSAGE, Job.run_at <= now, Job.lease_until.is_(None)).limit(1)
            return session.scalar(due) is not None

    def pass_time(self, seconds: float) -> None:
        """Move the clock, and let the relay announce what that makes due."""
        self.clock.move(seconds)
        self.announce()

    def announce(self) -> int:
        with self.blog.database.reading() as session:
            due = notices.due(session, now=self.clock.now())
        announced = self.announce_freely()
        assert due or not announced, "what is not due is not announced"
        return announced

    def announce_freely(self) -> int:
        site_id = self.blog.site_id
        return len(self.blog.database.transact(lambda session: notices.announce_due(session, site_id, now=self.clock.now())))

    def plan(self, **changes: Any) -> None:
        given = {"digest_hours": [], "waiting_minutes": 0, "by": "test", "now": self.clock.now(), **changes}
        self.blog.database.transact(lambda session: notices.set_plan(session, self.blog.site_id, **given))

    def messages(self) -> list[Message]:
        return [message for message in self.everything() if message.user_id is not None]

    def everything(self) -> list[Message]:
        with self.blog.database.reading() as session:
            return list(session.scalars(select(Message).order_by(Message.id)))

    def states(self) -> list[tuple[str, str | None]]:
        return sorted({(str(message.state), message.last_error) for message in self.messages()}, key=str)

    def jobs(self) -> list[Job]:
        with self.blog.database.reading() as session:
            return list(session.scalars(select(Job).where(Job.kind == JobKind.MESSAGE).order_by(Job.run_at)))


@contextlib.contextmanager
def office(blog: Blog, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """Give a blog a mail server; the database's clock is the test's."""
    clock = Hands()
    # What the blog sends meanwhile, by the real clock, is never of the future.
    clock.move(3600)
    monkeypatch.setattr(blog.database, "now", lambda _session: clock.now())
    monkeypatch.setattr(blog.database, "moment", clock.now)
    with mail_host() as host:
        settings = Settings(
            home=folder,
            database_url=str(blog.database.url),
            secret=SECRET,
            public_url="https://tidegate.example",
            smtp_url=host.url,
            mail_from="Comments <comments@blog.example>",
        )
        deliverer = Deliverer(blog.database, Client(GUARD, timeout=5), settings, clock, "worker", draw=lambda: 0.5)
        try:
            yield Office(blog, host, clock, settings, deliverer)
        finally:
            deliverer.close()

"""The deliver worker is killed while it brings comments here from a blog: none is lost, and none comes twice."""

import os
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import func, select

from moderation.config import master_key
from moderation.models import Comment, DeliveryState, Publication, Publisher, Revision
from moderation.outbound.http import Guard
from moderation.services import connecting, pulling, sites
from tests.faults.hook.sitecustomize import HURRY
from tests.faults.stack import CIVIL, Broken
from tests.moderation.outbound.publishers.blogs import Reply, WordPressBlog, Written
from tests.moderation.outbound.receiver import Got, Receiver, listening

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

COMMENTS = 64
GUARD = Guard(("127.0.0.0/8",))


class BusyWordPress(WordPressBlog):
    """A blog with many comments, whose pages can have something happen while they are answered."""

    def __init__(self, base: str) -> None:
        super().__init__(base)
        began = datetime.now(UTC) - timedelta(hours=2)
        self.status = dict.fromkeys(range(101, 101 + COMMENTS), "hold")
        self.written = [
            Written(number, began + timedelta(seconds=30 * at), f"{CIVIL[at % len(CIVIL)]} ({at * 7919 % 100_003})")
            for at, number in enumerate(self.status)
        ]
        self.pages = 0
        self.during: dict[int, Any] = {}
        self.lock = threading.Lock()

    def answer(self, handler: BaseHTTPRequestHandler, got: Got) -> None:
        happens = None
        if "after" in dict(parse_qsl(urlsplit(got.path).query)):
            with self.lock:
                self.pages += 1
                happens = self.during.pop(self.pages, None)
        if happens is not None:
            happens()
        super().answer(handler, got)

    def _row(self, each: Written) -> dict[str, Any]:
        # So many of one reader would be a flood, and wait for a person.
        reader = f"Reader {each.number}"
        by = {"author_name": reader, "author_email": f"{each.number}@readers.example", "author_ip": f"198.51.100.{each.number}"}
        return super()._row(each) | by

    def _rest(self, got: Got, route: str, query: dict[str, str], sent: Any) -> Reply:
        asked = [int(each) for each in query.get("include", "").split(",") if each.isdigit()]
        if route == "comments" and asked:
            return 200, [{"id": each, "status": self.status[each], "meta": {}} for each in asked if each in self.status]
        number = int(route.removeprefix("comments/")) if route.startswith("comments/") else 0
        if number not in self.status:
            return super()._rest(got, route, query, sent)
        self.status[number] = sent["status"]
        return 200, {"id": number, "status": sent["status"]}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as found:
        yield found


def followed(broken: Broken, blog: BusyWordPress) -> Publisher:
    """Have the demo site's comments brought here from the blog from now on."""
    with broken.database.transaction() as session:
        now = broken.database.now(session)
        site = sites.find(session, broken.up.demo()["site"])
        secret = master_key(broken.home)
        new = connecting.add(session, site.id, "wordpress", blog.config(), guard=GUARD, secret=secret, by="test", now=now)
        pulling.follow(session, new.publisher, every=timedelta(minutes=1), since=now - timedelta(days=1), by="test", now=now)
        return new.publisher


def progress(broken: Broken, publisher: Publisher) -> dict[str, Any]:
    with broken.database.reading() as session:
        return dict(session.get_one(Publisher, publisher.id).config["pulling"])


def waiting(broken: Broken, publisher: Publisher) -> int:
    """Return how many of the blog's own comments it does not show yet as they were decided."""
    pending = (
        select(func.count())
        .select_from(Publication)
        .join(Comment, Comment.id == Publication.comment_id)
        .where(Publication.publisher_id == publisher.id, Comment.external_id.like("wordpress:%"))
        .where(Publication.state != DeliveryState.DELIVERED)
    )
    with broken.database.reading() as session:
        return session.scalar(pending) or 0


def test_a_worker_that_is_killed_while_it_pulls_loses_nothing_and_doubles_nothing(
    breakable: Any, kind: str, receiver: Receiver
) -> None:
    """While the page that came is being stored, and on SQLite also while the blog answers: each costs a lease."""
    broken: Broken = breakable(kind, **HURRY)
    blog = BusyWordPress(f"http://127.0.0.1:{receiver.port}")
    receiver.answer = blog.answer
    killed: list[int] = []

    def kill() -> None:
        group = int((broken.home / "run" / "deliver.pid").read_text())
        os.killpg(group, signal.SIGKILL)
        killed.append(group)

    kills = {2: kill, 5: threading.Timer(0.03, kill).start}
    blog.during = dict(kills) if kind == "sqlite" else {5: kills[5]}
    publisher = followed(broken, blog)
    begun = progress(broken, publisher)["after"]
    broken.wait("the whole walk", lambda: progress(broken, publisher)["after"] > begun, 240)
    assert len(killed) == (2 if kind == "sqlite" else 1)
    broken.heal()
    assert broken.verdict() == []
    with broken.database.reading() as session:
        pulled = list(session.scalars(select(Comment).where(Comment.external_id.like("wordpress:%"))))
        revisions = session.scalars(select(Revision.comment_id).where(Revision.comment_id.in_([each.id for each in pulled])))
        assert sorted(revisions) == sorted(each.id for each in pulled)
    assert sorted(str(each.external_id) for each in pulled) == [f"wordpress:{number}" for number in blog.status]
    broken.wait("every decision carried back", lambda: waiting(broken, publisher) == 0)
    shown = {f"wordpress:{number}" for number, word in blog.status.items() if word == "approved"}
    assert shown == {each.external_id for each in pulled if each.visible_revision is not None}
    assert 0 < len(shown) < COMMENTS

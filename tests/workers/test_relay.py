"""The relay announces what the clock makes due where there is a mail server, and draws for the audit."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from moderation.clock import zone_of
from moderation.config import Settings
from moderation.database import Database
from moderation.ids import new_id, show
from moderation.models import Event, Label, Message, NoticePlan, Site, Version
from moderation.runtime import Runtime
from moderation.scoring import catalog
from moderation.scoring.spam import SpamScorer
from moderation.services import desk, learning, notices
from workers.relay import Relay


@pytest.fixture
def runtime(tmp_path: Path, database: Database, database_url: str) -> Iterator[Runtime]:
    """A site whose digest is due."""
    settings = Settings(
        home=tmp_path, database_url=database_url, secret=b"s" * 32, smtp_url="smtp://localhost", mail_from="a@blog.example"
    )
    now = datetime.now(UTC)
    with database.transaction() as session:
        site = Site(id=new_id(), created_at=now, name="blog", title="A blog")
        session.add(site)
        session.flush()
        due = now - timedelta(seconds=1)
        session.add(NoticePlan(site_id=site.id, digest_hours=[8], waiting_minutes=0, digest_at=due))
    built = Runtime.build(settings, role="worker")
    yield built
    built.close()


def announced(runtime: Runtime) -> int:
    with runtime.database.reading() as session:
        return session.scalar(select(func.count()).select_from(Message)) or 0


def test_what_is_due_is_announced_once_by_however_many_relays(runtime: Runtime) -> None:
    for _ in range(2):
        Relay(runtime).turn()
    assert announced(runtime) == 1


def test_what_is_wrong_with_one_site_keeps_no_other_from_its_notices_and_its_audit(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with runtime.database.transaction() as session:
        (first,) = session.scalars(select(Site))
        second = Site(id=new_id(), created_at=first.created_at, name="other", title="Another")
        session.add(second)
        session.flush()
        due = first.created_at - timedelta(seconds=1)
        session.add(NoticePlan(site_id=second.id, digest_hours=[8], waiting_minutes=0, digest_at=due))
    (announce, draw), drawn = (notices.announce_due, desk.draw_daily), []

    def broken(session: Session, site_id: UUID, *, now: datetime) -> list[Message]:
        if site_id == first.id:
            raise ValueError("something about this site")
        return announce(session, site_id, now=now)

    def too(session: Session, site_id: UUID, *, time_zone: str, now: datetime) -> int:
        drawn.append(site_id)
        if len(drawn) == 1:
            raise ValueError("something about this site")
        return draw(session, site_id, time_zone=time_zone, now=now)

    monkeypatch.setattr(notices, "announce_due", broken)
    monkeypatch.setattr(desk, "draw_daily", too)
    relay = Relay(runtime)
    relay._due["audit"] = 0.0
    relay.turn()
    with runtime.database.reading() as session:
        assert [message.site_id for message in session.scalars(select(Message))] == [second.id]
    assert sorted(drawn) == sorted([first.id, second.id])


def test_a_time_zone_that_this_machine_does_not_have_is_taken_as_utc_and_said(
    runtime: Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    zone_of.cache_clear()
    with runtime.database.transaction() as session:
        (site,) = session.scalars(select(Site))
        site.time_zone = "Mars/Olympus"
    Relay(runtime).turn()
    assert announced(runtime) == 1
    with runtime.database.reading() as session:
        plan = session.scalars(select(NoticePlan)).one()
    assert plan.digest_at is not None
    assert plan.digest_at.hour == 8
    assert "time_zone_unknown" in capsys.readouterr().out


def test_without_a_mail_server_nothing_is_announced(runtime: Runtime) -> None:
    Relay(replace(runtime, settings=replace(runtime.settings, smtp_url=None))).turn()
    assert announced(runtime) == 0


def test_comments_are_drawn_for_the_audit_of_every_site_by_one_relay_at_a_time(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []

    def note(_: Session, site_id: UUID, *, time_zone: str, now: datetime) -> int:
        assert now.tzinfo is not None
        drawn.append(f"{show('site', site_id)} {time_zone}")
        return 0

    monkeypatch.setattr(desk, "draw_daily", note)
    first, second = Relay(runtime), Relay(runtime)
    second.name = "the relay of another machine"
    first.turn()
    assert drawn == [], "a relay that has just begun leaves the sites to one that is at work"
    for relay in (first, second):
        relay._due["audit"] = 0.0
        relay.turn()
    with runtime.database.reading() as session:
        (site,) = session.scalars(select(Site))
    assert drawn == [f"{show('site', site.id)} UTC"]


def test_the_layers_of_every_site_learn_beside_the_relays_other_work_one_relay_at_a_time(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught: list[str] = []

    def note(_: Database, site_id: UUID, spam: Callable[[], SpamScorer]) -> list[Version]:
        taught.append(f"{show('site', site_id)} {spam().version} {threading.current_thread().name}")
        return []

    monkeypatch.setattr(learning, "teach", note)
    first, second = Relay(runtime), Relay(runtime)
    second.name = "the relay of another machine"
    for relay in (first, second):
        relay._due["learn"] = 0.0
        relay.turn()
        assert relay._learning is not None
        relay._learning.join()
    with runtime.database.reading() as session:
        (site,) = session.scalars(select(Site))
    assert taught == [f"{show('site', site.id)} {catalog.spam().version} learn"]


def test_lessons_are_read_again_only_where_something_happened_since_or_once_an_hour(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught: list[UUID] = []

    def note(_: Database, site_id: UUID, _spam: Callable[[], SpamScorer]) -> list[Version]:
        taught.append(site_id)
        return []

    monkeypatch.setattr(learning, "teach", note)
    relay = Relay(runtime)

    def learn() -> int:
        relay._due["learn"] = 0.0
        relay.turn()
        assert relay._learning is not None
        relay._learning.join()
        return len(taught)

    assert (learn(), learn()) == (1, 1)
    with runtime.database.transaction() as session:
        (site,) = session.scalars(select(Site))
        session.add(Event(id=new_id(), created_at=site.created_at, site_id=site.id, type="test", data={}))
    # The turn gives it its place, as decisions and withdrawals get theirs.
    assert (learn(), learn()) == (2, 2)
    with runtime.database.transaction() as session:
        label = Label(id=new_id(), created_at=site.created_at, site_id=site.id, source="x", body="a text", values={}, digest=b"d")
        session.add(label)
    assert (learn(), learn()) == (3, 3)
    relay._due["learn anew"] = 0.0
    assert (learn(), learn()) == (4, 4)


def test_learning_that_fails_is_logged_and_tried_again(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[UUID] = []

    def fail(_: Database, site_id: UUID, _spam: Callable[[], SpamScorer]) -> list[Version]:
        tried.append(site_id)
        raise ValueError("no such lesson")

    monkeypatch.setattr(learning, "teach", fail)
    relay = Relay(runtime)
    for _ in range(2):
        relay._due["learn"] = 0.0
        relay.turn()
        assert relay._learning is not None
        relay._learning.join()
    assert len(tried) == 2


def test_a_relay_has_no_room_for_the_models_runtime() -> None:
    looked = "import sys, workers.relay; print({'onnxruntime', 'tokenizers'} & sys.modules.keys())"
    found = subprocess.run([sys.executable, "-c", looked], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"

"""What is decided here about a comment that Coral asked about, in Coral, and what comes back from there."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from api.doors import coral
from moderation.models import Publication
from moderation.outbound.http import Client, Guard
from moderation.services import connecting, sites
from moderation.services.delivery import Deliverer
from tests.api.conftest import ABUSIVE, CIVIL, SECRET
from tests.api.doors.coral_asking import Coral
from tests.moderation.outbound.publishers.blogs import CoralBlog, CoralComment
from tests.moderation.outbound.receiver import listening
from tests.moderation.services.outgoing import Hands

GUARD = Guard(("127.0.0.0/8",))


@dataclass
class Both:
    """A Coral that asks us and is written to, and the deliverer between."""

    asking: Coral
    blog: CoralBlog
    deliverer: Deliverer
    clock: Hands
    decided: str = ""

    def deliver(self, seconds: float = 3.0) -> None:
        """Deliver what is due so long after now, which is the door's own time."""
        self.clock.moment = max(self.clock.moment, datetime.now(UTC))
        self.clock.move(seconds)
        self.deliverer.drain(lambda: False)

    def decide(self, verdict: str, **more: Any) -> None:
        stored = self.asking.only()
        body = {"verdict": verdict, "revision": 1, **more}
        done = self.asking.door.post(f"/v1/comments/{stored['id']}/decisions", body, key="moderator")
        assert done.status_code in {200, 201}
        self.decided = done.json["decision"]["id"]

    def undo(self) -> None:
        assert self.asking.door.post(f"/v1/decisions/{self.decided}/undo", key="moderator").status_code in {200, 201}

    def publication(self) -> Publication:
        with self.asking.door.runtime.database.reading() as session:
            publication: Publication = session.scalars(select(Publication)).one()
            return publication


@pytest.fixture
def both(door: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    monkeypatch.setattr(coral, "SCORED_BY", 60.0)
    monkeypatch.setattr(coral, "ANSWERED_BY", 60.0)
    runtime, clock = door.runtime, Hands()
    monkeypatch.setattr(runtime.database, "now", lambda _session: clock.now())
    with listening() as receiver:
        blog = CoralBlog(f"http://127.0.0.1:{receiver.port}")
        receiver.answer = blog.answer
        with runtime.database.transaction() as session:
            site = sites.find(session, "blog").id
            connecting.add(session, site, "coral", blog.config(), guard=GUARD, secret=SECRET, by="test", now=clock.now())
        deliverer = Deliverer(runtime.database, Client(GUARD, timeout=5), runtime.settings, clock, "worker", draw=lambda: 0.5)
        try:
            yield Both(Coral(door), blog, deliverer, clock)
        finally:
            deliverer.close()


def asked(both: Both, text: str) -> CoralComment:
    """Have Coral ask about a comment and then store it with the status that it was told, as it does."""
    answer = both.asking.ask(text).json
    comment = CoralComment("c-1", f"<div>{text}</div>", status=answer["status"])
    both.blog.comments = [comment]
    return comment


def test_a_held_comment_that_is_approved_here_is_approved_in_coral(both: Both) -> None:
    there = asked(both, ABUSIVE)
    both.deliver()
    assert (there.status, both.publication().remote_id) == ("SYSTEM_WITHHELD", "c-1")
    both.decide("approve")
    both.deliver()
    assert (there.status, both.publication().state) == ("APPROVED", "delivered")


def test_nothing_is_looked_for_before_coral_can_have_stored_it(both: Both) -> None:
    both.asking.ask(CIVIL)
    both.clock.moment = both.publication().created_at + timedelta(seconds=1)
    both.deliverer.drain(lambda: False)
    assert (both.publication().state, both.publication().attempts, both.blog.asked) == ("pending", 0, 0)
    both.blog.comments = [CoralComment("c-1", CIVIL, status="NONE")]
    both.deliver()
    assert (both.publication().state, both.blog.changes) == ("delivered", 0)


def test_a_rejection_reaches_coral_with_its_code_and_its_echo_teaches_nothing(both: Both) -> None:
    there = asked(both, ABUSIVE)
    both.decide("reject", reason=2)
    both.deliver()
    assert (there.status, both.blog.reasons) == ("REJECTED", [{"code": "HATE_SPEECH"}])
    assert both.asking.tell("COMMENT_LEFT_MODERATION_QUEUE", "c-1", status="REJECTED").json == {"joined": True}
    stored = both.asking.only()
    assert (stored["decision_seq"], stored["external_id"]) == (2, "c-1")


def test_what_we_took_down_to_wait_again_comes_back_as_no_rejection(both: Both) -> None:
    there = asked(both, ABUSIVE)
    both.decide("approve")
    both.deliver()
    both.undo()
    both.deliver()
    assert there.status == "REJECTED"
    for status in ("REJECTED", "APPROVED"):
        both.asking.tell("COMMENT_LEFT_MODERATION_QUEUE", "c-1", status=status)
        assert both.asking.only()["status"] == "flagged"
    both.decide("approve")
    both.deliver()
    assert there.status == "APPROVED"


def test_what_corals_moderators_decide_is_known_without_author_and_text(both: Both) -> None:
    asked(both, ABUSIVE)
    both.deliver()
    assert both.asking.tell("COMMENT_LEFT_MODERATION_QUEUE", "c-1", status="REJECTED").json == {"joined": True}
    stored = both.asking.only()
    assert (stored["status"], stored["decision"]["by"], stored["external_id"]) == ("rejected", "moderator", "c-1")


def test_the_night_puts_back_what_was_changed_in_coral(both: Both) -> None:
    there = asked(both, CIVIL)
    both.deliver()
    there.status = "REJECTED"
    both.deliver(timedelta(days=1, hours=1).total_seconds())
    both.deliver()
    assert there.status == "APPROVED"

"""Chat rooms are told what people are told, in the shape that each takes; what a stranger wrote is text there and no more."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moderation.errors import NotFound, Refused
from moderation.models import ChatKind
from moderation.outbound import chats as shapes
from moderation.outbound.http import ForbiddenAddress, Guard
from moderation.policy.verdict import Verdict
from moderation.services import chats
from moderation.services.posts import PostReference
from tests.moderation.outbound.receiver import Receiver, listening, status
from tests.moderation.services.conftest import ABUSIVE, SECRET, THREAT
from tests.moderation.services.office import Office
from tests.moderation.services.outgoing import GUARD

NASTY = "<!channel> *a* @everyone [b](https://evil.example) & `c` :smile: _d_"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as running:
        running.answer = status(200, body=b"ok")
        yield running


def room(at: Office, receiver: Receiver, kind: ChatKind = ChatKind.SLACK, **changes: Any) -> Any:
    given: dict[str, Any] = {
        "name": "ops", "address": f"{receiver.url}/T0/B0/secret", "guard": GUARD, "secret": SECRET, "by": "test",
        "now": at.clock.now(), **changes,
    }  # fmt: skip
    return at.blog.database.transact(lambda session: chats.add(session, at.blog.site_id, kind, **given).id)


def told(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(got.body) for got in receiver.got]


def test_a_room_is_told_of_a_threat_without_its_text_and_without_a_link_that_decides(at: Office, receiver: Receiver) -> None:
    room(at, receiver)
    at.blog.judged(THREAT, post=PostReference(id="p2", url="https://blog.example/2", title=NASTY))
    assert len(at.work()) == 2, "people get their letters as before"
    (said,) = told(receiver)
    assert said["text"].startswith("[A blog] Urgent: Threat or call to violence")
    assert "https://tidegate.example/console/queue?case=case_" in said["text"]
    assert "letter?token" not in said["text"]
    assert "kill" not in said["text"]
    assert "<!channel>" not in said["text"]
    assert "&lt;!channel&gt;" in said["text"]
    assert at.states() == [("delivered", None)]


def test_without_a_mail_server_rooms_are_told_all_the_same(at: Office, receiver: Receiver) -> None:
    room(at, receiver)
    at.blog.judged(THREAT)
    without = at.another(smtp_url=None, mail_from=None)
    for _ in range(2):
        without.drain(lambda: False)
    without.close()
    assert len(receiver.got) == 1
    assert at.jobs() == []


def test_alarm_and_digest_come_to_the_room_too(at: Office, receiver: Receiver) -> None:
    room(at, receiver)
    at.blog.judged(ABUSIVE)
    at.plan(waiting_minutes=60)
    at.pass_time(3700)
    at.work()
    (said,) = told(receiver)
    assert "A comment has been waiting for 1 hour" in said["text"]


@pytest.mark.parametrize("kind", list(ChatKind))
def test_each_kind_gets_its_own_shape(sqlite_at: Office, receiver: Receiver, kind: ChatKind) -> None:
    room(sqlite_at, receiver, kind, room="-100")
    sqlite_at.blog.judged(THREAT)
    sqlite_at.work()
    (said,) = told(receiver)
    assert receiver.got[0].headers["content-type"] == "application/json"
    assert {ChatKind.SLACK: "mrkdwn", ChatKind.DISCORD: "allowed_mentions", ChatKind.TELEGRAM: "chat_id"}[kind] in said


def test_markup_is_text() -> None:
    lines = [NASTY, "https://tidegate.example/console/queue"]
    assert shapes.slack(lines) == {
        "text": "&lt;!channel&gt; *a* @everyone [b](https://evil.example) &amp; `c` :smile: _d_\n" + lines[1],
        "mrkdwn": False, "unfurl_links": False, "unfurl_media": False,
    }  # fmt: skip
    found = shapes.discord(lines)
    assert found["allowed_mentions"] == {"parse": []}
    first, link = found["content"].split("\n")
    assert link == "<https://tidegate.example/console/queue>"
    assert r"\*a\*" in first
    assert r"\@everyone" in first
    assert r"\[b\]\(https\://evil\.example\)" in first
    assert "parse_mode" not in shapes.telegram(lines, "1")
    assert shapes.telegram(lines, "1")["text"] == "\n".join(lines)
    assert all(
        len(text) <= shapes.LONGEST for text in (shapes.slack(["x" * 9000])["text"], shapes.discord(["*" * 9000])["content"])
    )


def test_a_room_that_is_gone_is_given_up_and_one_that_fails_is_asked_again(at: Office, receiver: Receiver) -> None:
    room(at, receiver)
    receiver.answer = status(500)
    at.blog.judged(THREAT)
    at.work()
    receiver.answer = status(404)
    at.clock.move(60)
    at.work()
    assert len(receiver.got) == 2
    states = [(str(each.state), each.last_error) for each in _rooms(at)]
    assert states == [("dead", "http_404")]
    assert at.jobs() == []


def test_a_room_that_is_down_holds_up_no_mail(at: Office, receiver: Receiver) -> None:
    room(at, receiver, address="http://127.0.0.1:9/x")
    at.blog.judged(THREAT)
    assert len(at.work()) == 2
    assert [each.last_error for each in _rooms(at)] == ["connect"]


def test_what_is_settled_or_a_room_that_was_removed_is_not_told(at: Office, receiver: Receiver) -> None:
    first = room(at, receiver)
    receiver.answer = status(500)
    view = at.blog.judged(THREAT)
    at.work()
    at.blog.decide(view, Verdict.REJECT, reason=3)
    receiver.answer = status(200)
    at.clock.move(60)
    at.work()
    assert len(receiver.got) == 1
    with at.blog.database.transaction() as session:
        chats.remove(session, at.blog.site_id, first, by="test", now=at.clock.now())
        assert chats.page(session, at.blog.site_id) == []
        assert not chats.exist(session)
        with pytest.raises(NotFound):
            chats.find(session, at.blog.site_id, first)
    at.blog.judged(THREAT + " I mean it.")
    at.work()
    assert len(receiver.got) == 1


def test_an_address_inside_is_refused_and_the_secret_is_not_stored_in_clear(
    sqlite_at: Office, receiver: Receiver, tmp_path: Path
) -> None:
    with pytest.raises(ForbiddenAddress):
        room(sqlite_at, receiver, guard=Guard())
    with pytest.raises(Refused):
        room(sqlite_at, receiver, ChatKind.TELEGRAM)
    room(sqlite_at, receiver, ChatKind.TELEGRAM, address="123:canary-token", room="-100", guard=Guard())
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*.db*") if path.is_file())
    assert b"canary-token" not in kept


def _rooms(at: Office) -> list[Any]:
    return [message for message in at.everything() if message.chat_id is not None]

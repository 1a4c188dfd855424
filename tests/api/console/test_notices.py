"""The page on which people say what they are told, editors when, and where a test says whether mail works at all."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from moderation.ids import new_id
from moderation.models import DeliveryState, Message, MessageKind
from moderation.services import notices, sites
from tests.api.conftest import Door, open_door, settings
from tests.api.console.conftest import SignIn, sign_in_to
from tests.moderation.outbound.mailserver import MailHost, mail_host
from tests.moderation.outbound.receiver import Receiver, listening, status


@pytest.fixture
def host() -> Iterator[MailHost]:
    with mail_host() as running:
        yield running


@pytest.fixture
def mailing(tmp_path: Path, database_url: str, host: MailHost) -> Iterator[Door]:
    """An installation with a mail server."""
    yield from open_door(settings(tmp_path, database_url, smtp_url=host.url, mail_from="Comments <comments@blog.example>"))


def plan(door: Door) -> notices.Plan:
    with door.runtime.database.reading() as session:
        return notices.plan(session, sites.find(session, "blog").id)


def test_without_a_mail_server_the_page_says_so(sqlite_sign_in: SignIn) -> None:
    page = sqlite_sign_in().open("/console/notices")
    assert "Nobody is mailed: this installation has no mail server." in page.text
    assert "Send me a test" not in page.text


def test_a_moderator_says_what_to_be_told_and_the_others_see_it(mailing: Door) -> None:
    browser = sign_in_to(mailing)("moderator")
    page = browser.open("/console/notices")
    assert "Set the times" not in page.text
    form = page.form("/mine")
    sent = {"csrf": form.fields["csrf"], "digest": "true"}
    answer = browser.client.post(form.action, data=sent, follow_redirects=True)
    assert "Noted." in answer.text
    with mailing.runtime.database.reading() as session:
        chosen = {user.name: choice for user, _, choice in notices.choices(session, sites.find(session, "blog").id)}
    assert chosen["Moderator"] == notices.Choice(urgent=False, waiting=False, digest=True)
    assert chosen["Editor"] == notices.usual(notices.LEADS[1])
    assert "moderator: the digest" in sign_in_to(mailing)("editor").open("/console/notices").text


def test_an_editor_sets_the_times(mailing: Door) -> None:
    browser = sign_in_to(mailing)("editor")
    browser.open("/console/notices")
    assert "Noted." in browser.send("/plan", digest_hours="18, 8", waiting_hours=2).text
    assert plan(mailing) == notices.Plan((8, 18), 120)
    for wrong in ("25", "8; 9", "morning", "-1", "٨"):
        browser.open("/console/notices")
        assert browser.send("/plan", digest_hours=wrong, waiting_hours=2).status == 422
    browser.open("/console/notices")
    assert browser.send("/plan", digest_hours="", waiting_hours=999).status == 422
    assert plan(mailing) == notices.Plan((8, 18), 120)
    browser.open("/console/notices")
    browser.send("/plan", digest_hours="", waiting_hours=0)
    assert plan(mailing) == notices.Plan((), 0)


def test_the_test_button_mails_oneself_and_says_what_went_wrong(mailing: Door, host: MailHost) -> None:
    browser = sign_in_to(mailing)("moderator")
    browser.open("/console/notices")
    assert "The mail server took it." in browser.send("/test").text
    assert [got.to for got in host.got] == [["moderator@blog.example"]]
    host.to_recipient = "550 5.1.1 no such person"
    page = browser.send("/test")
    assert (page.status, "does not take mail for that address" in page.text) == (422, True)
    for _ in range(12):
        page = browser.send("/test")
        if page.status == 429:
            break
        browser.open("/console/notices")
    assert page.status == 429


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as running:
        running.answer = status(200, body=b"ok")
        yield running


@pytest.fixture
def chatting(tmp_path: Path, database_url: str) -> Iterator[Door]:
    """An installation that may send to this machine."""
    yield from open_door(settings(tmp_path, database_url, webhook_allow=("127.0.0.1",)))


def test_an_admin_adds_a_room_tries_it_and_removes_it(chatting: Door, receiver: Receiver) -> None:
    browser = sign_in_to(chatting)("admin")
    browser.open("/console/notices")
    page = browser.send("/rooms", kind="slack", name="ops <b>", address=f"{receiver.url}/T0/secret")
    assert ("The room is told from now on." in page.text, "ops <b>" in page.text, "T0/secret" in page.html) == (True, True, False)
    assert "The room took it." in browser.send("/rooms/chat_", act="test").text
    assert [(got.path, b"This is a test." in got.body) for got in receiver.got] == [("/hook/T0/secret", True)]
    receiver.answer = status(404)
    page = browser.send("/rooms/chat_", act="test")
    assert (page.status, "The room did not take it" in page.text) == (422, True)
    page = browser.send("/rooms/chat_", act="remove")
    assert ("told nothing more" in page.text, "ops" in page.text) == (True, False)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kind": "slack", "address": "http://10.0.0.1/x"}, ""),
        ({"kind": "slack", "address": "file:///etc/passwd"}, "Give a full address that begins with https://."),
        ({"kind": "telegram", "address": "123:abc"}, "Telegram needs the chat"),
        ({"kind": "teams", "address": "https://rooms.example/x"}, ""),
        ({"kind": "slack", "address": ""}, ""),
    ],
)
def test_what_is_no_room_is_not_added(sqlite_sign_in: SignIn, given: dict[str, str], said: str) -> None:
    browser = sqlite_sign_in("admin")
    browser.open("/console/notices")
    page = browser.send("/notices/rooms", **given)
    assert (page.status, said in page.text) == (422, True)
    assert "Chat rooms None." in browser.open("/console/notices").text


def test_who_is_no_admin_adds_no_room(sqlite_sign_in: SignIn) -> None:
    page = sqlite_sign_in("editor").open("/console/notices")
    assert ("An admin can add one." in page.text, "Add a room" in page.text) == (True, False)


def test_a_letter_that_was_given_up_is_shown_and_sent_again(mailing: Door) -> None:
    now = datetime.now(UTC)
    with mailing.runtime.database.transaction() as session:
        site = sites.find(session, "blog")
        user = next(user for user, role in sites.members(session, site.id) if role == "moderator")
        session.add(
            Message(
                id=new_id(),
                created_at=now,
                site_id=site.id,
                kind=MessageKind.WAITING,
                user_id=user.id,
                attempts=11,
                state=DeliveryState.DEAD,
                last_error="timeout",
                finished_at=now,
            )
        )
    browser = sign_in_to(mailing)("editor")
    assert "to Moderator · 11 attempts · timeout" in browser.open("/console/notices").text
    assert "On its way again." in browser.send("/retry").text
    assert "None." in browser.open("/console/notices").text

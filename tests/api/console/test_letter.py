"""The page behind the link in a letter: looking changes nothing, deciding happens once, and what changed meanwhile is said."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import pytest
from sqlalchemy import select

from moderation.database import Database
from moderation.ids import read
from moderation.models import Comment, Decision, Membership, Message, MessageKind, Role, User
from moderation.policy.verdict import Verdict
from moderation.services import letter_links, messages, passwords, review, submission
from tests.api.conftest import ABUSIVE, SECRET, Door
from tests.api.console.conftest import Browser

THREAT = "I will find you and kill you if you write here again."


class Letter:
    """A letter to the blog's moderator about a comment, and the browser it is read in."""

    def __init__(self, door: Door, *, body: str = THREAT) -> None:
        self.door = door
        self.comment = door.decided(body)
        self.database: Database = door.runtime.database
        with self.database.transaction() as session:
            comment = session.get_one(Comment, read("comment", self.comment["id"]))
            user = session.scalars(
                select(User)
                .join(Membership, Membership.user_id == User.id)
                .where(Membership.role == Role.MODERATOR, Membership.site_id == comment.site_id)
            ).one()
            self.site_id, self.user_id, self.comment_id = comment.site_id, user.id, comment.id
            now = datetime.now(UTC)
            announced = messages.announce(
                session, MessageKind.URGENT, site_id=comment.site_id, comment_id=comment.id, revision=1, now=now
            )
            self.message_id = messages.to_person(session, announced, user.id, now=now).id
        self.link = letter_links.address("", letter_links.token_of(SECRET, self.message_id))
        self.browser = Browser(door.app.test_client())

    def decisions(self) -> list[tuple[str, int | None]]:
        with self.database.reading() as session:
            found = session.scalars(select(Decision).where(Decision.comment_id == self.comment_id).order_by(Decision.seq))
            return [(decision.verdict, decision.reason) for decision in found]

    def used(self) -> bool:
        with self.database.reading() as session:
            return session.get_one(Message, self.message_id).used_at is not None

    def as_colleague(self, **options: Any) -> None:
        given = {"verdict": Verdict.REJECT, "revision": 1, "reason": 2, "cause": "request:colleague", **options}
        with self.database.transaction() as session:
            editor = session.scalars(
                select(Membership.user_id).where(Membership.site_id == self.site_id, Membership.role == Role.EDITOR)
            ).one()
            review.decide(session, self.site_id, self.comment_id, user_id=editor, now=datetime.now(UTC), **given)

    def revise(self, body: str) -> None:
        self.database.transact(
            lambda session: submission.revise(session, self.site_id, self.comment_id, body=body, now=datetime.now(UTC))
        )
        self.door.work()


@pytest.fixture
def letter(door: Door) -> Letter:
    return Letter(door)


def test_a_scanner_that_opens_the_link_decides_nothing(letter: Letter) -> None:
    before = letter.decisions()
    for _ in range(2):
        assert letter.browser.open(letter.link).status == 200
    for method in ("HEAD", "OPTIONS"):
        letter.browser.client.open(letter.link, method=method)
    page = letter.browser.open(letter.link)
    assert THREAT in page.text
    assert "Threat or call to violence" in page.text
    assert "Readers cannot see it." in page.text
    assert (letter.decisions(), letter.used()) == (before, False)
    assert page.headers["Cache-Control"] == "no-store"


def test_the_button_rejects_once_in_the_readers_name(letter: Letter) -> None:
    letter.browser.open(letter.link)
    page = letter.browser.send("/letter", reason=3)
    assert "You rejected this just now (Threat or call to violence)." in page.text
    assert "This link has been used." in page.text
    assert page.forms == []
    assert letter.decisions()[-1] == ("reject", 3)
    with letter.database.reading() as session:
        newest = session.scalars(select(Decision).where(Decision.comment_id == letter.comment_id, Decision.seq == 2)).one()
        assert newest.user_id == letter.user_id
    assert letter.used()


def test_a_form_that_is_sent_twice_decides_once(letter: Letter) -> None:
    letter.browser.open(letter.link)
    form = letter.browser.page.form("/letter") if letter.browser.page else None
    assert form is not None
    for _ in range(2):
        assert letter.browser.client.post("/console/letter", data=form.fields).status_code == 303
    other = {**form.fields, "reason": "1"}
    letter.browser.client.post("/console/letter", data=other)
    assert letter.decisions()[1:] == [("approve", None)]


def test_a_colleague_who_was_faster_is_named_and_nothing_is_applied(letter: Letter) -> None:
    letter.browser.open(letter.link)
    letter.as_colleague()
    page = letter.browser.send("/letter")
    assert (page.status, letter.used()) == (409, False)
    assert "Your approval was not applied." in page.text
    assert letter.decisions()[1:] == [("reject", 2)]
    page = letter.browser.open(letter.link)
    assert "Editor rejected this just now (Hate)." in page.text
    assert page.forms == []


def test_a_text_that_changed_since_the_mail_is_shown_as_it_is_with_its_changes(letter: Letter) -> None:
    letter.revise("I will find you and kill you if you write there again.")
    page = letter.browser.open(letter.link)
    assert "The author changed this since the mail was sent. Changes are marked." in page.text
    assert any(tag == "ins" for tag, _ in page.elements)
    letter.revise("I will find you and kill you both if you write there again.")
    page = letter.browser.send("/letter", reason=3, note="look")
    assert (page.status, letter.used()) == (409, False)
    assert "The author changed this while you were reading." in page.text
    assert "look" in page.html
    assert all(verdict == "flag" for verdict, _ in letter.decisions())
    page = letter.browser.send("/letter", reason=3)
    assert "You rejected this" in page.text


def test_what_was_withdrawn_is_not_shown(letter: Letter) -> None:
    letter.database.transact(
        lambda session: submission.withdraw(session, letter.site_id, letter.comment_id, now=datetime.now(UTC))
    )
    page = letter.browser.open(letter.link)
    assert "Its author took it back." in page.text
    assert "kill" not in page.text
    assert page.forms == []


def test_reason_9_needs_a_sentence_and_the_link_stays_good(letter: Letter) -> None:
    letter.browser.open(letter.link)
    page = letter.browser.send("/letter", reason=9)
    assert (page.status, letter.used()) == (422, False)
    assert "Reason 9 needs a sentence" in page.text
    page = letter.browser.send("/letter", reason=9, note="Please do not.")
    assert letter.decisions()[-1] == ("reject", 9)


def test_whoever_has_a_second_factor_proves_it_here_too(letter: Letter) -> None:
    salt = passwords.new_salt()
    with letter.database.transaction() as session:
        session.get_one(User, letter.user_id).code_salt = salt
    page = letter.browser.open(letter.link)
    assert any(given.get("name") == "code" for _, given in page.elements)
    page = letter.browser.send("/letter", reason=3, code="000000")
    assert (page.status, letter.used()) == (403, False)
    assert "That code did not match." in page.text
    code = pyotp.TOTP(passwords.code_secret(SECRET, letter.user_id, salt)).now()
    page = letter.browser.send("/letter", reason=3, code=code)
    assert "You rejected this" in page.text
    assert letter.used()


def test_guessing_the_code_is_slowed_down(letter: Letter) -> None:
    with letter.database.transaction() as session:
        session.get_one(User, letter.user_id).code_salt = passwords.new_salt()
    letter.browser.open(letter.link)
    for _ in range(5):
        letter.browser.send("/letter", reason=3, code="000000")
    page = letter.browser.send("/letter", reason=3, code="000000")
    assert page.status == 429
    assert int(page.headers["Retry-After"]) > 0


@pytest.mark.parametrize("token", ["", "x", "é", "%00", "a" * 43, "a" * 300])
def test_a_token_that_is_none_opens_nothing(sqlite_door: Door, token: str) -> None:
    answer = sqlite_door.client.get(f"/console/letter?token={token}")
    assert answer.status_code in {403, 422}
    assert sqlite_door.client.post("/console/letter", data={"token": token, "revision": "1"}).status_code in {403, 422}


def test_a_link_of_three_days_or_of_somebody_without_a_say_opens_nothing(letter: Letter) -> None:
    with letter.database.transaction() as session:
        session.get_one(Membership, (letter.site_id, letter.user_id)).role = Role.AUDITOR
    assert letter.browser.open(letter.link).status == 403
    with letter.database.transaction() as session:
        session.get_one(Membership, (letter.site_id, letter.user_id)).role = Role.MODERATOR
        session.get_one(Message, letter.message_id).created_at = datetime.now(UTC) - timedelta(days=3, seconds=1)
    page = letter.browser.open(letter.link)
    assert page.status == 403
    assert THREAT not in page.text


def test_a_form_of_another_site_is_refused(letter: Letter) -> None:
    letter.browser.open(letter.link)
    assert letter.browser.page is not None
    fields = letter.browser.page.form("/letter").fields
    answer = letter.browser.client.post("/console/letter", data=fields, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert not letter.used()


def test_an_authors_token_opens_no_letter(letter: Letter) -> None:
    from moderation.services import authorship

    token = authorship.token_of(SECRET, letter.message_id)
    assert letter.browser.open(f"/console/letter?token={token}").status == 403


def test_markup_in_a_comment_is_text(sqlite_door: Door) -> None:
    letter = Letter(sqlite_door, body=ABUSIVE + " <script>alert(1)</script><img src=x onerror=alert(1)>")
    page = letter.browser.open(letter.link)
    assert "<script>alert(1)</script>" in page.text
    assert not any(tag == "img" for tag, _ in page.elements)

"""``tidegate mail test``: what a mail server makes of our mail, in one line."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from moderation.database import Database
from moderation.ids import new_id, show
from moderation.models import DeliveryState, Message, MessageKind
from moderation.services import sites
from tests.moderation.commands.conftest import Cli, answer
from tests.moderation.outbound.mailserver import mail_host


def test_a_test_mail_is_sent_and_said(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    with mail_host() as host:
        monkeypatch.setenv("SMTP_URL", host.url)
        monkeypatch.setenv("MAIL_FROM", "comments@blog.example")
        assert "took it" in cli("mail", "test", "ada@blog.example").stdout
        assert "mail from Tidegate reaches you" in host.got[0].text
        assert answer(cli("mail", "test", "ada@blog.example", "--json"))["ok"] is True
        host.to_recipient = "550 5.1.1 no such person"
        said = cli("mail", "test", "eve@blog.example", code=1).stdout
        assert "does not take mail for that address (550 5.1.1 no such person)" in said
        assert "is not an e-mail address" in cli("mail", "test", "eve", code=2).stderr
    assert "nothing listens there" in cli("mail", "test", "ada@blog.example", code=1).stdout


def test_without_a_mail_server_it_says_what_to_set(cli: Cli) -> None:
    assert "set SMTP_URL and MAIL_FROM" in cli("mail", "test", "ada@blog.example", code=2).stderr


def test_wrong_settings_are_named_together(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_URL", "mail.example")
    said = cli("mail", "test", "ada@blog.example", code=2).stderr
    assert "SMTP_URL: must be smtp://host" in said
    assert "MAIL_FROM: is needed with SMTP_URL" in said


def test_a_doctor_leaves_strangers_who_mistype_their_address_alone_until_most_letters_are_refused(
    cli: Cli, installed: Database, home: Path
) -> None:
    home.mkdir(mode=0o700)

    def ended(count: int, state: DeliveryState, error: str | None) -> dict[str, str]:
        now = datetime.now(UTC)
        with installed.transaction() as session:
            session.add_all(
                Message(
                    id=new_id(),
                    created_at=now,
                    site_id=sites.find(session, "blog").id,
                    kind=MessageKind.CONFIRM,
                    attempts=1,
                    state=state,
                    last_error=error,
                    finished_at=now,
                )
                for _ in range(count)
            )
        found = answer(cli("doctor", "--json", code=1))["findings"]
        return next(each for each in found if each["name"] == "messages")

    found = ended(9, DeliveryState.DEAD, "rejected")
    assert (found["level"], found["detail"]) == (
        "ok", "no letter was given up; 9 of 9 to commenters were refused by their mail servers",
    )  # fmt: skip
    ended(20, DeliveryState.DELIVERED, None)
    assert ended(11, DeliveryState.DEAD, "deferred")["level"] == "ok", "as many as were taken"
    found = ended(1, DeliveryState.DEAD, "rejected")
    assert (found["level"], found["detail"].partition(":")[0]) == (
        "warn", "21 of 41 to commenters were refused by their mail servers",
    )  # fmt: skip
    assert "1 letters were given up" in ended(1, DeliveryState.DEAD, "sender")["detail"], "no server takes that of us"


def test_a_letter_that_was_given_up_is_listed_and_sent_again(cli: Cli, installed: Database, home: Path) -> None:
    home.mkdir(mode=0o700)
    assert cli("mail", "list", "--site", "blog").stdout == "(none)\n"
    cli("moderator", "add", "ada@blog.example", "--site", "blog", "--role", "editor")
    now = datetime.now(UTC)
    with installed.transaction() as session:
        site = sites.find(session, "blog")
        ((user, _),) = sites.members(session, site.id)
        message = Message(
            id=new_id(), created_at=now, site_id=site.id, kind=MessageKind.WAITING, user_id=user.id, attempts=11,
            state=DeliveryState.DEAD, last_error="timeout", finished_at=now,
        )  # fmt: skip
        session.add(message)
    shown = show("message", message.id)
    (row,) = answer(cli("mail", "list", "--site", "blog", "--json"))
    assert (row["id"], row["state"], row["error"], row["to"]) == (shown, "dead", "timeout", show("user", user.id))
    assert "ada" not in cli("mail", "list", "--site", "blog").stdout
    assert "letters were given up" in cli("doctor", code=1).stdout
    assert cli("mail", "retry", shown, "--site", "blog").stdout == f"{shown} is pending\n"
    assert cli("mail", "list", "--site", "blog").stdout == "(none)\n"
    assert [row["state"] for row in answer(cli("mail", "list", "--site", "blog", "--all", "--json"))] == ["pending"]
    cli("mail", "retry", show("message", new_id()), "--site", "blog", code=3)

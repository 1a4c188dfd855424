"""``tidegate mail test``: what a mail server makes of our mail, in one line."""

import pytest

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

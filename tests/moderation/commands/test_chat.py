"""``tidegate chat``: a room is added, tried and removed, and its address is on no command line and in no answer."""

import pytest

from moderation.database import Database
from tests.moderation.commands.conftest import Cli, answer
from tests.moderation.outbound.receiver import listening, status


def test_a_room_is_added_tried_and_removed(cli: Cli, installed: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_WEBHOOK_ALLOW", "127.0.0.1")
    with listening() as receiver:
        url = f"{receiver.url}/T0/B0/canary"
        said = cli("chat", "add", "slack", "--site", "blog", "--name", "ops", stdin=f"{url}\n")
        assert "canary" not in said.stdout
        made = said.stdout.split()[0]
        assert answer(cli("chat", "list", "--site", "blog", "--json")) == [
            {"id": made, "kind": "slack", "name": "ops", "room": ""}
        ]
        assert cli("chat", "test", made, "--site", "blog").stdout == "it took it\n"
        assert b"This is a test" in receiver.got[0].body
        receiver.answer = status(404)
        assert "http_404" in cli("chat", "test", made, "--site", "blog", code=1).stdout
    cli("chat", "remove", made, "--site", "blog")
    assert answer(cli("chat", "list", "--site", "blog", "--json")) == []
    cli("chat", "test", made, "--site", "blog", code=3)


def test_telegram_needs_the_chats_id_and_says_so_before_it_asks(cli: Cli, installed: Database) -> None:
    assert "--room ID" in cli("chat", "add", "telegram", "--site", "blog", code=2).stderr

"""``tidegate coral``: a signing secret comes from standard input, is listed without what it says, and can be ended."""

from typing import Any

from tests.moderation.commands.conftest import answer

SHOWN = "ssec_0123456789abcdef0123456789abcdef"


def test_a_secret_is_kept_listed_and_revoked_and_never_shown(installed: Any, cli: Any) -> None:
    kept = cli("coral", "add", "--site", "blog", "--name", "phase", "--json", stdin=f"{SHOWN}\n")
    made = answer(kept)
    assert made["url"].endswith("/coral/blog")
    assert made["events_url"].endswith("/coral/blog/events")
    listed = cli("coral", "list", "--site", "blog", "--json")
    assert [(each["id"], each["name"], each["revoked_at"]) for each in answer(listed)] == [(made["id"], "phase", None)]
    assert SHOWN not in kept.output + listed.output
    ended = answer(cli("coral", "revoke", made["id"], "--site", "blog", "--json"))
    assert ended["revoked_at"] is not None
    assert answer(cli("coral", "revoke", made["id"], "--site", "blog", "--json")) == ended


def test_what_is_no_signing_secret_is_refused(installed: Any, cli: Any) -> None:
    for given in ("", "short", "with a space in the middle of it"):
        assert "signing secret" in cli("coral", "add", "--site", "blog", code=2, stdin=f"{given}\n").stderr
    cli("coral", "add", "--site", "nowhere", code=3, stdin=f"{SHOWN}\n")
    cli("coral", "revoke", "sec_" + "0" * 32, "--site", "blog", code=3)

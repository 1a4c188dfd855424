"""Sites, keys, moderators and policies, from the command line."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from moderation.database import Database
from moderation.ids import show
from moderation.services import keys, sites
from tests.moderation.commands.conftest import MINE, SECRET, Cli, answer


def test_a_site_is_listed_and_shown(cli: Cli, installed: Database) -> None:
    (listed,) = answer(cli("site", "list", "--json"))
    assert (listed["name"], listed["origins"], listed["policy"]) == ("blog", ["https://blog.example"], "standard@1")
    shown = answer(cli("site", "show", "blog", "--json"))
    assert shown == {**shown, **listed, "keys": 0, "members": 0, "comments": {}, "open_cases": 0}
    assert "https://blog.example" in cli("site", "list").stdout


def test_a_key_is_shown_once_and_dead_once_revoked(cli: Cli, installed: Database) -> None:
    made = answer(cli("key", "add", "--site", "blog", "--expires-in", "90d", "--json"))

    def opens() -> keys.Principal:
        with installed.reading() as session:
            return keys.authenticate(session, made["key"], secret=SECRET.encode(), now=datetime.now(UTC))

    assert show("key", opens().key_id) == made["id"]
    listed = cli("key", "list", "--site", "blog")
    assert made["begins"] in listed.stdout
    assert made["key"].split("_")[3] not in listed.stdout
    cli("key", "revoke", made["id"], "--site", "blog")
    with pytest.raises(keys.BadKey):
        opens()


def test_only_the_key_is_on_standard_output(cli: Cli, installed: Database) -> None:
    assert cli("key", "add", "--site", "blog", "--kind", "door").stdout.strip().isalnum()


def test_a_moderators_key_dies_with_the_role(cli: Cli, installed: Database) -> None:
    cli("moderator", "add", "Ann@blog.example", "--site", "blog", "--role", "editor")
    made = answer(cli("key", "add", "--site", "blog", "--kind", "personal", "--moderator", "ann@blog.example", "--json"))
    (listed,) = answer(cli("moderator", "list", "--site", "blog", "--json"))
    assert (listed["email"], listed["name"], listed["role"]) == ("ann@blog.example", "Ann", "editor")
    cli("moderator", "revoke", "ann@blog.example", "--site", "blog")
    with installed.reading() as session, pytest.raises(keys.BadKey):
        keys.authenticate(session, made["key"], secret=SECRET.encode(), now=datetime.now(UTC))


def test_a_policy_is_stored_put_into_force_and_rolled_back(cli: Cli, installed: Database, tmp_path: Path) -> None:
    policy = tmp_path / "mine.toml"
    policy.write_text(MINE)
    cli("policy", "activate", "mine", "--site", "blog", "--file", str(policy))
    policy.write_text(MINE.replace("letters > 0", "letters > 5"))
    cli("policy", "activate", "mine", "--site", "blog", "--file", str(policy))
    assert answer(cli("site", "show", "blog", "--json"))["policy"] == "mine@2"
    cli("policy", "activate", "mine@1", "--site", "blog")
    in_force = [each["policy"] for each in answer(cli("policy", "list", "--site", "blog", "--json")) if each["in_force"]]
    assert in_force == ["mine@1"]
    assert "is called mine" in cli("policy", "activate", "yours", "--site", "blog", "--file", str(policy), code=2).stderr


def test_what_is_given_of_a_site_can_be_changed_and_an_unknown_time_zone_is_said(
    cli: Cli, installed: Database, home: Path
) -> None:
    home.mkdir(mode=0o700)
    with installed.transaction() as session:
        sites.find(session, "blog").time_zone = "Mars/Olympus"
    assert "UTC is used: blog (Mars/Olympus)" in cli("doctor", code=1).stdout
    assert "is not a time zone" in cli("site", "change", "blog", "--time-zone", "Europe", code=2).stderr
    changed = answer(cli("site", "change", "blog", "--time-zone", "Europe/Berlin", "--title", "News", "--json"))
    assert (changed["title"], changed["time_zone"], changed["language"]) == ("News", "Europe/Berlin", "en")
    assert changed["origins"] == ["https://blog.example"], "what is not given stays"
    assert "ok    sites" in cli("doctor", code=1).stdout


def test_posts_of_a_site_are_closed_after_days(cli: Cli, installed: Database) -> None:
    assert "no post is closed by itself" in cli("site", "closing", "blog").stdout
    assert "posts are closed after 14 days" in cli("site", "closing", "blog", "--after", "14").stdout
    assert answer(cli("site", "show", "blog", "--json"))["close_after_days"] == 14
    assert answer(cli("site", "closing", "blog", "--never", "--json")) == {"site": "blog", "close_after_days": None}
    for wrong in (["--after", "0"], ["--after", "14", "--never"]):
        cli("site", "closing", "blog", *wrong, code=2)


def test_a_sites_words_for_reasons_are_shown_set_and_taken_back(cli: Cli, installed: Database) -> None:
    ours = answer(cli("site", "reasons", "blog", "--json"))
    assert (ours["own"], ours["reasons"]["1"]) == ([], "attacks a person rather than what they say")
    cli("site", "reasons", "blog", "--set", "1=goes for the player = not the ball.", "--set", "2=is not how we speak")
    assert "own    goes for the player = not the ball" in cli("site", "reasons", "blog").stdout
    cli("site", "reasons", "blog", "--set", "2=")
    assert answer(cli("site", "reasons", "blog", "--json"))["own"] == ["1"], "the others stay as they were said"
    assert answer(cli("site", "reasons", "blog", "--language", "de", "--json"))["own"] == []
    for wrong in ("no=such", "1", "1={ground}", f"1={'x' * 201}"):
        cli("site", "reasons", "blog", "--set", wrong, code=2)
    assert answer(cli("site", "reasons", "blog", "--reset", "--set", "3=threatens", "--json"))["own"] == ["3"]


def test_control_characters_do_not_reach_the_terminal(cli: Cli, installed: Database) -> None:
    cli("site", "add", "evil", "--title", "\x1b[2Jgone")
    assert "\x1b" not in cli("site", "list").stdout
    assert "\\x1b[2Jgone" in cli("site", "list").stdout

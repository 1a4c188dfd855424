"""Replaying decisions from the command line: what would change, charged to rules, in words and in JSON."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from moderation.database import Database
from moderation.scoring import catalog
from moderation.services import sites, submission
from moderation.services.asking import Models
from moderation.services.authors import AuthorClaim
from moderation.services.moderating import Moderator
from moderation.services.posts import PostReference
from moderation.services.submission import Submission
from tests.moderation.commands.conftest import MINE, SECRET, Cli, answer


@pytest.fixture
def decided(installed: Database) -> Database:
    """One comment that ``standard`` approved."""
    asked = Submission(
        post=PostReference(id="p1", url="https://blog.example/arms", title="Arms and the treaty"),
        author=AuthorClaim(id="reader-1", name="Reader"),
        body="I disagree with the treaty, but thank you for this clear article.",
    )
    with installed.transaction() as session:
        site = sites.find(session, "blog")
        submission.submit(session, site.id, asked, vouched=True, secret=SECRET.encode(), once=None, now=datetime.now(UTC))
    Moderator(installed, Models(catalog.bundled(), catalog.spam()), SECRET.encode(), "one").drain()
    return installed


def test_a_replay_says_how_many_decisions_would_change_by_rule(cli: Cli, decided: Database, tmp_path: Path) -> None:
    policy = tmp_path / "mine.toml"
    policy.write_text(MINE)
    found = answer(cli("replay", "--site", "blog", "--file", str(policy), "--since", "1h", "--json"))
    assert (found["considered"], found["changed"]) == (1, 1)
    assert found["moves"] == [{"from": "approve", "to": "flag", "comments": 1}]
    assert [(rule["rule"], rule["harder"], rule["milder"]) for rule in found["rules"]] == [("letters", 1, 0)]
    shown = cli("replay", "--site", "blog", "--file", str(policy)).stdout
    assert shown.startswith("1 of 1 decisions would have been others under mine")
    assert "approve -> flag" in shown


def test_a_replay_of_what_is_in_force_changes_nothing(cli: Cli, decided: Database) -> None:
    shown = cli("replay", "--site", "blog", "--policy", "standard").stdout
    assert shown == "0 of 1 decisions would have been others under standard@1\n"


def test_a_policy_with_a_mistake_is_not_replayed(cli: Cli, decided: Database, tmp_path: Path) -> None:
    policy = tmp_path / "mine.toml"
    policy.write_text(MINE.replace("letters > 0", "leters > 0"))
    assert "there is no signal 'leters'" in cli("replay", "--site", "blog", "--file", str(policy), code=2).stderr

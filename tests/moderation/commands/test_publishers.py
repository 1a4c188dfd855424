"""``tidegate publisher``: from nothing to a blog that is known to be reachable, with no credential on any command line."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from moderation.database import Database
from tests.moderation.commands.conftest import Cli, answer
from tests.moderation.outbound.publishers.blogs import GhostBlog, WordPressBlog, Written
from tests.moderation.outbound.receiver import listening, status


@pytest.fixture
def ghost(monkeypatch: pytest.MonkeyPatch) -> Iterator[GhostBlog]:
    """A blog on the loopback, which the operator allows."""
    monkeypatch.setenv("TIDEGATE_WEBHOOK_ALLOW", "127.0.0.1")
    with listening() as receiver:
        blog = GhostBlog(f"http://127.0.0.1:{receiver.port}")
        receiver.answer = blog.answer
        yield blog


def added(cli: Cli, ghost: GhostBlog, token: str) -> str:
    said = cli("publisher", "add", "ghost", "--site", "blog", "--set", f"url={ghost.base}", stdin=f"{token}\n").stdout
    assert token not in said
    return str(said.split()[0])


def test_a_publisher_is_added_tried_compared_and_removed(cli: Cli, installed: Database, ghost: GhostBlog) -> None:
    made = added(cli, ghost, ghost.config()["token"])
    assert "never tried on the real service" in cli("publisher", "test", made, "--site", "blog").stdout
    (row,) = answer(cli("publisher", "list", "--site", "blog", "--json"))
    assert (row["id"], row["kind"], row["settings"]) == (made, "ghost", {"url": ghost.base})
    compared = answer(cli("publisher", "compare", made, "--site", "blog", "--json"))
    assert compared == {"compared": 0, "unknown": 0, "differences": [], "mended": False}
    cli("publisher", "remove", made, "--site", "blog")
    assert answer(cli("publisher", "list", "--site", "blog", "--json")) == []
    cli("publisher", "test", made, "--site", "blog", code=3)


def test_what_is_missing_is_said_with_exit_code_1(cli: Cli, installed: Database, ghost: GhostBlog) -> None:
    made = added(cli, ghost, "64f0:beef")
    said = cli("publisher", "test", made, "--site", "blog", code=1).stdout
    assert "staff access token" in said
    assert "beef" not in said


def test_a_secret_on_the_command_line_is_refused(cli: Cli, installed: Database, ghost: GhostBlog) -> None:
    settings = ("--set", f"url={ghost.base}", "--set", "token=64f0:beef")
    said = cli("publisher", "add", "ghost", "--site", "blog", *settings, code=2).stderr
    assert "is a secret" in said
    assert "beef" not in said
    assert "needs url" in cli("publisher", "add", "ghost", "--site", "blog", stdin="64f0:beef\n", code=2).stderr.replace(
        "\n", " "
    )


def test_a_way_that_leads_in_one_direction_cannot_be_compared(cli: Cli, installed: Database, ghost: GhostBlog) -> None:
    said = cli("publisher", "add", "generic", "--site", "blog", "--set", f"url={ghost.base}/{{id}}").stdout
    made = said.split()[0]
    assert "whsec_" in said
    cli("publisher", "compare", made, "--site", "blog", code=2)


def test_comments_are_pulled_once_and_on_a_schedule(cli: Cli, installed: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_WEBHOOK_ALLOW", "127.0.0.1")
    with listening() as receiver:
        blog = WordPressBlog(f"http://127.0.0.1:{receiver.port}")
        receiver.answer = blog.answer
        blog.written.append(Written(7, datetime.now(UTC) - timedelta(hours=3), "A thought."))
        settings = ("--set", f"url={blog.base}", "--set", "username=tidegate")
        made = cli("publisher", "add", "wordpress", "--site", "blog", *settings, stdin="abcd efgh\n").stdout.split()[0]
        of = (made, "--site", "blog")
        assert cli("publisher", "pull", *of).stdout.startswith("0 new")
        for new in (1, 0):
            assert answer(cli("publisher", "pull", *of, "--since", "1d", "--json")) == {
                "id": made, "new": new, "known": 1 - new, "bad": 0,
            }  # fmt: skip
        assert "every 0:05:00" in cli("publisher", "pull", *of, "--every", "5m").stdout
        (row,) = answer(cli("publisher", "list", "--site", "blog", "--json"))
        assert row["pulled"]["every"] == 300
        assert "no more" in cli("publisher", "pull", *of, "--stop").stdout
        cli("publisher", "pull", *of, "--stop", "--every", "5m", code=2)
        receiver.answer = status(500)
        cli("publisher", "pull", *of, code=4)


def test_a_blog_that_lists_nothing_cannot_be_pulled_from(cli: Cli, installed: Database, ghost: GhostBlog) -> None:
    made = added(cli, ghost, ghost.config()["token"])
    assert "cannot be asked" in cli("publisher", "pull", made, "--site", "blog", code=2).stderr.replace("\n", " ")

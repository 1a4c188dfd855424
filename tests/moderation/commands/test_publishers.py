"""``tidegate publisher``: from nothing to a blog that is known to be reachable, with no credential on any command line."""

from collections.abc import Iterator

import pytest

from moderation.database import Database
from tests.moderation.commands.conftest import Cli, answer
from tests.moderation.outbound.publishers.blogs import GhostBlog
from tests.moderation.outbound.receiver import listening


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

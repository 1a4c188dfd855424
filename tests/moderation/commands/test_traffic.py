"""A day's traffic as a doctor reads it: one address that sends too much, receivers that fail."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from moderation.commands import traffic
from moderation.database import Database
from moderation.ids import new_id
from moderation.models import Endpoint, EndpointState
from moderation.services import sites, submission
from moderation.services.authors import AuthorClaim
from moderation.services.posts import PostReference
from moderation.services.submission import Submission
from tests.moderation.commands.conftest import SECRET, Cli

NOW = datetime.now(UTC)


def send(database: Database, addresses: list[str | None], *, at: datetime = NOW) -> None:
    sent = [
        Submission(
            post=PostReference(url="https://blog.example/page"),
            author=AuthorClaim(name=f"Reader {number}", address=address),
            body=f"Comment number {number} of {at}.",
        )
        for number, address in enumerate(addresses)
    ]
    with database.transaction() as session:
        site = sites.find(session, "blog").id
        submission.submit_many(session, site, sent, vouched=True, secret=SECRET.encode(), now=at)


def endpoint(database: Database, **changes: object) -> UUID:
    with database.transaction() as session:
        site = sites.find(session, "blog")
        row = Endpoint(
            id=new_id(), site_id=site.id, created_at=NOW, url="https://receiver.example/a-secret-path",
            secrets=[{"salt": "x", "until": None}], **changes,
        )  # fmt: skip
        session.add(row)
        return row.id


def looked(database: Database) -> dict[str, tuple[str, str]]:
    with database.reading() as session:
        return {each.name: (each.level, each.detail) for each in traffic.look(session, NOW)}


def readers(count: int) -> list[str | None]:
    return [f"198.51.100.{number}" for number in range(count)]


def test_many_readers_are_no_finding(installed: Database) -> None:
    send(installed, readers(30))
    assert looked(installed) == {
        "senders": ("ok", "no address sends more than a reader would"),
        "webhooks": ("ok", "no endpoint is failing"),
    }


def test_one_address_with_more_than_thirty_in_a_hundred_is_named_by_its_share(installed: Database) -> None:
    send(installed, [*readers(15), *["10.0.0.1"] * 15])
    level, detail = looked(installed)["senders"]
    assert level == "warn"
    assert detail.startswith("50% of the day's 30 comments of blog come from one address: ")
    assert "TRUSTED_PROXIES" in detail
    assert "10.0.0.1" not in detail


@pytest.mark.parametrize("addresses", [[*readers(15), *["10.0.0.1"] * 4], [None] * 40, ["10.0.0.1"] * 10])
def test_few_comments_and_such_without_an_address_say_nothing(installed: Database, addresses: list[str | None]) -> None:
    send(installed, addresses)
    assert looked(installed)["senders"][0] == "ok"


def test_what_was_the_day_before_yesterday_is_over(installed: Database) -> None:
    send(installed, ["10.0.0.1"] * 30, at=NOW - timedelta(days=2))
    assert looked(installed)["senders"][0] == "ok"


def test_an_endpoint_that_fails_is_named_by_its_host_alone(installed: Database) -> None:
    endpoint(installed, failing_since=NOW - timedelta(hours=1))
    level, detail = looked(installed)["webhooks"]
    assert level == "warn"
    assert detail.startswith("receiver.example of blog fails since ")
    assert "tidegate deliveries replay --site blog" in detail
    assert "a-secret-path" not in detail


def test_an_endpoint_that_was_turned_off_or_deleted_is_told_apart(installed: Database) -> None:
    endpoint(installed, state=EndpointState.DISABLED, deleted_at=NOW)
    assert looked(installed)["webhooks"][0] == "ok"
    endpoint(installed, state=EndpointState.DISABLED, state_reason="gone")
    assert ", disabled (gone)" in looked(installed)["webhooks"][1]


def test_the_command_looks_outside_only_where_it_is_asked_to(
    cli: Cli, installed: Database, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir(mode=0o700)
    monkeypatch.setenv("PUBLIC_URL", "https://no-such-name.invalid")
    assert "no-such-name" not in cli("doctor", code=1).stdout
    said = cli("doctor", "--public", code=1).stdout
    assert "fail  dns         no-such-name.invalid has no address" in said
    assert "ok    senders" in said
    assert "ok    webhooks" in said

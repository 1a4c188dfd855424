"""What the API saw of a request is told to whoever knows the master secret, and to nobody else."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from moderation.services import probing
from tests.api.conftest import SECRET, open_door, settings


def asked(**changes: Any) -> dict[str, str]:
    return {probing.HEADER: probing.question(changes.get("secret", SECRET), now=changes.get("now", datetime.now(UTC)))}


def test_it_tells_the_client_that_was_concluded_and_what_from(tmp_path: Path, sqlite_url: str) -> None:
    for door in open_door(settings(tmp_path, sqlite_url, trusted_proxies=1)):
        forwarded = {
            "X-Forwarded-For": "192.0.2.7, 203.0.113.9",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "comments.example",
        }
        answer = door.get("/probe", key=None, headers=asked() | forwarded, environ_base={"REMOTE_ADDR": "10.0.0.1"})
        found = answer.json
        assert abs(datetime.fromisoformat(found.pop("now")) - datetime.now(UTC)) < timedelta(minutes=1)
        assert found.pop("release")
        assert found == {
            "address": "203.0.113.9",
            "scheme": "https",
            "host": "comments.example",
            "peer": "10.0.0.1",
            "forwarded_for": ["192.0.2.7", "203.0.113.9"],
            "trusted_proxies": 1,
        }
        assert answer.headers["Cache-Control"] == "no-store"


def test_without_proxies_the_connection_speaks_for_itself(sqlite_door: Any) -> None:
    found = sqlite_door.get("/probe", key=None, headers=asked() | {"X-Forwarded-For": "192.0.2.7"}).json
    assert (found["address"], found["peer"], found["forwarded_for"]) == ("127.0.0.1", "127.0.0.1", ["192.0.2.7"])


NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {probing.HEADER: ""},
        {probing.HEADER: "nonsense"},
        {probing.HEADER: ".." * 3},
        {probing.HEADER: "x" * 4000},
        {probing.HEADER: "\u00e9.\u00e9"},
        asked(secret=b"another installation's master secret"),
        asked(now=NOW - timedelta(minutes=11)),
        asked(now=NOW + timedelta(minutes=30)),
        {probing.HEADER: probing.question(SECRET, now=NOW)[:-1] + "g"},
    ],
)
def test_nobody_else_learns_anything(sqlite_door: Any, headers: dict[str, str]) -> None:
    answer = sqlite_door.get("/probe", key=None, headers=headers)
    unknown = sqlite_door.get("/nothing-is-here", key=None)
    assert answer.status_code == 404
    differing = {"instance", "request_id"}
    told = [{name: value for name, value in each.json.items() if name not in differing} for each in (answer, unknown)]
    assert told[0] == told[1]


def test_a_question_is_never_the_same_twice() -> None:
    assert probing.question(SECRET, now=NOW) != probing.question(SECRET, now=NOW)

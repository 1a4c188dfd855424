"""What a container's health check says about workers, on both databases."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from moderation import healthcheck
from moderation.database import Database
from moderation.embedded import free_port
from moderation.services import processes


@pytest.fixture(autouse=True)
def environment(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path))
    monkeypatch.setenv("TIDEGATE_PORT", str(free_port()))


def beat(database: Database, name: str, kind: str, *, ago: float = 0.0) -> None:
    with database.transaction() as session:
        now = datetime.now(UTC) - timedelta(seconds=ago)
        processes.beat(session, name, kind, started_at=now, now=now)


def test_a_worker_is_well_while_it_says_so(database: Database) -> None:
    assert healthcheck.main(["moderate"]) == 1
    beat(database, processes.name("moderate"), "moderate")
    assert healthcheck.main(["moderate"]) == 0
    assert healthcheck.main(["deliver"]) == 1


def test_a_silent_worker_is_not_well(database: Database) -> None:
    beat(database, processes.name("relay"), "relay", ago=60)
    assert healthcheck.main(["relay"]) == 1


def test_another_hosts_worker_says_nothing_about_this_one(database: Database) -> None:
    beat(database, "moderate@elsewhere:1", "moderate")
    assert healthcheck.main(["moderate"]) == 1


def test_the_one_worker_of_a_small_machine_serves_both_queues(database: Database) -> None:
    beat(database, processes.name("moderate"), "moderate")
    assert healthcheck.main(["worker"]) == 1
    beat(database, processes.name("deliver+moderate"), "deliver+moderate")
    assert healthcheck.main(["worker"]) == 0


def test_an_api_that_does_not_answer_is_not_well(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    assert healthcheck.main(["api"]) == 1
    assert "does not answer" in capsys.readouterr().out

"""PostgreSQL itself is killed under load and restarted: RELIABILITY's fault 20."""

import threading
from collections.abc import Sized
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from moderation import migrations
from tests.faults.stack import Broken
from tests.packaging.installation import Up
from tests.servers import PostgresServer, open_folder

pytestmark = [pytest.mark.faults, pytest.mark.postgres, pytest.mark.timeout(240)]

KILLS = 3


def test_a_killed_postgresql_loses_nothing_that_was_acknowledged(start: Any, tmp_path: Path) -> None:
    """With durable commits, killed again and again in the middle of them; meanwhile the API says 503 and when to come back."""
    with open_folder("tidegate-killed-") as folder:
        server = PostgresServer(folder, durable=True)
        server.create()
        server.start()
        try:
            url = server.create_database("tidegate")
            migrations.upgrade(url)
            up: Up = start(TIDEGATE_WEBHOOK_ALLOW="127.0.0.1", DATABASE_URL=url)
            broken = Broken(up, url)
            stop = threading.Event()

            def clients() -> None:
                while not stop.is_set():
                    broken.submit_many(4)
                    # Below what is judged meanwhile, so that healing is what is timed.
                    stop.wait(0.4)

            load = threading.Thread(target=clients)
            load.start()
            try:
                for kill in range(1, KILLS + 1):
                    enough = len(broken.history.acknowledged) + 12
                    broken.wait(f"{enough} acknowledged", partial(_grown, broken.history.acknowledged, enough))
                    seen = len(broken.troubles) + 1
                    server.kill()
                    broken.wait(f"outage {kill} seen", partial(_grown, broken.troubles, seen))
                    assert _said_while_away(broken) == (503, True)
                    server.start()
            finally:
                stop.set()
                load.join()
            assert set(broken.troubles) == {503}
            broken.heal()
            assert broken.verdict() == []
            broken.close()
            up.process.terminate()
            up.process.communicate(timeout=90)
        finally:
            server.stop()


def _grown(things: Sized, count: int) -> bool:
    return len(things) >= count


def _said_while_away(broken: Broken) -> tuple[int, bool]:
    """Return the status of an answer without a database, and whether it says when to try again."""
    asked = Request(f"{broken.base}/v1/comments", headers={"Authorization": f"Bearer {broken.key}"})
    try:
        with urlopen(asked, timeout=30) as answer:
            return answer.status, False
    except HTTPError as error:
        with error:
            return error.code, error.headers.get("Retry-After") is not None

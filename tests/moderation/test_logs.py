"""Logs hold what an operator needs and nothing of what a reader wrote."""

import json
import subprocess
import sys
from pathlib import Path

CANARY = "a-reader's-secret"
SAY = """
import sys, structlog
from moderation import logs
from moderation.database import Database
from moderation.ids import new_id
from moderation.models import Site
from datetime import UTC, datetime
logs.configure("info")
canary = sys.argv[2]
try:
    with Database(sys.argv[1]).transaction() as session:
        session.add(Site(id=new_id(), created_at=datetime.now(UTC), name="taken", title=canary))
        session.flush()
        session.add(Site(id=new_id(), created_at=datetime.now(UTC), name="taken", title=canary))
        session.flush()
except Exception:
    structlog.get_logger("test").exception("failed", name="line one\\nline two")
try:
    with Database(sys.argv[1]).transaction() as session:
        session.add(Site(id=new_id(), created_at=datetime.now(UTC), name=canary, title=None))
        session.flush()
except Exception:
    structlog.get_logger("test").exception("failed")
"""


def test_an_error_of_the_database_is_logged_without_the_values(database_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SAY, database_url, CANARY],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["failed", "failed"]
    assert [line["exception"][0]["exc_type"] for line in lines] == ["IntegrityError", "IntegrityError"]
    assert lines[0]["name"] == "line one\nline two"
    assert CANARY not in done.stderr

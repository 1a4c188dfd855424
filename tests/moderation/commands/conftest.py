"""Commands run in this process, in a home of the test's own, on a real database."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from moderation.cli import tidegate
from moderation.database import Database

SECRET = "0123456789abcdef" * 4

Cli = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment of the test's own, with no database yet."""
    for name in [name for name in os.environ if name.startswith("TIDEGATE_")]:
        monkeypatch.delenv(name)
    for name in ("DATABASE_URL", "REDIS_URL", "PUBLIC_URL", "TRUSTED_PROXIES", "SMTP_URL", "MAIL_FROM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def cli(home: Path) -> Cli:
    """Run a command in this process."""

    def run(*arguments: str, code: int = 0, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(tidegate, list(arguments), prog_name="tidegate", input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        if code in {2, 3, 4}:
            assert all(line.startswith("tidegate: ") for line in result.stderr.splitlines()), result.stderr
            assert result.stdout == ""
        return result

    return run


@pytest.fixture
def installed(cli: Cli, database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A migrated database, once of each kind, with the site ``blog``."""
    monkeypatch.setenv("DATABASE_URL", database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("TIDEGATE_SECRET", SECRET)
    cli("site", "add", "blog", "--title", "A blog", "--origin", "https://blog.example/page", "--policy", "standard")
    return database


def answer(result: Result) -> Any:
    return json.loads(result.stdout)


MINE = """
name = "mine"
summary = "A person reads everything with letters in it."

[[rule]]
name = "letters"
when = "letters > 0"
verdict = "flag"
reason = 9
explanation = "A person reads every comment here."
"""

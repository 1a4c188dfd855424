"""Fixtures for all tests: an empty migrated database of either kind, a Valkey, and the rule that CI skips nothing in silence."""

import contextlib
import gc
import os
import random
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import structlog

from moderation import migrations
from moderation.database import Database
from moderation.services import facts
from tests.servers import PostgresServer, ValkeyServer, open_folder

SKIPS = Path(__file__).with_name("skips.toml")
TEMPLATE = "tidegate_template"

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


class NoChance(random.Random):
    """A chance that draws nothing."""

    def random(self) -> float:
        return 0.999


@pytest.fixture(autouse=True)
def _nothing_is_drawn_for_the_audit_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """One published comment in a hundred would be, and with it one test in a hundred that counts cases would fail."""
    monkeypatch.setattr(facts, "_SystemRandom", NoChance())


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server with a migrated template database, for the session."""
    with open_folder("tidegate-postgres-") as folder:
        server = PostgresServer(folder, durable=False)
        server.create()
        server.start()
        try:
            migrations.upgrade(server.create_database(TEMPLATE))
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("template") / "tidegate.db"
    migrations.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The address of an empty migrated SQLite database."""
    path = tmp_path / "tidegate.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgresql_url(postgres: PostgresServer) -> Iterator[str]:
    """The address of an empty migrated PostgreSQL database."""
    name = postgres.lend_database(TEMPLATE)
    yield postgres.url(name)
    postgres.take_back(name)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty migrated database, once of each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty migrated database, once of each kind."""
    with contextlib.closing(_Disposing(database_url)) as opened:
        yield opened.database


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    """An empty migrated SQLite database."""
    with contextlib.closing(_Disposing(sqlite_url)) as opened:
        yield opened.database


@pytest.fixture
def postgresql_database(postgresql_url: str) -> Iterator[Database]:
    """An empty migrated PostgreSQL database."""
    with contextlib.closing(_Disposing(postgresql_url)) as opened:
        yield opened.database


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A Valkey server for the session."""
    server = ValkeyServer(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def valkey(valkey_server: ValkeyServer) -> str:
    """The address of an empty Valkey."""
    valkey_server.flush()
    return valkey_server.url


class _Disposing:
    def __init__(self, url: str) -> None:
        self.database = Database(url)

    def close(self) -> None:
        self.database.dispose()


# ------------------------------------------------------------------------------------- who shares a stack stays together

SHARED = ("stack", "served")
"""Fixtures of a whole file that start processes: with several processes of pytest each would start them again."""


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in this hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file that share such a fixture, with the same parameter, in one process of pytest.

    So are all that need torch, which takes each process seconds to import, and each to export the same model. What takes long
    comes first: at the end one process would work alone.
    """
    for item in items:
        if item.get_closest_marker("detoxify"):
            item.add_marker(pytest.mark.xdist_group("detoxify"))
            continue
        for name in SHARED:
            if name in getattr(item, "fixturenames", ()):
                kind = item.callspec.params.get(name) if hasattr(item, "callspec") else None
                item.add_marker(pytest.mark.xdist_group(f"{item.path.stem}-{kind}"))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if item.get_closest_marker("xdist_group"):
        return 0
    return 2 if item.get_closest_marker("browser") and not item.get_closest_marker("slow") else 1


def pytest_configure() -> None:
    """Have exceptions logged as Python prints them: structlog's own coloured boxes take a second for the deep ones."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ]
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    """Have the garbage collector pass over what was imported and collected, and look seldom: it took a fifth of the time."""
    if getattr(session.config.option, "loadgroup", False):
        # xdist tells its groups by the name alone, and where it cannot change that it says nothing (pytest-xdist, issue 1386).
        alone = [item.nodeid for item in session.items if item.get_closest_marker("xdist_group") and "@" not in item.nodeid]
        if alone:
            raise pytest.UsageError(f"this pytest and this xdist do not keep groups together: {alone[0]}")
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


# ------------------------------------------------------------------------------------------- no silent skips in CI


def excuses() -> dict[str, str]:
    """Return the tests that may be skipped in CI, by the beginning of their node id, each with its reason."""
    return {entry["test"]: entry["reason"] for entry in tomllib.loads(SKIPS.read_text()).get("skip", [])}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Turn a test's skip into a failure in CI, unless skips.toml has an excuse for it."""
    report = yield
    return refuse_a_silent_skip(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Any:
    """Turn a whole file's skip into a failure in CI, unless skips.toml has an excuse for it."""
    report = yield
    return refuse_a_silent_skip(report)


def refuse_a_silent_skip(report: Report) -> Report:
    """Return the report as it is, or as a failure where CI would skip something without an excuse."""
    silent = report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail")
    if silent and not any(report.nodeid.startswith(test) for test in excuses()):
        report.longrepr = f"{report.nodeid} was skipped ({report.longrepr}), and {SKIPS.name} has no excuse for it"
        report.outcome = "failed"
    return report

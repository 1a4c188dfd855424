"""Migrations: what was stored under an older schema is there under the newest one and after the way back; models say the same."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, Table, insert, select, text, types

from moderation import migrations
from moderation.database import Database
from moderation.errors import Refused
from moderation.models import Base
from tests.servers import PostgresServer

REVISIONS = sorted(path.name[:4] for path in (migrations.FOLDER / "versions").glob("0*.py"))
NEWEST = REVISIONS[-1]
ROOT = Path(__file__).parents[2]
MOMENT = datetime(2026, 11, 1, tzinfo=UTC)

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without any table, once of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'tidegate.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"empty_{uuid4().hex}"
    yield server.create_database(name)
    server.drop_database(name)


@contextlib.contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        database.dispose()


def tables(database: Database) -> list[Table]:
    """The tables as the database has them, those that others refer to first; not Alembic's own."""
    metadata = MetaData()
    metadata.reflect(database.engine)
    return [table for table in metadata.sorted_tables if table.name != "alembic_version"]


VALUES: dict[type[types.TypeEngine[Any]], Callable[[str], Any]] = {
    types.Uuid: lambda _: uuid4(),
    types.Boolean: lambda _: True,
    types.DateTime: lambda _: MOMENT,
    types.JSON: lambda name: {name: [1, "\u00e9"]},
    types.LargeBinary: lambda _: uuid4().bytes,
    types.Float: lambda _: 0.25,
    types.Integer: lambda _: 7,
    # JSON too, because that is text on SQLite.
    types.Text: lambda name: f'"{name}"',
}
"""Something that a column of each type takes."""


def value(kind: types.TypeEngine[Any], name: str) -> Any:
    return next(make for known, make in VALUES.items() if isinstance(kind, known))(name)


def fill(database: Database) -> None:
    """Store one row in each table, with a value in each column."""
    keys: dict[str, dict[str, Any]] = {}
    found = tables(database)
    with database.engine.begin() as connection:
        for table in found:
            row = {column.name: value(column.type, column.name) for column in table.columns if column.computed is None}
            for key in table.foreign_keys:
                # A row cannot refer to itself before it is there.
                row[key.parent.name] = keys.get(key.column.table.name, {}).get(key.column.name)
            connection.execute(insert(table).values(row))
            keys[table.name] = row


def rows(database: Database) -> Rows:
    found = tables(database)
    with database.engine.connect() as connection:
        return {table.name: [dict(row._mapping) for row in connection.execute(select(table))] for table in found}


def assert_kept(before: Rows, after: Rows) -> None:
    """What was there is there; a later schema may have more tables and columns."""
    for name, old in before.items():
        kept = [{column: each[column] for column in old[0]} for each in after[name]] if old else after[name]
        assert kept == old, name


def test_the_migrations_are_one_line(sqlite_url: str) -> None:
    with opened(sqlite_url) as database:
        script = ScriptDirectory.from_config(migrations.configuration(database))
    assert script.get_heads() == [NEWEST]
    assert [each.down_revision for each in reversed(list(script.walk_revisions()))] == [None, *REVISIONS[:-1]]


def test_the_newest_schema_is_what_the_models_say(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, Base.metadata) == []


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_data_of_an_older_schema_survives_the_way_up_and_back(empty_url: str, revision: str) -> None:
    migrations.upgrade(empty_url, revision=revision)
    with opened(empty_url) as database:
        fill(database)
        before = rows(database)
        assert all(len(found) == 1 for found in before.values())
    for _ in range(2):
        migrations.upgrade(empty_url)
        with opened(empty_url) as database:
            assert migrations.state(database) == (NEWEST, NEWEST)
            assert_kept(before, rows(database))
        migrations.downgrade(empty_url, revision=revision)
        with opened(empty_url) as database:
            assert migrations.state(database) == (revision, NEWEST)
            assert rows(database) == before, "as before, and no table or column more"


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_the_way_back_is_taken_with_data_of_the_newest_schema(empty_url: str, revision: str) -> None:
    migrations.upgrade(empty_url)
    with opened(empty_url) as database:
        fill(database)
    migrations.downgrade(empty_url, revision=revision)
    with opened(empty_url) as database:
        before = rows(database)
    migrations.upgrade(empty_url)
    with opened(empty_url) as database:
        assert_kept(before, rows(database))


KILLED = """
import os, signal, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
from moderation import migrations

left = int(sys.argv[2])

@event.listens_for(Engine, "before_cursor_execute")
def count(connection, cursor, statement, *rest):
    global left
    if statement.lstrip().upper().startswith(("CREATE", "ALTER", "UPDATE", "INSERT", "DROP")):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

migrations.upgrade(sys.argv[1])
"""


@pytest.mark.parametrize("statement", [2, 7, 12])
def test_a_migration_that_is_killed_half_way_is_gone_on_with(empty_url: str, statement: int) -> None:
    migrations.upgrade(empty_url, revision="0003")
    with opened(empty_url) as database:
        fill(database)
        before = rows(database)
    killed = subprocess.run([sys.executable, "-c", KILLED, empty_url, str(statement)], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    with opened(empty_url) as database:
        assert migrations.state(database)[0] != NEWEST
        assert_kept(before, rows(database))
    migrations.upgrade(empty_url)
    with opened(empty_url) as database:
        assert migrations.state(database)[0] == NEWEST
        assert_kept(before, rows(database))


def test_scores_of_before_0007_are_told_which_model_made_them(empty_url: str) -> None:
    migrations.upgrade(empty_url, revision="0006")
    with opened(empty_url) as database:
        fill(database)
        score = next(table for table in tables(database) if table.name == "score")
        with database.engine.begin() as connection:
            pattern = dict(connection.execute(select(score)).one()._mapping)
            for version in ("unbiased+1a2b3c4d", "bundled-1", "a+b+c"):
                connection.execute(insert(score).values(pattern | {"model_version": version}))
    migrations.upgrade(empty_url)
    with opened(empty_url) as database, database.engine.connect() as connection:
        found = connection.execute(text("SELECT model_version, model, engine, mode FROM score")).all()
    assert {row.model_version: row.model for row in found} == {
        '"model_version"': "bundled", "unbiased+1a2b3c4d": "unbiased", "bundled-1": "bundled", "a+b+c": "a",
    }  # fmt: skip
    assert {(row.engine, row.mode) for row in found} == {("onnx", "live")}


def test_a_schema_of_a_newer_release_is_left_alone(database: Database, database_url: str) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    said = f"at 9999, of a newer release than this one .up to {NEWEST}.: install that release"
    with pytest.raises(Refused, match=said):
        migrations.upgrade(database_url)
    with pytest.raises(Refused, match=said):
        migrations.downgrade(database_url, revision="0001")
    assert migrations.state(database)[0] == "9999"


@pytest.mark.parametrize("revision", [NEWEST, "9999", "head", "-1"])
def test_there_is_no_way_back_to_what_is_not_before(sqlite_url: str, revision: str) -> None:
    with pytest.raises(Refused, match="is not before"):
        migrations.downgrade(sqlite_url, revision=revision)

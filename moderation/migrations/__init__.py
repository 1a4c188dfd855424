"""Bringing a database's schema up to date with Alembic, from inside the product: no ini file, no shell."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from moderation.database import Database
from moderation.errors import Refused

FOLDER = Path(__file__).parent
LOCK = 7_411_202_611
"""Key of the advisory lock under which PostgreSQL is migrated."""


def configuration(database: Database) -> Config:
    """Return Alembic's configuration for a database; ``env.py`` finds the engine in it."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    config.attributes["database"] = database
    return config


def upgrade(url: str, *, revision: str = "head") -> None:
    """Bring the schema to ``revision``; does nothing where it is there already, and two at once wait for each other.

    Raises Refused for a schema of a newer release.
    """
    database = Database(url)
    if database.is_sqlite and database.url.database:
        # The file is its owner's alone from its first byte on.
        Path(database.url.database).parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(database.url.database, os.O_RDWR | os.O_CREAT, 0o600))
    try:
        with _alone(database):
            _known(database)
            command.upgrade(configuration(database), revision)
    finally:
        database.dispose()


def downgrade(url: str, *, revision: str) -> None:
    """Take the schema back to an earlier ``revision``, with what only later ones hold; nobody may be at work meanwhile.

    Raises Refused for a revision that is not before the database's own.
    """
    database = Database(url)
    try:
        with _alone(database):
            present = _known(database)
            scripts = ScriptDirectory.from_config(configuration(database))
            earlier = {script.revision for script in scripts.iterate_revisions(present, "base")} if present else set()
            if revision not in earlier - {present}:
                raise Refused("no-such-revision", f"{revision} is not before {present}, where the database is")
            command.downgrade(configuration(database), revision)
    finally:
        database.dispose()


def revisions(database: Database) -> set[str]:
    """Return all revisions that this release knows."""
    return {script.revision for script in ScriptDirectory.from_config(configuration(database)).walk_revisions()}


def _known(database: Database) -> str | None:
    present, newest = state(database)
    if present is not None and present not in revisions(database):
        way = "install that release again, or restore a backup that was made before it"
        raise Refused("newer-schema", f"the database is at {present}, of a newer release than this one (up to {newest}): {way}")
    return present


def state(database: Database) -> tuple[str | None, str | None]:
    """Return the revision that the database has and the newest one that this release knows."""
    with database.engine.connect() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
    return present, ScriptDirectory.from_config(configuration(database)).get_current_head()


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    """Hold off other migrations; on SQLite each migration's own BEGIN IMMEDIATE does."""
    if database.is_sqlite:
        yield
        return
    with database.engine.connect() as connection:
        connection.execute(text("SET lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK})
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": LOCK})
            connection.rollback()

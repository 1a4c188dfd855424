"""Backups: whole although written to meanwhile, private, refused when damaged, and put back with the audit log intact."""

import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select, text, update

from moderation import migrations
from moderation.config import Settings
from moderation.database import Database
from moderation.errors import Refused
from moderation.models import Audit, Site
from moderation.services import audit, backup, processes, sealing, sites
from moderation.services.backup import BackupFailed, Manifest, Restored
from tests.servers import PostgresServer, postgres_binaries

NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)


class Installation:
    """A home with a database, as the commands find it."""

    def __init__(self, home: Path, database_url: str) -> None:
        secret = b"0123456789abcdef" * 4
        self.settings = Settings(home=home, database_url=database_url, secret=secret)
        self.settings.make_directories()
        (home / "keys" / "master").write_bytes(secret + b"\n")
        self.database = Database(database_url)

    def add_site(self, name: str, *, seal: bool = True) -> None:
        with self.database.transaction() as session:
            sites.create(session, name=name, title=name, by="test", now=NOW)
            if seal:
                sealing.seal_audit(session, self.key)

    @property
    def key(self) -> bytes:
        return sealing.audit_key(self.settings.secret)

    def sites(self) -> list[str]:
        with self.database.reading() as session:
            return [site.name for site in sites.everything(session)]

    def breaks(self) -> list[sealing.Break]:
        with self.database.reading() as session:
            return list(sealing.verify_audit(session, self.key, now=NOW))

    def tamper(self, statement: Any) -> None:
        """Change sealed rows as somebody with the database in their hands could."""
        on = "" if self.database.is_sqlite else " ON audit"
        with self.database.transaction() as session:
            for trigger in ("audit_keeps_sealed_rows", "audit_keeps_rows"):
                session.execute(text(f"DROP TRIGGER {trigger}{on}"))
            session.execute(statement)

    def backup(self, folder: Path) -> Manifest:
        return backup.backup(self.database, self.settings, folder, now=NOW)

    def restore(self, folder: Path, *, force: bool = False) -> Restored:
        self.database.dispose()
        return backup.restore(self.settings, folder, force=force, now=NOW)


@pytest.fixture
def installation(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    if database_url.startswith("postgresql"):
        # The tools have to be those of the server's release.
        monkeypatch.setenv("PATH", f"{postgres_binaries()}{os.pathsep}{os.environ['PATH']}")
    made = Installation(tmp_path / "home", database_url)
    made.add_site("blog")
    yield made
    made.database.dispose()


@pytest.fixture
def elsewhere(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Installation]:
    """A second installation of the same kind, without any data."""
    server: PostgresServer | None = None
    if database_url.startswith("postgresql"):
        server = request.getfixturevalue("postgres")
        url = server.create_database("elsewhere")
    else:
        url = f"sqlite:///{tmp_path / 'elsewhere' / 'data' / 'tidegate.db'}"
    made = Installation(tmp_path / "elsewhere", url)
    (made.settings.home / "keys" / "master").unlink()
    yield made
    made.database.dispose()
    if server is not None:
        server.drop_database("elsewhere")


def test_what_was_there_is_there_again_after_a_restore(
    installation: Installation, elsewhere: Installation, tmp_path: Path
) -> None:
    installation.backup(tmp_path / "copy")
    done = elsewhere.restore(tmp_path / "copy")
    assert elsewhere.sites() == ["blog"]
    assert done.breaks == ()
    assert (elsewhere.settings.home / "keys" / "master").read_bytes().strip() == installation.settings.secret


def test_a_backup_while_others_write_is_one_moment(installation: Installation, elsewhere: Installation, tmp_path: Path) -> None:
    enough, stop = threading.Event(), threading.Event()

    def write() -> None:
        # Each site comes with its audit rows in one transaction: a copy between two moments would have one without the other.
        number = 0
        while not stop.is_set():
            installation.add_site(f"blog-{number}")
            number += 1
            if number == 5:
                enough.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert enough.wait(30)
        installation.backup(tmp_path / "copy")
    finally:
        stop.set()
        writer.join()
    done = elsewhere.restore(tmp_path / "copy")
    assert done.breaks == ()
    names = elsewhere.sites()
    assert len(names) >= 6
    assert set(names) <= set(installation.sites())
    with elsewhere.database.reading() as session:
        created = session.scalar(select(func.count()).where(Audit.action == "site.created"))
        assert session.scalar(select(func.count()).select_from(Site)) == created


def test_a_backup_is_its_owners_alone(installation: Installation, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    installation.backup(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_folder_that_holds_something_is_not_written_to(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "diary.txt").write_text("Dear diary")
    with pytest.raises(Refused, match="not empty"):
        installation.backup(tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["diary.txt"]


@pytest.mark.parametrize("victim", ["copy", "master", "manifest.json"])
def test_a_damaged_backup_is_refused_before_anything_is_touched(installation: Installation, tmp_path: Path, victim: str) -> None:
    folder = tmp_path / "copy"
    manifest = installation.backup(folder)
    path = folder / (backup.COPIES[manifest.database] if victim == "copy" else victim)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(Refused, match=r"damaged|manifest"):
        installation.restore(folder, force=True)
    assert installation.sites() == ["blog"]


def test_a_folder_without_a_manifest_is_no_backup(installation: Installation, tmp_path: Path) -> None:
    installation.backup(tmp_path / "copy")
    (tmp_path / "copy" / "manifest.json").unlink()
    with pytest.raises(Refused, match="no backup"):
        installation.restore(tmp_path / "copy", force=True)


def test_data_that_is_there_is_replaced_only_with_force(installation: Installation, tmp_path: Path) -> None:
    installation.backup(tmp_path / "copy")
    installation.add_site("later")
    with pytest.raises(Refused, match="--force"):
        installation.restore(tmp_path / "copy")
    assert installation.sites() == ["blog", "later"]
    done = installation.restore(tmp_path / "copy", force=True)
    assert installation.sites() == ["blog"]
    assert done.breaks == ()


def test_what_a_restore_replaces_is_moved_aside(sqlite_url: str, tmp_path: Path) -> None:
    installation = Installation(tmp_path / "home", sqlite_url)
    installation.add_site("blog")
    installation.backup(tmp_path / "copy")
    installation.add_site("later")
    done = installation.restore(tmp_path / "copy", force=True)
    installation.database.dispose()
    assert done.aside is not None
    assert stat.S_IMODE(done.aside.stat().st_mode) == 0o700
    former = Database(f"sqlite:///{done.aside / Path(str(installation.database.url.database)).name}")
    with former.reading() as session:
        assert [site.name for site in sites.everything(session)] == ["blog", "later"]
    former.dispose()


def test_nothing_is_restored_under_processes_at_work(installation: Installation, tmp_path: Path) -> None:
    installation.backup(tmp_path / "copy")
    with installation.database.transaction() as session:
        processes.beat(session, "relay@here:1", "relay", started_at=NOW, now=NOW)
    with pytest.raises(Refused, match="relay@here:1 is at work"):
        installation.restore(tmp_path / "copy", force=True)


def test_a_restored_audit_log_names_a_row_that_was_changed_before_the_backup(
    installation: Installation, elsewhere: Installation, tmp_path: Path
) -> None:
    installation.tamper(update(Audit).where(Audit.seq == 2).values(actor="somebody else"))
    installation.backup(tmp_path / "copy")
    done = elsewhere.restore(tmp_path / "copy")
    assert [(each.seq, each.fault) for each in done.breaks] == [(2, "was changed after it was sealed")]


def test_a_tail_that_was_cut_off_shows_against_a_backup(installation: Installation, tmp_path: Path) -> None:
    manifest = installation.backup(tmp_path / "copy")
    assert manifest.audit is not None
    installation.tamper(delete(Audit).where(Audit.seq == manifest.audit["seq"]))
    assert installation.breaks() == []
    with installation.database.reading() as session:
        missing = list(backup.missing_head(session, manifest.audit))
    assert [each.seq for each in missing] == [manifest.audit["seq"]]


def test_rows_that_wait_for_their_seal_are_no_fault_of_the_backup(
    installation: Installation, elsewhere: Installation, tmp_path: Path
) -> None:
    with installation.database.transaction() as session:
        audit.record(session, site_id=None, actor="test", action="tried", subject="nothing", now=NOW)
    installation.backup(tmp_path / "copy")
    assert elsewhere.restore(tmp_path / "copy").breaks == ()


def test_a_backup_of_a_newer_release_is_refused(installation: Installation, tmp_path: Path) -> None:
    with installation.database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    installation.backup(tmp_path / "copy")
    with pytest.raises(Refused, match="newer"):
        installation.restore(tmp_path / "copy", force=True)


def test_a_secret_from_the_environment_is_not_copied_and_must_be_the_same(
    installation: Installation, elsewhere: Installation, tmp_path: Path
) -> None:
    (installation.settings.home / "keys" / "master").unlink()
    manifest = installation.backup(tmp_path / "copy")
    assert "master" not in manifest.files
    elsewhere.settings = replace(elsewhere.settings, secret=b"quite another secret, long enough")
    with pytest.raises(Refused, match="TIDEGATE_SECRET"):
        elsewhere.restore(tmp_path / "copy")


def test_a_database_without_tables_is_not_worth_a_backup(tmp_path: Path) -> None:
    empty = Installation(tmp_path / "home", f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(BackupFailed, match="no tables"):
        empty.backup(tmp_path / "copy")
    empty.database.dispose()


def test_a_failed_copy_leaves_no_half_backup(installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: Path) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup, "_described", full)
    with pytest.raises(OSError, match="No space"):
        installation.backup(tmp_path / "copy")
    assert list((tmp_path / "copy").iterdir()) == []


def test_without_pg_dump_the_message_says_what_is_missing(
    postgresql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    installation = Installation(tmp_path / "home", postgresql_url)
    with pytest.raises(BackupFailed, match="pg_dump is not installed"):
        installation.backup(tmp_path / "copy")
    installation.database.dispose()


def test_a_password_is_not_on_a_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    tool = tools / "pg_dump"
    tool.write_text('#!/bin/sh\necho "$@" > "$SEEN"\necho "$PGPASSWORD $PGHOST $PGPORT $PGSSLMODE" >> "$SEEN"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    url = Database("postgresql://anna:hunter2@db.example:5433/tidegate?sslmode=verify-full").url
    backup._run("pg_dump", url, "--format=custom")
    arguments, environment = (tmp_path / "seen").read_text().splitlines()
    assert "hunter2" not in arguments
    assert environment == "hunter2 db.example 5433 verify-full"


def test_an_older_backup_is_brought_up_to_date(installation: Installation, elsewhere: Installation, tmp_path: Path) -> None:
    manifest = installation.backup(tmp_path / "copy")
    elsewhere.restore(tmp_path / "copy")
    present, newest = migrations.state(elsewhere.database)
    assert present == newest
    assert manifest.schema == newest

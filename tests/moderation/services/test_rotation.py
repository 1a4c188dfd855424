"""Backups in a row: the newest stay, whatever else lies there stays, too, and a failure removes nothing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from moderation.config import Settings
from moderation.database import Database
from moderation.services import backup, rotation
from moderation.services.backup import BackupFailed

NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)


@pytest.fixture
def settings(sqlite_url: str, tmp_path: Path) -> Settings:
    made = Settings(home=tmp_path / "home", database_url=sqlite_url, secret=b"0123456789abcdef" * 4)
    made.make_directories()
    return made


def days(database: Database, settings: Settings, parent: Path, count: int, *, keep: int = 3) -> list[str]:
    """Back up on so many days and return what lies there then."""
    for day in range(count):
        rotation.rotate(database, settings, parent, keep=keep, now=NOW + timedelta(days=day))
    return sorted(path.name for path in parent.iterdir())


def test_the_newest_stay_and_are_whole(sqlite_database: Database, settings: Settings, tmp_path: Path) -> None:
    parent = tmp_path / "copies"
    assert days(sqlite_database, settings, parent, 5) == [f"tidegate-202611{day}T040000Z" for day in (26, 27, 28)]
    for path in parent.iterdir():
        backup.verify(path)
    assert parent.stat().st_mode & 0o777 == 0o700


def test_what_was_just_made_stays_although_a_wrong_clock_named_another_for_the_future(
    sqlite_database: Database, settings: Settings, tmp_path: Path
) -> None:
    parent = tmp_path / "copies"
    rotation.rotate(sqlite_database, settings, parent, keep=1, now=NOW + timedelta(days=400))
    made, _, removed = rotation.rotate(sqlite_database, settings, parent, keep=1, now=NOW)
    assert rotation.whole(parent) == [made]
    assert [path.name for path in removed] == ["tidegate-20271229T040000Z"]


def test_what_is_not_ours_is_left_alone(sqlite_database: Database, settings: Settings, tmp_path: Path) -> None:
    parent = tmp_path / "copies"
    (parent / "tidegate-by-hand").mkdir(parents=True)
    (parent / "tidegate-20200101T000000Z").symlink_to(tmp_path / "home")
    (parent / "notes.txt").touch()
    left = days(sqlite_database, settings, parent, 3, keep=1)
    assert left == ["notes.txt", "tidegate-20200101T000000Z", "tidegate-20261126T040000Z", "tidegate-by-hand"]
    assert (tmp_path / "home" / "keys").is_dir()


def test_what_a_power_cut_left_goes_and_what_is_being_made_stays(
    sqlite_database: Database, settings: Settings, tmp_path: Path
) -> None:
    parent = tmp_path / "copies"
    for name in ("tidegate-20261101T040000Z", "tidegate-20261124T030000Z"):
        (parent / name).mkdir(parents=True)
        (parent / name / "tidegate.db").touch()
    assert days(sqlite_database, settings, parent, 1) == ["tidegate-20261124T030000Z", "tidegate-20261124T040000Z"]


def test_a_backup_that_fails_removes_none(tmp_path: Path, sqlite_database: Database, settings: Settings) -> None:
    parent = tmp_path / "copies"
    before = days(sqlite_database, settings, parent, 3)
    empty = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(BackupFailed):
        rotation.rotate(empty, settings, parent, keep=1, now=NOW + timedelta(days=9))
    empty.dispose()
    assert set(before) <= {path.name for path in parent.iterdir()}
    assert rotation.whole(parent) == [parent / name for name in reversed(before)]

"""Backups in a row: each in a folder of its own below one, named for its moment, and the oldest removed when there are enough.

Only whole backups count and only folders of our naming are touched. The oldest goes after the newest is whole, so that a full
disk or a fault never costs a backup that was there.
"""

import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from moderation.config import Settings
from moderation.database import Database
from moderation.services import backup as backups
from moderation.services.backup import FOLDER, MANIFEST, Manifest

FORM: Final = "tidegate-%Y%m%dT%H%M%SZ"
NAME: Final = re.compile(r"tidegate-\d{8}T\d{6}Z")

AT_WORK: Final = timedelta(days=1)
"""How long a folder without a manifest may be a backup that is still being made; then it is what a power cut left."""


def rotate(
    database: Database, settings: Settings, parent: Path, *, keep: int, now: datetime
) -> tuple[Path, Manifest, tuple[Path, ...]]:
    """Make a backup below ``parent``, verify it, and leave the newest ``keep`` (at least 1) there.

    Returns the new folder, its manifest and the folders that were removed. Raises as ``backup`` and ``verify`` do; nothing is
    removed then.
    """
    parent.mkdir(parents=True, exist_ok=True, mode=FOLDER)
    folder = parent / now.astimezone(UTC).strftime(FORM)
    manifest = backups.backup(database, settings, folder, now=now)
    backups.verify(folder)
    # The one just made stays even where a clock that was wrong has made names of the future.
    others = [path for path in whole(parent) if path != folder]
    removed = (*others[keep - 1 :], *_left_over(parent, now))
    for old in removed:
        # Without its manifest it is no backup any more, whatever becomes of the rest.
        (old / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(old)
    return folder, manifest, removed


def whole(parent: Path) -> list[Path]:
    """Return the folders with a whole backup, newest first."""
    return [path for path in _ours(parent) if (path / MANIFEST).is_file()]


def _left_over(parent: Path, now: datetime) -> list[Path]:
    begun = [(datetime.strptime(path.name, FORM).replace(tzinfo=UTC), path) for path in _ours(parent)]
    return [path for at, path in begun if not (path / MANIFEST).exists() and at < now - AT_WORK]


def _ours(parent: Path) -> list[Path]:
    found = [path for path in parent.iterdir() if NAME.fullmatch(path.name) and path.is_dir() and not path.is_symlink()]
    return sorted(found, key=lambda path: path.name, reverse=True)

"""Backups: one consistent copy of the database, the master key without which it reads nothing, and a manifest to check both by.

SQLite is copied with ``VACUUM INTO``: one read transaction, so writers go on, and no page of a deleted text comes along (a copy
of the file would miss what is still in the write-ahead log). PostgreSQL is left to ``pg_dump``, which does the same. The
manifest is written last: a folder without one is not a backup.
"""

import fcntl
import hashlib
import hmac
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import orjson
from sqlalchemy import delete, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from moderation import migrations
from moderation.config import Settings
from moderation.database import Database, sqlite_module
from moderation.errors import Refused, TidegateError
from moderation.models import Audit, Heartbeat, Site
from moderation.services import processes, sealing
from moderation.services.sealing import Break

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
MASTER: Final = "master"
COPIES: Final = {"sqlite": "tidegate.db", "postgresql": "tidegate.dump"}
PRIVATE: Final = 0o600
FOLDER: Final = 0o700


class Damaged(Refused):
    """The backup is not what its manifest says."""

    def __init__(self, detail: str) -> None:
        super().__init__("backup-damaged", detail)


class BackupFailed(TidegateError):
    """The copy could not be made or put back; the message says what an operator can do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """What a file of the backup must be."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds. ``secret`` tells one master secret from another; ``audit`` is the newest sealed row at the time."""

    format: int = FORMAT
    release: str
    made_at: str
    database: str
    schema: str
    secret: str
    audit: dict[str, Any] | None
    files: Mapping[str, File] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Return the manifest of a backup; raises Refused where there is none that this release can read."""
        try:
            found: dict[str, Any] = orjson.loads((folder / MANIFEST).read_bytes())
            files = {str(name): File(**entry) for name, entry in found.pop("files").items()}
            manifest = cls(**found, files=files)
        except FileNotFoundError:
            raise Refused("no-backup", f"{folder} holds no backup: there is no {MANIFEST} in it") from None
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise Refused("bad-manifest", f"{folder / MANIFEST} is not a manifest of ours") from error
        if manifest.format != FORMAT or COPIES.get(manifest.database) not in manifest.files:
            raise Refused("bad-manifest", f"{folder / MANIFEST} is of a kind that this release cannot read")
        return manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore found: the manifest, where the former data went, and the breaks of the audit chain (none is right)."""

    manifest: Manifest
    aside: Path | None
    breaks: tuple[Break, ...]


def backup(database: Database, settings: Settings, folder: Path, *, now: datetime) -> Manifest:
    """Write a backup to a folder that is new or empty (0700, its files 0600); writers may go on meanwhile.

    Raises Refused for a folder in use, and BackupFailed.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused("folder-in-use", f"{folder} is there already and not empty")
    folder.mkdir(parents=True, exist_ok=True, mode=FOLDER)
    folder.chmod(FOLDER)
    kind = "sqlite" if database.is_sqlite else "postgresql"
    schema, _ = migrations.state(database)
    if schema is None:
        raise BackupFailed("the database has no tables yet")
    with database.reading() as session:
        head = audit_head(session)
    copy = folder / COPIES[kind]
    try:
        copy.touch(mode=PRIVATE)
        if database.is_sqlite:
            _copy_sqlite(_path(database), copy)
        else:
            _run("pg_dump", database.url, "--format=custom", "--no-owner", "--no-privileges", f"--file={copy}")
        _settle(copy)
        # A secret from the environment is the operator's to keep.
        master = settings.home / "keys" / MASTER
        if master.is_file() and master.read_bytes().strip() == settings.secret:
            _write(folder / MASTER, settings.secret + b"\n")
        manifest = Manifest(
            release=version("tidegate"),
            made_at=now.isoformat(),
            database=kind,
            schema=schema,
            secret=fingerprint(settings.secret),
            audit=head,
            files={path.name: _described(path) for path in sorted(folder.iterdir())},
        )
        _write(folder / MANIFEST, orjson.dumps(asdict(manifest), option=orjson.OPT_INDENT_2) + b"\n")
    except BaseException:
        for path in folder.iterdir():
            path.unlink()
        raise
    return manifest


def verify(folder: Path) -> Manifest:
    """Check that a backup is what its manifest says, to the last bit; raises Damaged naming the file that is not."""
    manifest = Manifest.read(folder)
    for name, expected in manifest.files.items():
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise Damaged(f"{path} is missing")
        if _described(path) != expected:
            raise Damaged(f"{path} is damaged: its checksum is not that of the manifest")
    return manifest


def restore(settings: Settings, folder: Path, *, force: bool, now: datetime) -> Restored:
    """Put a backup in the place of the installation's data, bring its schema up to date and verify its audit chain.

    Refuses damaged backups, those of a newer release or another kind of database, a running installation, and without ``force``
    one that has data; what it replaces of a SQLite installation is moved aside. Raises Refused and BackupFailed.
    """
    manifest = verify(folder)
    settings.make_directories()
    database = Database(settings.database_url)
    try:
        with _stopped(settings.home):
            _check(database, settings, manifest, force=force, now=now)
            secret = settings.secret
            aside = None
            if database.is_sqlite:
                aside = _replace_sqlite(_path(database), folder / COPIES["sqlite"], settings.home, now=now)
            else:
                dump = folder / COPIES["postgresql"]
                how = ("--clean", "--if-exists", "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error")
                _run("pg_restore", database.url, *how, f"--dbname={database.url.database}", str(dump))
            if MASTER in manifest.files:
                secret = (folder / MASTER).read_bytes().strip()
                _replace_master(settings.home, secret, now=now)
            migrations.upgrade(settings.database_url)
            with database.transaction() as session:
                # The processes that were at work when the copy was made are not those that will be.
                session.execute(delete(Heartbeat))
            with database.reading() as session:
                made_at = datetime.fromisoformat(manifest.made_at)
                # Rows that waited for their seal when the copy was made are sealed by the next start.
                breaks = [*sealing.verify_audit(session, sealing.audit_key(secret), now=made_at)]
                breaks += missing_head(session, manifest.audit)
    finally:
        database.dispose()
    return Restored(manifest=manifest, aside=aside, breaks=tuple(breaks))


def audit_head(session: Session) -> dict[str, Any] | None:
    """Return number and seal of the newest sealed row of the audit log; kept elsewhere, it proves that no tail was cut off."""
    row = session.execute(select(Audit.seq, Audit.seal).where(Audit.seq.is_not(None)).order_by(Audit.seq.desc()).limit(1)).first()
    return {"seq": row.seq, "seal": row.seal.hex()} if row is not None and row.seal is not None else None


def missing_head(session: Session, head: dict[str, Any] | None) -> Iterator[Break]:
    """Yield a break where the audit log does not hold the row that was its newest once."""
    if head is None:
        return
    seal = session.scalar(select(Audit.seal).where(Audit.seq == head["seq"]))
    if seal is None:
        yield Break(head["seq"], "was the newest row when the backup was made, and is missing")
    elif seal.hex() != head["seal"]:
        yield Break(head["seq"], "has another seal than when the backup was made")


def fingerprint(secret: bytes) -> str:
    """Return eight bytes that tell one master secret from another."""
    return hmac.digest(secret, b"backup", "sha256")[:8].hex()


# ------------------------------------------------------------------------------------------------------------- in detail


def _check(database: Database, settings: Settings, manifest: Manifest, *, force: bool, now: datetime) -> None:
    kind = "sqlite" if database.is_sqlite else "postgresql"
    if manifest.database != kind:
        raise Refused("other-database", f"the backup is of a {manifest.database} database, and DATABASE_URL names a {kind} one")
    if manifest.schema not in migrations.revisions(database):
        made = f"the backup was made by release {manifest.release} (schema {manifest.schema}), which is newer than this one"
        raise Refused("newer-release", f"{made}: install that release and restore with it")
    if MASTER not in manifest.files and manifest.secret != fingerprint(settings.secret):
        raise Refused("other-secret", "the backup was made under another TIDEGATE_SECRET; set that one")
    if database.is_sqlite and not _path(database).exists():
        return
    try:
        with database.reading() as session:
            data = session.scalar(select(Site.id).limit(1)) is not None
            alive = processes.alive(session, now=now)
    except DBAPIError as error:
        if database.is_sqlite or getattr(error.orig, "sqlstate", None) == "42P01":
            data, alive = database.is_sqlite and _path(database).stat().st_size > 0, []
        else:
            raise
    if alive:
        raise Refused("running", f"{alive[0].process} is at work; stop Tidegate first")
    if data and not force:
        raise Refused("data-present", "there is data already; --force replaces it")


@contextmanager
def _stopped(home: Path) -> Iterator[None]:
    """Hold the lock that a running stack holds, so that none runs or starts; raises Refused."""
    descriptor = os.open(home / "run" / "stack.lock", os.O_RDWR | os.O_CREAT, PRIVATE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused("running", f"Tidegate is running in {home}; stop it first") from None
        yield
    finally:
        os.close(descriptor)


def _copy_sqlite(source: Path, copy: Path) -> None:
    module = sqlite_module()
    with closing(module.connect(str(source), isolation_level=None, timeout=30.0)) as connection:
        connection.execute("PRAGMA busy_timeout=30000")
        connection.execute("VACUUM INTO ?", (str(copy),))
    with closing(module.connect(str(copy), isolation_level=None)) as connection:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise BackupFailed(f"the copy is damaged: {found}")


def _replace_sqlite(target: Path, copy: Path, home: Path, *, now: datetime) -> Path | None:
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{target.name}.restoring")
    draft.unlink(missing_ok=True)
    draft.touch(mode=PRIVATE)
    shutil.copyfile(copy, draft)
    _settle(draft)
    present = [path for suffix in ("", "-wal", "-shm", "-journal") if (path := target.with_name(target.name + suffix)).exists()]
    aside = None
    if present:
        aside = home / f"replaced-{now:%Y%m%dT%H%M%S}"
        aside.mkdir(mode=FOLDER)
        for path in present:
            shutil.move(path, aside / path.name)
    draft.replace(target)
    return aside


def _replace_master(home: Path, secret: bytes, *, now: datetime) -> None:
    path = home / "keys" / MASTER
    if path.exists() and path.read_bytes().strip() != secret:
        path.rename(path.with_name(f"{MASTER}.replaced-{now:%Y%m%dT%H%M%S}"))
    if not path.exists():
        _write(path, secret + b"\n")


def _run(program: str, url: URL, *arguments: str) -> None:
    """Run one of PostgreSQL's tools; the connection goes into its environment, because others can read a command line."""
    found = shutil.which(program)
    if found is None:
        raise BackupFailed(f"{program} is not installed here; it comes with PostgreSQL's client programs")
    given: dict[str, object] = {
        "PGHOST": url.host,
        "PGPORT": url.port,
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
    }
    given |= {f"PG{name.upper()}": value for name, value in url.query.items() if name in {"sslmode", "sslrootcert", "host"}}
    environment = {**os.environ, **{name: str(value) for name, value in given.items() if value is not None}}
    done = subprocess.run(
        [found, "--no-password", *arguments], env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise BackupFailed(f"{program} failed: {lines[0]}")


def _path(database: Database) -> Path:
    return Path(database.url.database or "")


def _described(path: Path) -> File:
    with path.open("rb") as file:
        return File(bytes=path.stat().st_size, sha256=hashlib.file_digest(file, "sha256").hexdigest())


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    _settle(path)


def _settle(path: Path) -> None:
    """Wait until a file and its name are on the disk."""
    for each in (path, path.parent):
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

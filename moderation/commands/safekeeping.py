"""``tidegate audit``, ``backup`` and ``restore``: what must still be there, and still be true, tomorrow."""

from pathlib import Path

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.commands.shell import DOWN, FINDING, USAGE, Fault, Shell, shelled, table
from moderation.config import Settings
from moderation.models import Audit
from moderation.services import backup as backups
from moderation.services import rotation, sealing
from moderation.services.sealing import Break

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def audit() -> None:
    """Look after the audit log."""


@audit.command()
@click.option("--backup", "folder", type=FOLDER, help="Also check that the log holds what it held when that backup was made.")
@shelled
def verify(shell: Shell, *, folder: Path | None) -> int:
    """Check every row of the audit log against its seal; names the rows that were changed or are missing."""
    head = backups.Manifest.read(folder).audit if folder else None
    with shell.database.reading() as session:
        now = shell.runtime.database.now(session)
        breaks = list(sealing.verify_audit(session, sealing.audit_key(shell.settings.secret), now=now))
        breaks += backups.missing_head(session, head)
        newest = backups.audit_head(session)
        found = [_named(session, each) for each in breaks]
    rows = newest["seq"] if newest else 0
    if not found:
        shell.show({"ok": True, "rows": rows, "head": newest, "breaks": []}, [f"the audit log holds: {rows} rows, all as sealed"])
        return 0
    lines = table(
        ("row", "action", "subject", "fault"), [(each["seq"], each["action"], each["subject"], each["fault"]) for each in found]
    )
    shell.show({"ok": False, "rows": rows, "head": newest, "breaks": found}, ["THE AUDIT LOG DOES NOT HOLD", *lines])
    return FINDING


@click.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    metavar="N",
    help="Make it in a folder of its own below DIR, and keep the newest N there.",
)
@shelled
def backup(shell: Shell, folder: Path, *, keep: int | None) -> None:
    """Copy the database and the master key to DIR, which must be new or empty; Tidegate may go on running.

    Who holds the copy holds the comments and can forge keys and seals: keep it as safe as the installation.
    """
    removed: tuple[Path, ...] = ()
    try:
        if keep is None:
            manifest = backups.backup(shell.database, shell.settings, folder, now=shell.now)
        else:
            folder, manifest, removed = rotation.rotate(shell.database, shell.settings, folder, keep=keep, now=shell.now)
    except backups.Damaged as error:
        raise Fault(error.detail, FINDING) from error
    except backups.BackupFailed as error:
        raise Fault(str(error), DOWN) from error
    size = sum(each.bytes for each in manifest.files.values())
    lines = [f"{folder}: {manifest.database}, {size / 1e6:.1f} MB, schema {manifest.schema}"]
    if backups.MASTER not in manifest.files:
        lines.append("the master secret comes from TIDEGATE_SECRET and is not in the backup: keep it yourself")
    lines += [f"removed {path}" for path in removed]
    shell.show({"folder": str(folder), "removed": [str(path) for path in removed], **_plain(manifest)}, lines)


@click.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option("--force", is_flag=True, help="Replace data that is there; of SQLite it is moved aside.")
@shelled
def restore(shell: Shell, folder: Path, *, force: bool) -> int:
    """Put the backup in DIR in place of this installation's data, which must be stopped, and verify it."""
    try:
        done = backups.restore(shell.settings, folder, force=force, now=shell.now)
    except backups.Damaged as error:
        raise Fault(error.detail, FINDING) from error
    except backups.BackupFailed as error:
        raise Fault(str(error), DOWN) from error
    if backups.fingerprint(Settings.from_env().secret) != done.manifest.secret:
        raise Fault("restored, but TIDEGATE_SECRET is another one than the backup's: keys and seals will not hold", USAGE)
    lines = [f"restored what {folder} held on {done.manifest.made_at}"]
    if done.aside is not None:
        lines.append(f"what was there before is in {done.aside}; delete it when you do not need it")
    lines += [f"the audit log does not hold: row {each.seq} {each.fault}" for each in done.breaks]
    answer = {
        **_plain(done.manifest),
        "aside": str(done.aside) if done.aside else None,
        "breaks": [{"seq": each.seq, "fault": each.fault} for each in done.breaks],
    }
    shell.show(answer, lines)
    return FINDING if done.breaks else 0


def _named(session: Session, broken: Break) -> dict[str, object]:
    row = session.scalars(select(Audit).where(Audit.seq == broken.seq)).first() if broken.seq is not None else None
    return {
        "seq": broken.seq,
        "fault": broken.fault,
        "action": row.action if row else None,
        "subject": row.subject if row else None,
        "created_at": row.created_at.isoformat() if row else None,
    }


def _plain(manifest: backups.Manifest) -> dict[str, object]:
    return {
        "made_at": manifest.made_at,
        "release": manifest.release,
        "database": manifest.database,
        "schema": manifest.schema,
        "audit": manifest.audit,
        "files": {name: {"bytes": each.bytes, "sha256": each.sha256} for name, each in manifest.files.items()},
    }

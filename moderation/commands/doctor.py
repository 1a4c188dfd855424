"""``tidegate doctor``: is this installation well? One line each, and what to do about what is not."""

import re
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import click
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from moderation import migrations, queue
from moderation.clock import zone_named
from moderation.commands import outside, traffic
from moderation.commands.finding import Finding, Level
from moderation.commands.shell import DOWN, FINDING, Fault, Shell, first_line, shelled
from moderation.config import Settings
from moderation.database import Database, sqlite_module
from moderation.models import Audit, Delivery, DeliveryState, Endpoint, EndpointState, Event, JobKind
from moderation.outbound.mail import ADVICE, Mailer
from moderation.scoring import catalog
from moderation.scoring.scorer import ScoringFailed
from moderation.services import messages, processes, sealing, sites

LITTLE_DISK: Final = 1_000_000_000
NO_DISK: Final = 200_000_000
"""Bytes free below which the disk is worth a warning, and an alarm."""

CLOCK_OFF: Final = timedelta(seconds=2)
LATE: Final = timedelta(seconds=10)
"""Promise I8: what is due for longer is late."""

VERY_LATE: Final = timedelta(seconds=60)
VERIFIED_AT_ONCE: Final = 20_000
"""Rows of the audit log that are checked here; ``tidegate audit verify`` checks them all."""

MANY_REFUSED: Final = 10
"""Letters to commenters refused, and more than were taken: then it is no matter of a few mistyped addresses."""

MOUNTS: Final = Path("/proc/self/mounts")
FAR_AWAY: Final = ("nfs", "cifs", "smb", "fuse.sshfs", "9p", "afs", "ceph", "glusterfs")
"""How the kinds of filesystem begin on which SQLite's locks cannot be trusted."""

PROMPT: Final = frozenset(JobKind) - {JobKind.EXPLAIN}
"""Kinds of jobs that are done when they are due; the others wait for a pause."""

NEEDED: Final = ("moderate", "deliver", "relay")


@click.command()
@click.option(
    "--public", is_flag=True, help="Also look from outside in: name, certificate, proxies, headers, and the day's traffic."
)
@shelled
def doctor(shell: Shell, *, public: bool) -> int:
    """Look at everything that this installation stands on."""
    findings = [*_files(shell.settings), _models(shell.settings), _redis(shell.settings), _mail(shell.settings)]
    if public:
        findings += [*outside.clock(), *outside.look(shell.settings, now=shell.now)]
    down = False
    try:
        findings += _database(shell.database)
        if public:
            with shell.database.reading() as session:
                findings += traffic.look(session, shell.now)
        findings.append(_audit(shell))
    except Fault as fault:
        findings.append(Finding("database", "fail", fault.message))
        down = True
    except DBAPIError as error:
        findings.append(Finding("database", "fail", f"cannot be used: {first_line(error.orig)}"))
        down = True
    failed = any(found.level == "fail" for found in findings)
    lines = [f"{found.level:<5} {found.name:<11} {found.detail}" for found in findings]
    shell.show({"ok": not failed, "findings": [asdict(found) for found in findings]}, lines)
    return DOWN if down else FINDING if failed else 0


def _files(settings: Settings) -> Iterator[Finding]:
    loose = [
        f"{path} is {stat.S_IMODE(path.stat().st_mode):04o}"
        for path, mode in _private(settings.home)
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & ~mode
    ]
    yield (
        Finding("privacy", "fail", f"others can read: {', '.join(loose)}")
        if loose
        else Finding("privacy", "ok", f"{settings.home} is its owner's alone")
    )
    if settings.database_url.startswith("sqlite:") and MOUNTS.exists():
        kind = filesystem(settings.home, MOUNTS.read_text())
        if kind.startswith(FAR_AWAY):
            yield Finding("filesystem", "fail", f"{settings.home} is on {kind}: SQLite loses data over a network, use PostgreSQL")
    free = shutil.disk_usage(settings.home).free
    level: Level = "fail" if free < NO_DISK else "warn" if free < LITTLE_DISK else "ok"
    yield Finding("disk", level, f"{free / 1e9:.1f} GB free at {settings.home}")


def _private(home: Path) -> list[tuple[Path, int]]:
    folders = [(path, stat.S_IRWXU) for path in (home, home / "data", home / "logs", home / "keys")]
    return [*folders, (home / "keys" / "master", 0o600), (home / "demo.json", 0o600)]


def filesystem(path: Path, mounts: str) -> str:
    """Return the kind of filesystem that ``path`` is on, by the kernel's table of mounts; empty where that does not say."""
    found = ("", "")
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split()
        point = point.replace("\\040", " ")
        if path.is_relative_to(point) and len(point) >= len(found[0]):
            found = (point, kind)
    return found[1]


def _models(settings: Settings) -> Finding:
    began = time.perf_counter()
    try:
        shelf = catalog.Shelf(settings.models_folder)
        scorer = shelf.scorer()
        scorer.score(["A sentence to warm up with."])
        loaded = time.perf_counter()
        scorer.score(["Thank you, I had not seen it that way."])
        catalog.spam().score(["Thank you, I had not seen it that way."])
    except (ScoringFailed, ModuleNotFoundError, OSError) as error:
        return Finding("models", "fail", f"the model does not load: {first_line(error)}")
    took = f"loaded in {loaded - began:.1f} s, a sentence in {(time.perf_counter() - loaded) * 1000:.0f} ms"
    return Finding("models", "ok", f"{scorer.version}, {took}")


def _redis(settings: Settings) -> Finding:
    url = settings.redis_url or _embedded(settings.home)
    if url is None:
        return Finding("redis", "warn", "none: comments wait up to a second longer")
    client = Redis.from_url(url, socket_connect_timeout=1.0, socket_timeout=1.0)
    try:
        began = time.perf_counter()
        client.ping()
    except (RedisError, OSError) as error:
        return Finding("redis", "warn", f"no answer ({type(error).__name__}): comments wait up to a second longer")
    finally:
        client.close()
    whose = "the operator's" if settings.redis_url else "our own"
    return Finding("redis", "ok", f"{whose} answers in {(time.perf_counter() - began) * 1000:.1f} ms")


def _mail(settings: Settings) -> Finding:
    mailer = Mailer.from_settings(settings)
    if mailer is None:
        return Finding("mail", "ok", "none: nobody is mailed")
    reply = mailer.probe()
    where = f"{mailer.server.host}:{mailer.server.port}"
    if not reply.ok:
        return Finding("mail", "warn", f"{where}: {ADVICE[reply.error or 'protocol']}")
    return Finding("mail", "ok", f"{where} answers; `tidegate mail test ADDRESS` sends something")


def _embedded(home: Path) -> str | None:
    """Return the address of the Valkey that ``tidegate up`` started for this home."""
    folder = home / "valkey"
    try:
        port = re.search(r"^port (\d+)$", (folder / "valkey.conf").read_text(), re.MULTILINE)
        password = (folder / "password").read_text().strip()
    except FileNotFoundError:
        return None
    return f"redis://:{password}@127.0.0.1:{port[1]}/0" if port else None


def _database(database: Database) -> Iterator[Finding]:
    began = time.perf_counter()
    present, newest = migrations.state(database)
    took = (time.perf_counter() - began) * 1000
    if present != newest:
        yield Finding("schema", "fail", f"at {present}, this release needs {newest}: run `tidegate migrate`")
        return
    yield Finding("schema", "ok", f"{present}, the newest; answered in {took:.0f} ms")
    yield _durability(database)
    yield _clock(database)
    with database.reading() as session:
        now = database.now(session)
        for look in (_workers, _queue, _feed, _deliveries, _messages, _sites):
            yield look(session, now)


def _durability(database: Database) -> Finding:
    with database.engine.connect() as connection:
        if not database.is_sqlite:
            level = connection.execute(text("SHOW synchronous_commit")).scalar_one()
            return Finding("database", "ok" if level == "on" else "warn", f"PostgreSQL, synchronous_commit {level}")
        mode = connection.execute(text("PRAGMA journal_mode")).scalar_one()
        synchronous = connection.execute(text("PRAGMA synchronous")).scalar_one()
    version = sqlite_module().sqlite_version
    detail = f"SQLite {version}, journal mode {mode}, synchronous {synchronous}"
    if mode != "wal":
        return Finding("database", "warn", f"{detail}: slower, because this library is older than 3.51.3")
    return Finding("database", "ok" if synchronous >= 2 else "fail", detail)


def _clock(database: Database) -> Finding:
    with database.reading() as session:
        theirs = database.now(session)
    off = abs(datetime.now(UTC) - theirs)
    if database.is_sqlite:
        with database.reading() as session:
            newest = session.scalar(select(func.max(Event.created_at)))
        if newest is not None and newest > theirs + CLOCK_OFF:
            return Finding("clock", "warn", f"the newest event is of {newest.isoformat()}, which is yet to come")
        return Finding("clock", "ok", "the database goes by this machine's clock")
    level: Level = "warn" if off > CLOCK_OFF else "ok"
    return Finding("clock", level, f"{off.total_seconds():.1f} s between the database's clock and this machine's")


def _workers(session: Session, now: datetime) -> Finding:
    alive = processes.alive(session, now=now)
    kinds = {kind for process in alive for kind in process.kind.split("+")}
    missing = [kind for kind in NEEDED if kind not in kinds]
    if missing:
        return Finding("workers", "fail", f"nothing was heard of {', '.join(missing)} lately; is Tidegate running?")
    return Finding("workers", "ok", ", ".join(process.process for process in alive))


def _queue(session: Session, now: datetime) -> Finding:
    depth = {str(kind): queue.depth(session, kind) for kind in JobKind}
    oldest = queue.oldest_due(session, PROMPT, now=now)
    waits = now - oldest if oldest is not None else timedelta()
    level: Level = "fail" if waits > VERY_LATE else "warn" if waits > LATE else "ok"
    counted = ", ".join(f"{kind} {count}" for kind, count in depth.items())
    return Finding("queue", level, f"{counted}; the oldest due job waits for {waits.total_seconds():.0f} s")


def _feed(session: Session, now: datetime) -> Finding:
    unplaced = session.scalar(
        select(func.count()).select_from(Event).where(Event.feed_pos.is_(None), Event.created_at < now - LATE)
    )
    if unplaced:
        return Finding("feed", "fail", f"{unplaced} events have no place for more than {LATE.seconds} s; does the relay run?")
    return Finding("feed", "ok", "every event has its place")


def _deliveries(session: Session, _now: datetime) -> Finding:
    dead = session.scalar(select(func.count()).select_from(Delivery).where(Delivery.state == DeliveryState.DEAD)) or 0
    resting = (
        session.scalar(
            select(func.count())
            .select_from(Endpoint)
            .where(Endpoint.state != EndpointState.ACTIVE, Endpoint.deleted_at.is_(None))
        )
        or 0
    )
    detail = f"{dead} dead, {resting} endpoints resting"
    return Finding("deliveries", "warn" if dead or resting else "ok", detail + (": tidegate deliveries replay" if dead else ""))


def _messages(session: Session, _now: datetime) -> Finding:
    ends = messages.ends(session)
    if ends.given_up:
        return Finding("messages", "warn", f"{ends.given_up} letters were given up; `tidegate mail list` says why")
    refused = f"{ends.refused} of {ends.refused + ends.taken} to commenters were refused by their mail servers"
    if ends.refused > max(ends.taken, MANY_REFUSED):
        return Finding("messages", "warn", f"{refused}: does the world trust the domain of MAIL_FROM (SPF, DKIM)?")
    return Finding("messages", "ok", f"no letter was given up{f'; {refused}' if ends.refused else ''}")


def _sites(session: Session, _now: datetime) -> Finding:
    found = sites.everything(session)
    lost = [f"{each.name} ({each.time_zone})" for each in found if not _has_zone(each.time_zone)]
    if lost:
        said = f"this machine has no such time zone, so UTC is used: {', '.join(lost)}"
        return Finding("sites", "warn", f"{said}; set another with `tidegate site change NAME --time-zone ZONE`")
    return Finding("sites", "ok", f"{len(found)}, with time zones that this machine has")


def _has_zone(name: str) -> bool:
    try:
        zone_named(name)
    except ValueError:
        return False
    return True


def _audit(shell: Shell) -> Finding:
    with shell.database.reading() as session:
        now = shell.database.now(session)
        rows = session.scalar(select(func.count()).select_from(Audit)) or 0
        if rows > VERIFIED_AT_ONCE:
            late = session.scalar(
                select(func.count()).where(Audit.seq.is_(None), Audit.created_at < now - sealing.UNSEALED_LIMIT)
            )
            if not late:
                return Finding("audit", "ok", f"{rows} rows, none waits for its seal; `tidegate audit verify` checks them all")
            return Finding("audit", "fail", f"{late} rows wait for their seal; does the relay run?")
        breaks = list(sealing.verify_audit(session, sealing.audit_key(shell.settings.secret), now=now))
    if breaks:
        where = f"row {breaks[0].seq} " if breaks[0].seq is not None else ""
        return Finding("audit", "fail", f"{where}{breaks[0].fault}; see `tidegate audit verify`")
    return Finding("audit", "ok", f"{rows} rows, all as sealed")

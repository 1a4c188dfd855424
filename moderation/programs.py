"""The processes of an installation: which there are, how each is started, and in what order they stop.

The one description that ``tidegate up``, the system tests, the benchmarks and docker-compose.yml share (a test holds the last to
it), so that what is measured and broken in a test is what an operator runs.
"""

import os
import pwd
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from moderation import tether
from moderation.config import Settings
from moderation.embedded import EmbeddedValkey

PREPARATIONS: Mapping[str, tuple[str, ...]] = {"prepare": (sys.executable, "-m", "moderation.prepare", "--demo")}
"""What has to be done, in this order, before any program starts: by name, which is also the log's."""

WORKER_GRACE = 45
"""Seconds that a worker gets to end: its soft shutdown of 20, the comment in hand, and room."""

API_GRACE = 30
"""Seconds that the API gets to end: five more than gunicorn gives a request."""

SHORT_GRACE = 10
"""Seconds for a program that ends within one turn of its loop."""

RETRIES = 3
"""Starts that fail in a row before supervisor gives up, after pauses of one, two and three seconds; then we start it again."""

LEAN: Mapping[str, str] = {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
"""For a process with a model in it: one comment keeps one core busy and more threads only get into each other's way; an arena
per thread would cost tens of megabytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One process to keep running.

    Programs of one ``group`` stop side by side; groups stop from the highest ``priority`` down, each after the one before has
    ended. ``grace`` is in seconds, after which the whole process group is killed.
    """

    name: str
    command: tuple[str, ...]
    group: str
    priority: int
    grace: int = SHORT_GRACE
    environment: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def tethered(pidfile: Path, command: Sequence[str]) -> list[str]:
        """Return a command line that ends with its parent and holds ``pidfile`` while it lives (see tether.py)."""
        return [sys.executable, "-IS", tether.__file__, str(pidfile), *command]


def plan(settings: Settings, valkey: EmbeddedValkey | None, *, python: str = sys.executable) -> list[Program]:
    """Return the programs of an installation in the order of their start; ``valkey`` None where Redis is elsewhere or nowhere."""
    programs = [relay(python)]
    programs += [only_worker(python)] if settings.small else [moderate(python), deliver(python)]
    programs += [api(python), demo(settings, python)]
    if valkey is not None:
        programs.insert(0, Program(name="valkey", command=tuple(valkey.command()), group="valkey", priority=10))
    return programs


def relay(python: str) -> Program:
    """Return the relay: places events, seals the audit log, rings again."""
    return Program(name="relay", command=(python, "-m", "workers.relay"), group="workers", priority=20)


def moderate(python: str) -> Program:
    """Return the worker that judges comments: one spawned child, which holds the model and uses one core.

    A machine with cores to spare runs more of them; the job table shares the work out.
    """
    return _worker("moderate", python, queues="moderate", pool="prefork", concurrency=1)


def deliver(python: str) -> Program:
    """Return the worker that sends webhooks and publishes: threads, because it waits for other people's servers."""
    return _worker("deliver", python, queues="deliver", pool="threads", concurrency=2)


def only_worker(python: str) -> Program:
    """Return the one worker of a small machine: both queues in the threads of one process."""
    return _worker("worker", python, queues="moderate,deliver", pool="threads", concurrency=2)


def api(python: str) -> Program:
    """Return the API; how gunicorn serves it is said in api/gunicorn.py."""
    return Program(
        name="api",
        command=(python, "-m", "gunicorn", "--config", "python:api.gunicorn", "--no-control-socket", "api.app:from_env()"),
        group="api",
        priority=30,
        grace=API_GRACE,
        environment=LEAN,
    )


def demo(settings: Settings, python: str) -> Program:
    """Return the demo blog, on an origin other than the API's so that the browser's rules are really met."""
    return Program(name="demo", command=(python, "-m", "api.demo", "--port", str(demo_port(settings))), group="demo", priority=40)


def demo_port(settings: Settings) -> int:
    """Return the TCP port of the demo blog: the API's next one."""
    return settings.port + 1 if settings.port < 65535 else settings.port - 1


def _worker(name: str, python: str, *, queues: str, pool: str, concurrency: int) -> Program:
    return Program(
        name=name,
        command=(
            *(python, "-m", "celery", "--app", "workers.app", "--quiet", "worker"),
            *("--queues", queues, "--pool", pool, "--concurrency", str(concurrency), "--hostname", f"{name}@%h"),
            # Chatter between workers is where reconnects have crashed; the heartbeat is in the database.
            *("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO"),
        ),
        group="workers",
        priority=20,
        grace=WORKER_GRACE,
        # What stops a container or a service is SIGTERM; celery's orderly end is on SIGQUIT.
        environment={"REMAP_SIGTERM": "SIGQUIT", **LEAN},
    )


def environment(settings: Settings, redis_url: str | None) -> dict[str, str]:
    """Return the environment from which a process reads these settings again."""
    variables = {
        "TIDEGATE_HOME": str(settings.home),
        "TIDEGATE_HOST": settings.host,
        "TIDEGATE_PORT": str(settings.port),
        "TIDEGATE_PROFILE": settings.profile,
        "TIDEGATE_MODELS": str(settings.models or ""),
        "TIDEGATE_LOG_LEVEL": settings.log_level,
        "TIDEGATE_WEBHOOK_SCHEDULE": ",".join(map(repr, settings.webhook_schedule)),
        "TIDEGATE_WEBHOOK_ALLOW": ",".join(settings.webhook_allow),
        "TIDEGATE_WEBHOOK_TIMEOUT": repr(settings.webhook_timeout),
        "TIDEGATE_METRICS_PUBLIC": str(settings.metrics_public).lower(),
        "TIDEGATE_SECRET": settings.secret.decode(),
        "TIDEGATE_FAILPOINTS": settings.failpoints,
        "SMTP_URL": settings.smtp_url or "",
        "MAIL_FROM": settings.mail_from or "",
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": redis_url or "",
        "PUBLIC_URL": settings.public_url,
        "TRUSTED_PROXIES": str(settings.trusted_proxies),
    }
    # An empty value means "not said"; a list takes it for one empty entry.
    return {name: value for name, value in variables.items() if value or name == "REDIS_URL"}


def supervisor_configuration(home: Path, socket: Path, programs: Iterable[Program]) -> str:
    """Return the configuration file of the package ``supervisor`` for these programs; all its files are below ``home``."""
    run, logs = home / "run", home / "logs"
    sections: dict[str, dict[str, str]] = {
        "unix_http_server": {"file": _literal(socket), "chmod": "0700"},
        "supervisord": {
            "nodaemon": "true",
            "silent": "true",
            "umask": "077",
            "logfile": _literal(logs / "supervisor.log"),
            "logfile_maxbytes": "10MB",
            "logfile_backups": "2",
            # Not *.pid: those are the locks of our tethers.
            "pidfile": _literal(run / "supervisord.number"),
            "childlogdir": _literal(logs),
            # Its default is more than small machines allow; it opens one file per program.
            "minfds": "256",
            # Without it a supervisor that runs as root logs an alarm; it drops nothing by it.
            **({"user": pwd.getpwuid(0).pw_name} if os.geteuid() == 0 else {}),
        },
        "rpcinterface:supervisor": {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
    }
    groups: dict[str, list[Program]] = {}
    for program in programs:
        groups.setdefault(program.group, []).append(program)
        sections[f"program:{program.name}"] = {
            "command": _command(Program.tethered(run / f"{program.name}.pid", program.command)),
            "environment": ",".join(f"{name}={_quoted(value)}" for name, value in program.environment.items()),
            "autorestart": "true",
            "startsecs": "1",
            "startretries": str(RETRIES),
            "stopsignal": "TERM",
            "stopwaitsecs": str(program.grace),
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile": _literal(logs / f"{program.name}.log"),
            "stdout_logfile_maxbytes": "10MB",
            "stdout_logfile_backups": "2",
        }
    for group, members in groups.items():
        sections[f"group:{group}"] = {
            "programs": ",".join(program.name for program in members),
            "priority": str(min(program.priority for program in members)),
        }
    return "\n".join(
        f"[{title}]\n" + "".join(f"{name} = {value}\n" for name, value in values.items() if value)
        for title, values in sections.items()
    )


def _literal(value: object) -> str:
    """Return a value as it is, for a file in which ``%`` begins a replacement."""
    return str(value).replace("%", "%%")


def _quoted(value: str) -> str:
    if '"' in value or "\n" in value:
        raise ValueError(f"cannot be written in supervisor's form, which knows no escapes: {value!r}")
    return f'"{_literal(value)}"'


def _command(parts: Sequence[str]) -> str:
    line = shlex.join(parts)
    if "\n" in line or " ;" in line:
        raise ValueError(f"cannot be written in supervisor's form, where it would end early or begin a comment: {line!r}")
    return _literal(line)

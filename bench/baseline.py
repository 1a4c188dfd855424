"""Runs the afternoon's pipeline and puts the same load on it as on Tidegate."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine

from bench.generator import Plan
from bench.load import Step, step
from bench.ours import settings_of
from bench.processes import cpu, memory
from moderation.database import sqlite_module
from moderation.embedded import free_port
from moderation.leftovers import group_members
from moderation.supervisor import Stack


class Baseline:
    """The running pipeline: two processes of the server, and the worker."""

    def __init__(self, port: int, file: Path, groups: dict[str, subprocess.Popen[bytes]]) -> None:
        self.port = port
        self.groups = groups
        self._seed = 1_000
        self._before: dict[str, float] = {}
        self._reader = sqlite_module().connect(f"file:{file}?mode=ro", uri=True, check_same_thread=False, timeout=10)

    def stages(self) -> dict[str, list[int]]:
        """Return the processes of each stage."""
        return {
            name: [process.pid, *(pid for pid in group_members(process.pid) if pid != process.pid)]
            for name, process in self.groups.items()
        }

    def run(self, rate: float, seconds: float) -> Step:
        """Offer a load and return what came of it; the time of a decision is what the worker itself wrote before its commit."""
        self._seed += 1
        self._before = {name: cpu(pids) for name, pids in self.stages().items()}
        return self._drained(self._send(rate, seconds))

    def _send(self, rate: float, seconds: float) -> Step:
        return step(
            Plan(self.port, "/comments", "none", rate, seconds, self._seed),
            stages=self.stages(),
            decided=dict,
            delivered=lambda _: {},
            wait=False,
        )

    def _drained(self, found: Step) -> Step:
        """Wait until all of a step is decided; return it with those times and the CPU time. Raises TimeoutError."""
        ids = {each.comment: each.number for each in found.sent if each.comment}
        until = time.monotonic() + 180
        while True:
            rows = self._reader.execute("SELECT id, decided_at FROM comment WHERE decided_at IS NOT NULL").fetchall()
            times = {ids[number]: at for number, at in rows if number in ids}
            if len(times) == len(ids):
                spent = {name: cpu(pids) - self._before[name] for name, pids in self.stages().items()}
                return Step(found.rate, found.seconds, found.sent, times, times, found.cpu | spent)
            if time.monotonic() > until:
                raise TimeoutError(f"{len(ids) - len(times)} undecided")
            time.sleep(0.1)

    def memory(self) -> dict[str, tuple[float, float]]:
        """Return the resident and proportional MB of the largest process of each stage."""
        return {name: max(memory(pid) for pid in pids) for name, pids in self.stages().items()}


@contextmanager
def running(folder: Path, *, processes: int, threads: int) -> Iterator[Baseline]:
    """Run the pipeline with so many worker processes of so many threads each, and warm them."""
    folder.mkdir(parents=True)
    file = folder / "afternoon.db"
    with Stack(settings_of(folder / "home"), only=("valkey",), preparations={}) as stack:
        environment = {
            **os.environ,
            "AFTERNOON_DATABASE": f"sqlite:///{file}",
            "AFTERNOON_REDIS": str(stack.redis_url),
            "AFTERNOON_THREADS": str(threads),
            "OMP_NUM_THREADS": str(threads),
        }
        os.environ.update({name: environment[name] for name in ("AFTERNOON_DATABASE", "AFTERNOON_REDIS", "AFTERNOON_THREADS")})
        from bench import afternoon  # noqa: PLC0415 -- reads its settings when imported

        engine = create_engine(environment["AFTERNOON_DATABASE"])
        afternoon.tables.create_all(engine)
        engine.dispose()
        port = free_port()
        server = "gunicorn --workers 2 --threads 32 --worker-class gthread --log-level warning"
        worker = "celery --app bench.afternoon:celery worker --loglevel ERROR"
        server = "gunicorn --workers 2 --threads 32 --worker-class gthread --log-level warning"
        worker = "celery --app bench.afternoon:celery worker --loglevel ERROR"
        commands = {
            "server": [sys.executable, "-m", *server.split(" "), "--bind", f"127.0.0.1:{port}", "bench.afternoon:app"],
            "worker": [sys.executable, "-m", *worker.split(" "), "--concurrency", str(processes)],
        }
        groups: dict[str, subprocess.Popen[bytes]] = {}
        with (folder / "log").open("wb") as log:
            try:
                for name, command in commands.items():
                    groups[name] = subprocess.Popen(command, env=environment, start_new_session=True, stdout=log, stderr=log)
                _wait_listening(port)
                baseline = Baseline(port, file, groups)
                # The models are loaded with the first comments.
                baseline.run(8, 1)
                yield baseline
            finally:
                for process in groups.values():
                    os.killpg(process.pid, signal.SIGTERM)
                for process in groups.values():
                    try:
                        process.wait(30)
                    except subprocess.TimeoutExpired:
                        os.killpg(process.pid, signal.SIGKILL)
                        process.wait()


def _wait_listening(port: int) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/")
            connection.getresponse().read()
            connection.close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return

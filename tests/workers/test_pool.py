"""A real pool of Celery's, whose news of a dead child got lost."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers import children

UNTOLD = """
from celery.concurrency.asynpool import AsynPool
# As when the pipe of a dying child closes a moment before the system knows it for dead.
AsynPool._event_process_exit = lambda pool, hub, child: pool._untrack_child_process(child, hub)
# Its own look, every five seconds, is yet to come.
AsynPool.timers = {}
from workers.app import app
app.worker_main(["--quiet", "worker", "--queues", "moderate", "--pool", "prefork", "--concurrency", "1"])
"""


@pytest.mark.slow
@pytest.mark.valkey
def test_a_dead_child_is_replaced_at_once_also_where_the_news_of_it_got_lost(
    valkey: str, sqlite_url: str, tmp_path: Path
) -> None:
    given = {
        "TIDEGATE_HOME": str(tmp_path / "home"),
        "DATABASE_URL": sqlite_url,
        "REDIS_URL": valkey,
        "TIDEGATE_SECRET": "0123456789abcdef" * 4,
    }
    log = tmp_path / "log"
    with (
        log.open("wb") as written,
        subprocess.Popen([sys.executable, "-c", UNTOLD], env={**os.environ, **given}, stdout=written, stderr=written) as worker,
    ):
        try:
            wait(lambda: log.read_text().count('"worker_started"') == 1, 60)
            (child,) = at_work(worker.pid)
            os.kill(child, signal.SIGKILL)
            wait(lambda: at_work(worker.pid) not in ([], [child]), 4)
            assert worker.poll() is None, log.read_text()
        finally:
            worker.terminate()
            worker.wait(30)


def at_work(worker: int) -> list[int]:
    """The pool's children, without the process that looks after semaphores."""
    return [child for child in children(worker) if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def wait(fulfilled: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not fulfilled():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.05)

"""How gunicorn serves the API: threads that may wait, models loaded after the fork, logs without queries or hosts."""

import gc
import os
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from moderation.config import Settings

if TYPE_CHECKING:
    # The master reads this file and needs nothing of the application.
    from api.context import Context

_settings = Settings.from_env()

bind = [f"{_settings.host}:{_settings.port}"]
worker_class = "gthread"
workers = 1 if _settings.small else 2
threads = 16 if _settings.small else 32
timeout = 30
graceful_timeout = 25
keepalive = 5
# A connection that must not cross a fork is opened after it: nothing is loaded in the master.
preload_app = False
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() and os.access("/dev/shm", os.W_OK) else None  # noqa: S108
# Requests are logged by the application, as JSON and without query, host and address: here a decoded path could forge a line.
accesslog = None
errorlog = "-"
loglevel = _settings.log_level
proc_name = "tidegate-api"
forwarded_allow_ips = "127.0.0.1,::1"

METRICS = _settings.home / "run" / "metrics"
"""Where each process counts its requests."""

# prometheus_client reads it when it is first imported, which only the workers do.
raw_env = [f"PROMETHEUS_MULTIPROC_DIR={METRICS}"]


def on_starting(_server: Any) -> None:
    """Begin to count anew: what is left of earlier processes is no longer true."""
    METRICS.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in METRICS.glob("*.db"):
        old.unlink()


def post_worker_init(worker: Any) -> None:
    """Load the models beside the first requests; at the signal to end, let those go who would wait for a minute."""
    from moderation.together import take_short_turns  # noqa: PLC0415

    context: Context = worker.wsgi.extensions["tidegate"]
    # The application stays: a collection that looks through all of it holds every request up for a tenth of a second.
    gc.collect()
    gc.freeze()
    take_short_turns()
    context.models.warm()
    finish = signal.getsignal(signal.SIGTERM)

    def end(number: int, frame: FrameType | None) -> None:
        # In a thread: a signal's handler must not wait for a lock that its own thread may hold.
        threading.Thread(target=context.hub.end, name="end").start()
        if callable(finish):
            finish(number, frame)

    signal.signal(signal.SIGTERM, end)


def worker_exit(_server: Any, worker: Any) -> None:
    """End what runs beside the requests, and close all connections."""
    if getattr(worker, "wsgi", None) is not None:
        context: Context = worker.wsgi.extensions["tidegate"]
        context.end()
        context.runtime.close()

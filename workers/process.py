"""What one working process holds: its runtime, its services and the thread that works when no bell rings.

Celery starts it in each child of the prefork pool (``worker_process_init``) and, for the threads pool, in the worker itself. Both
happen before and without any broker, so that a worker does its work with Redis dead for good.
"""

import gc
import os
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from celery import bootsteps
from celery.signals import worker_process_init, worker_process_shutdown

from moderation import failpoints, memory
from moderation.config import Settings
from moderation.ringing import Ringer
from moderation.runtime import Runtime
from moderation.services import processes
from moderation.together import take_short_turns
from workers.app import app, settings
from workers.fallback import Fallback
from workers.watchdog import LOADING, Childless, Watchdog

if TYPE_CHECKING:
    from moderation.services.delivery import Deliverer

log = structlog.get_logger(__name__)

RING_PAUSE = 0.05
"""Seconds between two rings of a process for what its work brought about, so that a burst is announced a few times, not each."""

MAINTAIN = 0.5
"""Seconds between two looks for children that died."""

SLICE = 5.0
"""Seconds that one ring is worked for before it is rung again: a worker that has to end is never in the middle of more."""


class WorkerProcess:
    """The services of one process and the queues that it serves."""

    def __init__(self, settings: Settings, queues: Iterable[str]) -> None:
        failpoints.configure(settings)
        take_short_turns()
        memory.few_heaps()
        self.runtime = Runtime.build(settings, role="worker")
        self._ringer = Ringer(self.runtime.doorbell, pause=RING_PAUSE)
        self.runtime.database.ring = self._ringer.ring
        self.queues = tuple(sorted(queues))
        self.name = processes.name("+".join(self.queues))
        self.ending = threading.Event()
        self.watchdog = Watchdog()
        self._drains: dict[str, Callable[[Callable[[], bool]], int]] = {}
        self._deliverer: Deliverer | None = None
        if "moderate" in self.queues:
            # Imported where it is used: Celery's main process and a deliver worker have no room for the models.
            from moderation.services.asking import Models  # noqa: PLC0415
            from moderation.services.explaining import Explainer  # noqa: PLC0415
            from moderation.services.moderating import Moderator  # noqa: PLC0415
            from moderation.signals import language  # noqa: PLC0415
            from workers.models import PatientModels  # noqa: PLC0415

            models = PatientModels(lambda: Models.on(self.runtime.shelf(), self.runtime.spam()))
            with self.watchdog.over(LOADING):
                models("Warmed up before the first comment comes.")
                language.warm()
                _trim()
            ring = partial(self.runtime.doorbell.ring, "moderate")
            moderator = Moderator(self.runtime.database, models, settings.secret, self.name, ring=ring)
            explainer = Explainer(self.runtime.database, models, self.name, moderator.settle, busy=lambda: not moderator.rests())
            # What is explained was judged before, and gives way to what is not judged yet; the next look begins it again. At
            # saturation a ring's time is over before all is judged, so what is overdue comes before that.
            self._drains["moderate"] = lambda stop: (
                explainer.catch_up(self.ending.is_set) + moderator.drain(stop) + explainer.drain(stop)
            )
        if "deliver" in self.queues:
            from moderation.outbound.http import Client  # noqa: PLC0415
            from moderation.services import delivery  # noqa: PLC0415

            client = Client.from_settings(settings)
            self._deliverer = delivery.Deliverer(self.runtime.database, client, settings, self.runtime.clock, self.name)
            self._drains["deliver"] = self._deliverer.drain
        self.fallback = Fallback(self)

    def start(self) -> None:
        """Begin to look for work without being rung for."""
        self.fallback.start()

    def answer(self, queue: str) -> None:
        """Do the work of a queue because its bell rang."""
        self.runtime.doorbell.answer(queue)
        self.drain(queue)

    def drain(self, queue: str) -> int:
        """Work until nothing is due, for a few seconds at most; what is left then is rung for again."""
        if queue not in self._drains:
            return 0
        until = time.monotonic() + SLICE
        with self.watchdog.over():
            done = self._drains[queue](lambda: self.ending.is_set() or time.monotonic() > until)
        if time.monotonic() > until and not self.ending.is_set():
            self.runtime.doorbell.ring("notify" if queue == "deliver" else queue)
        return done

    def tidy(self) -> None:
        """Give back memory that nobody uses; costs some milliseconds."""
        memory.give_back()

    def end(self) -> None:
        """Finish what is in hand, say good-bye and close all connections."""
        self.ending.set()
        self.fallback.join(timeout=SLICE)
        if self._deliverer is not None:
            self._deliverer.close()
        try:
            with self.runtime.database.transaction() as session:
                processes.leave(session, self.name)
        finally:
            self._ringer.end()
            self.runtime.close()


def _trim() -> None:
    """Give back what loading the models left free: some fifteen megabytes, which glibc would keep for the process's life.

    What is there now stays; the garbage collector need not look through it again, for tens of milliseconds each time.
    """
    gc.collect()
    gc.freeze()
    memory.give_back()


class _Held:
    process: WorkerProcess | None = None


def current() -> WorkerProcess:
    """Return this process's services; raises RuntimeError where no worker was started."""
    if _Held.process is None:
        raise RuntimeError("no worker runs in this process")
    return _Held.process


def begin(queues: Iterable[str]) -> None:
    """Set this process up for the queues."""
    _Held.process = WorkerProcess(settings, queues)
    _Held.process.start()
    log.info("worker_started", process=_Held.process.name)


def finish() -> None:
    """End this process's services, if there are any."""
    process, _Held.process = _Held.process, None
    if process is not None:
        process.end()
        log.info("worker_ended", process=process.name)


@worker_process_init.connect
def _child_begins(**_: object) -> None:
    try:
        begin(["moderate"])
    except Exception as error:
        # Celery would log it and keep a child that can do nothing; without it there will be another one.
        log.exception("worker_not_started", error=type(error).__name__)
        os._exit(1)


@worker_process_shutdown.connect
def _child_ends(**_: object) -> None:
    finish()


class InWorker(bootsteps.StartStopStep):
    """Sets the worker itself up where its tasks run in threads; children do it for themselves, and are looked after here."""

    requires = ("celery.worker.components:Pool",)
    _childless: Childless | None = None

    def start(self, parent: Any) -> None:
        """Begin with the queues that the command line chose, or to look after the children."""
        if parent.pool_cls.__module__.endswith("prefork"):
            self._childless = Childless(parent)
            self._childless.start()
        else:
            begin(parent.app.amqp.queues.consume_from)

    def register_with_event_loop(self, parent: Any, hub: Any) -> None:
        """Have the pool look for dead children often.

        Celery hears of a death by a pipe, which may close a moment before there is anything to wait for; then it looks again
        only after five seconds, when `Childless` gives up on it.
        """
        if self._childless is not None:
            hub.call_repeatedly(MAINTAIN, parent.pool.maintain_pool)

    def stop(self, parent: Any) -> None:  # noqa: ARG002
        """End with the worker."""
        if self._childless is not None:
            self._childless.ending.set()
        finish()

    def terminate(self, parent: Any) -> None:
        """End with a worker that shuts down cold, as it does after a soft shutdown."""
        self.stop(parent)


app.steps["worker"].add(InWorker)

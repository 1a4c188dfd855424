"""Scoring inside the API process, for the doors that must answer at once: one model, few at a time, and never for long.

Late or failed means "not scored", and then the policy asks a human: it never means approved.
"""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from contextlib import suppress

import structlog

from moderation.runtime import Runtime
from moderation.services.assessment import Models, Scored

log = structlog.get_logger(__name__)

AT_ONCE = 4
"""Checks that may wait for the one scoring thread; more are told at once that there is no score."""


class GuardedModels:
    """The process's models behind a deadline; loaded on first use, after the fork."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = threading.Lock()
        self._models: Models | None = None
        self._room = threading.BoundedSemaphore(AT_ONCE)
        # One thread: the runtime below is told to use one, and two comments at once on one core are both late.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="scoring")

    def warm(self) -> None:
        """Load the models now rather than with the first check."""
        self._load()("Warmed up before the first check comes.")

    @property
    def ready(self) -> bool:
        """Tell whether the models are loaded."""
        return self._models is not None

    def within(self, seconds: float, text: str) -> Scored:
        """Return the scores of a text, or none of them if that takes longer."""
        models = self._load()
        if not self._room.acquire(blocking=False):
            log.warning("check_not_scored", cause="busy")
            return Scored(None, None, models.version)
        try:
            found: Future[Scored] = self._thread.submit(models, text)
        except RuntimeError:
            self._room.release()
            raise
        found.add_done_callback(lambda _: self._room.release())
        with suppress(Late):
            return found.result(timeout=seconds)
        found.cancel()
        log.warning("check_not_scored", cause="late")
        return Scored(None, None, models.version)

    def estimate_ms(self, text: str) -> float:
        """Bound what scoring a text costs, in milliseconds on one core."""
        return self._load().toxicity.estimate_ms(text)

    def close(self) -> None:
        """End the scoring thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _load(self) -> Models:
        with self._lock:
            if self._models is None:
                self._models = Models(self._runtime.scorer(), self._runtime.spam())
            return self._models

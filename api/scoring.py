"""Scoring inside the API process, for the doors that must answer at once: one model, few at a time, and never for long.

Late or failed means "not scored", and then the policy asks a human: it never means approved. Everything that touches a model,
loading it included, happens in one thread, so that the deadline holds for all of it and two comments never share the one core.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from typing import Literal

import structlog

from moderation.runtime import Runtime
from moderation.scoring.choice import BY_THE_INSTALLATION, SiteModels
from moderation.services.asking import UNSCORED, Models, Scored
from moderation.services.submission import COST_MS
from moderation.signals import language

log = structlog.get_logger(__name__)

AT_ONCE = 8
"""Checks that may wait for the scoring thread; more are told at once that there is no score, and the server stays free."""

LOADED_WITHIN = 10.0
"""Seconds that a request waits for what a process loads once, models and what tells languages apart: half a second, or several on
a machine that is busy starting. Who did not wait so long reads no answer, and nothing is lost by it.
"""

LATELY = 31 * 24 * 3600.0
"""Seconds for which an installation that was asked for languages loads them as it starts."""

NOTED_EVERY = 3600.0


class GuardedModels:
    """The process's models behind a deadline; loaded on first use, after the fork."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._models: Models | None = None
        self._failure: str | None = None
        self._room = threading.BoundedSemaphore(AT_ONCE)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="scoring")
        self._languages = threading.Lock()
        self._languages_known = threading.Event()
        self._languages_awaited = threading.BoundedSemaphore(AT_ONCE)
        self._languages_noted = -NOTED_EVERY
        self._languages_asked = runtime.settings.home / "run" / "languages-asked"

    def warm(self) -> None:
        """Begin to load the models now rather than with the first check; returns at once.

        So is what tells languages apart, where somebody asked for it lately: clients give up before it is loaded.
        """
        self._thread.submit(self._score, "Warmed up before the first check comes.")
        try:
            asked = time.time() - self._languages_asked.stat().st_mtime < LATELY
        except OSError:
            asked = False
        if asked:
            self._learn_languages()

    @property
    def state(self) -> Literal["ok", "loading", "failed"]:
        """Tell whether the models are loaded."""
        if self._models is not None:
            return "ok"
        return "failed" if self._failure else "loading"

    def within(self, seconds: float, text: str, models: SiteModels = BY_THE_INSTALLATION) -> Scored:
        """Return the scores of a text, or none of them if that takes longer or fails; never raises."""
        return self.all_within(seconds, [text], models)[0]

    def all_within(self, seconds: float, texts: Sequence[str], models: SiteModels = BY_THE_INSTALLATION) -> list[Scored]:
        """Return the scores of several texts, or of none of them if all together take longer or one fails; never raises."""
        if seconds <= 0:
            return self._unscored("late", texts)
        if not self._room.acquire(blocking=False):
            return self._unscored("busy", texts)
        try:
            found: Future[list[Scored]] = self._thread.submit(self._score_all, texts, models, time.monotonic() + seconds)
        except RuntimeError:
            # The process is ending.
            self._room.release()
            return self._unscored("ending", texts)
        found.add_done_callback(lambda _: self._room.release())
        try:
            return found.result(timeout=seconds)
        except Late:
            found.cancel()
            return self._unscored("late", texts)
        except Exception as error:
            # Whatever a model or its loading raises, the answer is that nobody knows.
            log.exception("check_failed", error=type(error).__name__)
            return self._unscored("failed", texts)

    def estimate_ms(self, text: str) -> float:
        """Bound what scoring a text costs, in milliseconds on one core; a usual value while no model is loaded."""
        models = self._models
        return models.toxicity.estimate_ms(text) if models is not None else COST_MS

    def knows_languages(self, within: float = 0.0) -> bool:
        """Tell whether languages can be told apart, at the latest in so many seconds, or sooner where too many wait for it.

        Who asks first makes the model load beside the requests.
        """
        self._note_asked()
        if language.is_warm():
            return True
        self._learn_languages()
        if not self._languages_awaited.acquire(blocking=False):
            return self._languages_known.is_set()
        try:
            return self._languages_known.wait(max(within, 0.0))
        finally:
            self._languages_awaited.release()

    def close(self) -> None:
        """End the scoring thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _learn_languages(self) -> None:
        """Begin to load what tells languages apart, beside the requests; a second time does nothing."""
        if self._languages.acquire(blocking=False):
            # Most of a second and forty megabytes, which only those who need it pay.
            threading.Thread(target=self._load_languages, name="languages", daemon=True).start()

    def _load_languages(self) -> None:
        try:
            language.warm()
        except Exception as error:
            # Memory may be short for a while only: who asks next has it tried again.
            log.exception("languages_not_loaded", error=type(error).__name__)
            self._languages.release()
        else:
            self._languages_known.set()

    def _note_asked(self) -> None:
        """Leave a mark for the next start, once in an hour."""
        now = time.monotonic()
        if now < self._languages_noted + NOTED_EVERY:
            return
        self._languages_noted = now
        try:
            self._languages_asked.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._languages_asked.touch()
        except OSError as error:
            # The first answer after the next start is late, and that is all.
            log.info("languages_not_noted", error=type(error).__name__)

    def _unscored(self, cause: str, texts: Sequence[str]) -> list[Scored]:
        log.warning("check_not_scored", cause=cause)
        return [Scored(None, None, self._models.version if self._models is not None else UNSCORED)] * len(texts)

    def _score_all(self, texts: Sequence[str], models: SiteModels, until: float) -> list[Scored]:
        scores: list[Scored] = []
        for text in texts:
            if scores and time.monotonic() >= until:
                # Nobody waits any more, and others wait for this thread.
                raise Late
            scores.append(self._score(text, models))
        return scores

    def _score(self, text: str, models: SiteModels = BY_THE_INSTALLATION) -> Scored:
        if self._models is None:
            try:
                self._models = Models.on(self._runtime.shelf(torch=False), self._runtime.spam())
            except Exception as error:
                self._failure = type(error).__name__
                log.exception("models_not_loaded", error=self._failure)
                raise
        return self._models(text, models, beside=False)

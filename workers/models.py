"""The models of a worker, which may not be there: it works without them, and a human reads what could not be scored."""

import time
from collections.abc import Callable

import structlog

from moderation.scoring.catalog import ModelMissing
from moderation.scoring.choice import BY_THE_INSTALLATION, SiteModels
from moderation.services.asking import UNSCORED, Explained, Models, Question, Scored

log = structlog.get_logger(__name__)

AGAIN_AFTER = 30.0
"""Seconds between two tries to load models that could not be loaded: memory may be short for a while only."""


class PatientModels:
    """Loads the models, and again with a later comment when that failed; meanwhile there are no scores."""

    def __init__(self, load: Callable[[], Models]) -> None:
        self._load = load
        self._models: Models | None = None
        self._not_before = 0.0

    def __call__(self, text: str, models: SiteModels = BY_THE_INSTALLATION, /) -> Scored:
        """Return the scores of a text, or none of them while there are no models."""
        self._try()
        return self._models(text, models) if self._models is not None else Scored(None, None, UNSCORED)

    def explain(self, asked: Question, before_each: Callable[[], None] = lambda: None) -> Explained:
        """Return what drives the scores of a text; raises `ModelMissing` while there are no models."""
        self._try()
        if self._models is None:
            raise ModelMissing("the models could not be loaded")
        return self._models.explain(asked, before_each)

    def _try(self) -> None:
        if self._models is None and time.monotonic() >= self._not_before:
            try:
                self._models = self._load()
            except Exception as error:
                log.exception("models_not_loaded", error=type(error).__name__)
                self._not_before = time.monotonic() + AGAIN_AFTER

"""Asking the models about a text: the one that the site chose, the spam model, and whichever runs beside.

A model that fails or is missing is logged and leaves its values absent; the policy then puts the comment before a human.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import structlog

from moderation.scoring.catalog import ModelMissing, Shelf, bundled, in_version
from moderation.scoring.choice import BUNDLED, BY_THE_INSTALLATION, Chosen, SiteModels
from moderation.scoring.explain import Drivers, drivers, in_words, text_without
from moderation.scoring.scorer import Scorer, ScoringFailed
from moderation.scoring.spam import Features, SpamScorer, features

log = structlog.get_logger(__name__)

UNSCORED = "none"
"""Stands for the model of a text that no toxicity model judged."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What the models said of one text: None where a model failed.

    ``beside`` is what the site's second model said, ``read`` what the spam model looked at.
    """

    values: dict[str, float] | None
    spam: float | None
    model_version: str
    model: str = BUNDLED
    engine: str = "onnx"
    beside: "Beside | None" = None
    read: Features | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Beside:
    """What the model said that runs beside the one that decides."""

    values: dict[str, float]
    model_version: str
    engine: str


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be explained of a text: the scores named in ``known``, by the model that was chosen.

    ``quoted`` are the quotations in it that were judged apart.
    """

    body: str
    known: Collection[str]
    quoted: Sequence[tuple[int, int]] = ()
    chosen: Chosen | None = None


@dataclass(frozen=True, slots=True)
class Explained:
    """What drives the scores of a text: its words, and for spam also the parts of the score, as log odds that each adds."""

    model_version: str
    drivers: tuple[Drivers, ...]
    spam_parts: dict[str, float]

    def places(self) -> dict[str, Any]:
        """Return plain dictionaries, lists and numbers; words are places in the text and not the text itself."""
        return {"scores": [asdict(each) for each in self.drivers], "spam_parts": self.spam_parts}

    def as_json(self, body: str) -> dict[str, Any]:
        """Return the same with the words as they stand in the text that was explained, and the model."""
        return {"model": self.model_version, **in_words(self.places(), body)}


class Scoring(Protocol):
    """Asks the models about a text; never raises."""

    def __call__(self, text: str, models: SiteModels, /) -> Scored:
        """Return the scores of the text by the models that its site chose."""
        ...


@dataclass(frozen=True, slots=True)
class Models:
    """The scorers of a process behind one call; a failure is logged by its kind and leaves the value absent."""

    toxicity: Scorer
    spam: SpamScorer
    shelf: Shelf | None = None

    @classmethod
    def on(cls, shelf: Shelf, spam: SpamScorer) -> "Models":
        """Return the models of an installation, its own choice loaded.

        Where that cannot be loaded the process works all the same: what it scores has no scores, and goes to a human.
        """
        try:
            first = shelf.scorer()
        except ScoringFailed as error:
            log.warning("model_missing", error=str(error))
            first = bundled()  # for its name and its estimate of a text's cost: the shelf is asked for every text again
        return cls(first, spam, shelf)

    @property
    def version(self) -> str:
        """Name the model that was loaded first and the spam model."""
        return f"{self.toxicity.version} {self.spam.version}"

    def __call__(self, text: str, models: SiteModels = BY_THE_INSTALLATION, /, *, beside: bool = True) -> Scored:
        """Score one text, about ten milliseconds on one core; ``beside=False`` leaves out the second model."""
        found = self._toxicity(text, models.live)
        # Who pinned a version wants scores of it or none, not even half of them.
        withheld = found is None and models.live is not None and models.live.version is not None
        read = None if withheld else features(text)
        second = self._toxicity(text, models.beside) if beside and models.beside is not None else None
        return Scored(
            found.values if found else None,
            self.spam.of(read) if read is not None else None,
            f"{found.model_version if found else UNSCORED} {self.spam.version}",
            model=named(found.model_version if found else UNSCORED),
            engine=found.engine if found else UNSCORED,
            beside=second,
            read=read,
        )

    def explain(self, asked: Question, before_each: Callable[[], None] = lambda: None) -> Explained:
        """Find what drives the scores of a text.

        Each model reads the text `MOST_SCORINGS` times at most. ``before_each`` is called before the toxicity model reads, and
        may raise to end the search. Raises `ScoringFailed` where that model is not there.
        """
        body, quoted, known = asked.body, asked.quoted, asked.known
        scorer = self.scorer(asked.chosen)

        def toxicity(text: str) -> dict[str, float]:
            before_each()
            return {name: value for name, value in scorer.score([text])[0].items() if name in known}

        found = drivers(toxicity, body, quoted) if any(name in known for name in scorer.attributes) else []
        by_spam = drivers(lambda text: {"spam": self.spam.score([text])[0]}, body, quoted) if "spam" in known else []
        return Explained(
            f"{scorer.version} {self.spam.version}",
            (*found, *by_spam),
            self.spam.parts(text_without(body, quoted)) if by_spam else {},
        )

    def scorer(self, chosen: Chosen | None) -> Scorer:
        """Return the toxicity scorer that was chosen; raises `ScoringFailed` where it is not there."""
        if self.shelf is not None:
            return self.shelf.scorer(chosen)
        if chosen is not None and chosen.name != BUNDLED:
            raise ModelMissing(f"the model {chosen.name} is not installed here")
        return in_version(self.toxicity, chosen.version if chosen is not None else None)

    def _toxicity(self, text: str, chosen: Chosen | None) -> Beside | None:
        try:
            scorer = self.scorer(chosen)
            return Beside(scorer.score([text])[0], scorer.version, scorer.engine)
        except ScoringFailed as error:
            log.warning("scoring_failed", model=chosen.name if chosen else self.toxicity.version, error=str(error))
            return None


def named(version: str) -> str:
    """Return the name of the model in a version such as ``bundled-1+3f9a2c1b``."""
    return version.partition("+")[0]

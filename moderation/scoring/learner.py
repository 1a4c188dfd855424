"""How a site's own layer is learnt: one pass over the site's decisions, each predicted by both models before it is learnt.

Every weight begins at nothing with a variance of its own, and an example moves it by that variance, so what is seen often moves
less and less (a Bayesian logistic regression with a diagonal covariance, updated one example at a time). The same examples in the
same order give the same layer: to forget an example is to learn again without it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from moderation.scoring.layer import LEAST_GAIN, NO_FEATURES, Layer, Shape, logit, probability
from moderation.scoring.spam import Features

FROM: Final = 10
"""Decisions that a comparison needs, and so the example from which on a layer can be used."""
OF_EACH: Final = 3
"""Decisions of each sort among them: who only ever rejected has shown no difference."""
HALF_LIFE: Final = 50.0
"""Decisions after which one counts half in the comparison: what was better last year says little about today."""
RECENT: Final = 100
"""The newest decisions whose mistakes are counted for people to read."""
SURE: Final = 1.0
"""Standard errors by which a layer has to be better."""

_WORST: Final = 1e-3
"""No prediction counts as surer than this: a single surprise must not outweigh a hundred decisions."""


@dataclass(frozen=True, slots=True)
class Example:
    """A decision to learn from: the shared score of its text (0..1), and whether a person confirmed what the score is of.

    ``weight`` stands for how many comments it speaks (1 or more). Only where ``testifies`` does it take part in the comparison:
    a mistake that was pointed out was chosen for being one.
    """

    score: float
    positive: bool
    weight: float = 1.0
    testifies: bool = True
    features: Features = field(default=NO_FEATURES, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How the two did on decisions that neither knew yet; losses are log losses a comment, newer decisions counting more.

    ``error`` is the standard error of the difference; the mistakes are those among the ``recent`` newest, at even odds.
    """

    compared: int
    positives: int
    shared_loss: float
    own_loss: float
    error: float
    recent: int
    shared_mistakes: int
    own_mistakes: int

    @property
    def better(self) -> bool:
        """Whether the layer is to be used."""
        enough = self.compared >= FROM and min(self.positives, self.compared - self.positives) >= OF_EACH
        return enough and self.shared_loss - self.own_loss > SURE * self.error

    def as_json(self) -> dict[str, Any]:
        """Return the form in which a version stores it."""
        return {name: getattr(self, name) for name in self.__slots__}


class Learner:
    """Learns one example at a time; ``weights`` is what it has learnt so far."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.weights = np.zeros(shape.size)
        self._variances = shape.variances()

    def predict(self, example: Example) -> float:
        """Return the probability (0..1) that the example is a positive one, from what was learnt before it."""
        columns, values = self.shape.row(example.features, logit(example.score))
        return probability(logit(example.score) + float(self.weights[columns] @ values))

    def learn(self, example: Example) -> float:
        """Return what ``predict`` does, then learn the example."""
        shared = logit(example.score)
        columns, values = self.shape.row(example.features, shared)
        variances = self._variances[columns]
        before = shared + float(self.weights[columns] @ values)
        reach = example.weight * float(values**2 @ variances)
        after = _settled(before, reach, float(example.positive))
        says = probability(after)
        self.weights[columns] += variances * values * example.weight * (example.positive - says)
        self.weights[-1] = max(self.weights[-1], LEAST_GAIN)
        self._variances[columns] = 1 / (1 / variances + example.weight * says * (1 - says) * values**2)
        return probability(before)

    def layer(self, base: str) -> Layer:
        """Return what was learnt on top of that version of the shared model."""
        return Layer(self.shape, base, self.weights.astype(np.float32))


def learnt(shape: Shape, examples: Iterable[Example], *, base: str) -> tuple[Layer, Comparison]:
    """Learn the examples, oldest first, and compare what was learnt before each with the shared model."""
    learner = Learner(shape)
    seen = [(example, learner.learn(example)) for example in examples]
    testified = [(example, own) for example, own in seen if example.testifies]
    return learner.layer(base), _compared(testified)


def _settled(before: float, reach: float, target: float) -> float:
    """Return where a logit comes to rest that is pulled to the target from ``before``: never beyond it, however strong the pull.

    Solves after = before + reach * (target - probability(after)), which has one solution.
    """
    low, high = sorted((before, before + reach * (target - probability(before))))
    for _ in range(60):
        middle = (low + high) / 2
        if middle < before + reach * (target - probability(middle)):
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _compared(testified: list[tuple[Example, float]]) -> Comparison:
    if not testified:
        return Comparison(
            compared=0, positives=0, shared_loss=0.0, own_loss=0.0, error=0.0, recent=0, shared_mistakes=0, own_mistakes=0
        )
    positive = np.array([example.positive for example, _ in testified])
    scores = np.array([[example.score, own] for example, own in testified])
    sure = np.clip(np.where(positive[:, None], scores, 1 - scores), _WORST, 1 - _WORST)
    losses = -np.log(sure)
    fading = 0.5 ** (np.arange(len(testified))[::-1] / HALF_LIFE)
    weights = fading * np.array([example.weight for example, _ in testified])
    weights /= weights.sum()
    shared_loss, own_loss = weights @ losses
    gains = losses[:, 0] - losses[:, 1]
    error = math.sqrt(float(weights**2 @ (gains - weights @ gains) ** 2))
    mistakes = ((scores >= 0.5) != positive[:, None])[-RECENT:].sum(axis=0)
    return Comparison(
        compared=len(testified),
        positives=int(positive.sum()),
        shared_loss=float(shared_loss),
        own_loss=float(own_loss),
        error=error,
        recent=min(len(testified), RECENT),
        shared_mistakes=int(mistakes[0]),
        own_mistakes=int(mistakes[1]),
    )

"""A site's own layer over a shared score: what its people decided, as a small correction of the score's logit.

The correction is linear in what the shared model saw anyway, so that a layer fits eleven kilobytes, costs some microseconds a
comment and is nothing at all where nothing was learnt. `moderation.scoring.learner` makes one; a `Layer` only applies it.
"""

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moderation.scoring.spam import BUCKETS, COUNTS, Features

Floats = NDArray[np.float64]

FOLDED: Final = 1 << 12
"""Columns that the spam model's hash buckets are folded into: a site has thousands of decisions, not millions."""
NO_FEATURES: Final[Features] = (np.empty(0, np.int64), np.empty(0, np.float64))
"""What a layer looks at that knows the shared score and nothing else."""

_CLIP: Final = 1e-4
_GAIN_UNIT: Final = 4.0
LEAST_GAIN: Final = -0.8 * _GAIN_UNIT
"""The smallest weight of the shared logit: a fifth of it counts at least, so that a higher score never becomes a lower one."""


class BadLayer(ValueError):
    """What was stored is no layer; the message says why."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of one kind of layer: folded features, counts, then a constant and the shared score's logit.

    The variances say how far each of them may move before anything was learnt: the distrust of the site's first decisions.
    """

    name: str
    folded: int
    counts: int
    folded_variance: float = 0.0
    counts_variance: float = 0.0
    constant_variance: float = 1.0
    gain_variance: float = 1.0

    @property
    def size(self) -> int:
        """How many weights a layer of this kind has."""
        return self.folded + self.counts + 2

    def variances(self) -> Floats:
        """Return the variance of each weight before the first example."""
        parts = (
            np.full(self.folded, self.folded_variance),
            np.full(self.counts, self.counts_variance),
            np.array([self.constant_variance, self.gain_variance]),
        )
        return np.concatenate(parts)

    def places(self, columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return which weights speak for the columns of the shared model; several may share one."""
        return np.where(columns < BUCKETS, columns % self.folded, columns - BUCKETS + self.folded)

    def row(self, features: Features, shared: float) -> Features:
        """Return a text's sparse row with each column once; ``shared`` is the logit of the shared score."""
        columns, values = features
        here = np.concatenate([self.places(columns) if len(columns) else columns, [self.size - 2, self.size - 1]])
        found, places = np.unique(here.astype(np.int64), return_inverse=True)
        summed = np.bincount(places, np.concatenate([values, [1.0, shared / _GAIN_UNIT]]), len(found))
        return found, summed.astype(np.float64)


SPAM: Final = Shape(
    "spam", FOLDED, len(COUNTS), folded_variance=10.0, counts_variance=0.3, constant_variance=1.0, gain_variance=0.3
)
"""Spam is learnt by its words: each site is sent its own."""
TOXICITY: Final = Shape("toxicity", 0, 0)
"""Toxicity is set right as a whole: how strict a site is, and how steeply its doubts fall."""
SHAPES: Final[Mapping[str, Shape]] = {shape.name: shape for shape in (SPAM, TOXICITY)}


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """What a site learnt on top of one version of a shared model; applied to another version it would mean nothing.

    Raises `BadLayer` for weights of another shape, or that are not finite.
    """

    shape: Shape
    base: str
    weights: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Refuse what can be no layer."""
        if self.weights.shape != (self.shape.size,) or not np.isfinite(self.weights).all():
            raise BadLayer(f"a layer for {self.shape.name} has {self.shape.size} finite weights")
        if self.weights[-1] < LEAST_GAIN * 1.001:  # half precision rounds
            raise BadLayer("a layer never turns the shared score round")

    def __call__(self, score: float, features: Features = NO_FEATURES) -> float:
        """Return the site's own probability for a shared one (both 0..1); the very same where nothing was learnt."""
        shared = logit(score)
        columns, values = features
        own = float(self.weights[-2] + self.weights[-1] * shared / _GAIN_UNIT)
        if len(columns):
            own += float(self.weights[self.shape.places(columns)] @ values)
        return probability(shared + own) if own else score

    def as_json(self) -> dict[str, str]:
        """Return the form in which a version stores it: some eleven kilobytes for spam."""
        packed = base64.b64encode(self.weights.astype("<f2").tobytes()).decode()
        return {"shape": self.shape.name, "base": self.base, "weights": packed}

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> "Layer":
        """Read what ``as_json`` returned; raises `BadLayer`."""
        try:
            shape, base = SHAPES[stored["shape"]], stored["base"]
            weights = np.frombuffer(base64.b64decode(stored["weights"], validate=True), "<f2").astype(np.float32)
        except (KeyError, TypeError, ValueError) as error:
            raise BadLayer(f"not a layer: {error}") from error
        return cls(shape, str(base), weights)


def logit(score: float) -> float:
    """Return the log odds of a probability, of one beyond 1 or 9,999 in 10,000 that of the nearest within."""
    inside = min(max(score, _CLIP), 1 - _CLIP)
    return math.log(inside / (1 - inside))


def probability(value: float) -> float:
    """Return the probability of log odds, without overflow."""
    if value >= 0:
        return 1 / (1 + math.exp(-value))
    return math.exp(value) / (1 + math.exp(value))

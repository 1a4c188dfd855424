"""From a model's logits to probabilities that mean something: monotone curves stored as points, applied in numpy.

A curve is kept as its points rather than as a formula, so that any monotone fit (isotonic, Platt, beta) ships in one form and
what the service applies is exactly what the model card shows. The fits are made by `training/calibrate.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A non-decreasing map from logit to probability, linear between its points and level beyond them."""

    logits: Floats
    probabilities: Floats

    def __post_init__(self) -> None:
        """Refuse points that are not a monotone curve within 0..1; raises `ValueError`."""
        if self.logits.ndim != 1 or self.logits.shape != self.probabilities.shape or len(self.logits) < 2:
            raise ValueError("a curve needs two or more points, as many logits as probabilities")
        if not (np.isfinite(self.logits).all() and np.isfinite(self.probabilities).all()):
            raise ValueError("a curve's points must be finite")
        if (np.diff(self.logits) <= 0).any() or (np.diff(self.probabilities) < 0).any():
            raise ValueError("a curve's logits must rise and its probabilities must not fall")
        if self.probabilities[0] < 0 or self.probabilities[-1] > 1:
            raise ValueError("probabilities lie between 0 and 1")

    def __call__(self, logits: Floats) -> Floats:
        """Probabilities of the same shape; NaN stays NaN, infinities meet the ends."""
        return np.interp(logits, self.logits, self.probabilities)

    def rebased(self, share_from: float, share_to: float) -> "Curve":
        """Return the curve for another share of positives (both between 0 and 1), by Bayes' rule on the odds."""
        factor = share_to / (1 - share_to) * (1 - share_from) / share_from
        odds_scaled = self.probabilities * factor
        return Curve(self.logits, odds_scaled / (odds_scaled + 1 - self.probabilities))

    @staticmethod
    def from_points(points: Mapping[str, Any]) -> "Curve":
        """Read `{"logits": [...], "probabilities": [...]}`; raises `ValueError` or `KeyError` where that is no curve."""
        return Curve(np.asarray(points["logits"], np.float64), np.asarray(points["probabilities"], np.float64))

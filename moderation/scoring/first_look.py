"""What the linear model's opinion spares the network: windows, and whole texts, whose words alone are plainly harmless.

The linear model of `moderation.scoring.pairs` has read every token before the network starts, in a hundredth of its time. Of a
long text the window with the most alarming words is always read, another only where its words are not calm either. A text of
which every window is far below that is not read by the network at all. Its scores then follow the linear opinion along a line
fitted to what the network says of such texts. A short text is always read: few words are little evidence, and cost little.
Both limits and the line are part of the calibration, fitted on development rows by `training/first_look.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class FirstLook:
    """Limits of the linear model's toxicity logit, and the line that stands in for the network, one value an output.

    A text of fewer than ``fewest_tokens`` is read whatever its words.
    """

    fewest_tokens: int
    calm_below: float
    skip_below: float
    slope: Floats
    intercept: Floats

    def __post_init__(self) -> None:
        """Refuse limits that are no numbers or in the wrong order, and lines of different lengths; raises `ValueError`."""
        if self.slope.ndim != 1 or self.slope.shape != self.intercept.shape:
            raise ValueError("a first look needs a slope and an intercept for each output")
        if not (np.isfinite(self.slope).all() and np.isfinite(self.intercept).all()):
            raise ValueError("the line of a first look must be finite")
        if not -np.inf < self.calm_below <= self.skip_below < np.inf:
            raise ValueError("what is left to the words alone must be calmer than a window that is skipped")

    def worth_reading(self, said: Sequence[float], tokens: int) -> list[int]:
        """Tell which windows the network has to read, none of a calm text, by the linear model's toxicity logit of each.

        ``said`` has one value a window, at least one; ``tokens`` is the length of the whole text.
        """
        loudest = max(said)
        if loudest < self.calm_below and tokens >= self.fewest_tokens:
            return []
        limit = min(loudest, self.skip_below)
        return [place for place, one in enumerate(said) if one >= limit]

    def stand_in(self, said: Sequence[float]) -> Floats:
        """Return what the outputs of a text are taken to be that is not worth reading."""
        found: Floats = self.intercept + self.slope * max(said)
        return found

    @staticmethod
    def read(settings: Mapping[str, Any]) -> "FirstLook":
        """Read the part of a calibration; raises `ValueError` or `KeyError` where that is no first look."""
        slope, intercept = (np.asarray(settings[name], np.float64) for name in ("slope", "intercept"))
        limits = float(settings["calm_below"]), float(settings["skip_below"])
        return FirstLook(int(settings["fewest_tokens"]), *limits, slope, intercept)

"""Two scorers of the same texts held beside each other: what changes at a threshold, and which threshold keeps the rate.

Pure arithmetic. Probabilities of two models are seldom on one scale, so a threshold that was right for one is wrong for the
other; what can be kept is the share of comments that it stops.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

USUAL: Final = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Thresholds that sites are known to use, shown beside the site's own."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of the comments when ``old`` at its threshold is replaced by ``new`` at another; counts of comments."""

    old_threshold: float
    new_threshold: float
    old_flagged: int
    new_flagged: int
    newly_flagged: int
    no_longer_flagged: int

    @property
    def changed(self) -> int:
        """Comments that are decided otherwise."""
        return self.newly_flagged + self.no_longer_flagged


class Comparison:
    """Old and new scores (0..1) of the same texts, in the same order; a score at or above a threshold is flagged.

    Raises ValueError where there is none, or not as many of each.
    """

    def __init__(self, old: Sequence[float], new: Sequence[float]) -> None:
        if not old or len(old) != len(new):
            raise ValueError("a comparison needs as many old scores as new ones, and at least one")
        self.old: Floats = np.asarray(old, np.float64)
        self.new: Floats = np.asarray(new, np.float64)

    def at(self, old_threshold: float, new_threshold: float) -> Change:
        """Count what changes between the two thresholds."""
        before, after = self.old >= old_threshold, self.new >= new_threshold
        return Change(
            old_threshold=old_threshold,
            new_threshold=new_threshold,
            old_flagged=int(before.sum()),
            new_flagged=int(after.sum()),
            newly_flagged=int((after & ~before).sum()),
            no_longer_flagged=int((before & ~after).sum()),
        )

    def keeping(self, old_threshold: float) -> float:
        """Return the new threshold that flags as many as the old one did: half way between the two scores beside it.

        Where equal scores stand on both sides it lies on them, and all of them are flagged.
        """
        wanted = int((self.old >= old_threshold).sum())
        edges = np.concatenate(([1.0], np.sort(self.new)[::-1], [0.0]))
        return float((edges[wanted] + edges[wanted + 1]) / 2)

    def rank_correlation(self) -> float | None:
        """Return Spearman's coefficient (-1..1): whether both put the texts into the same order; None where one has no order."""
        ranks = [_ranks(scores) for scores in (self.old, self.new)]
        if any(np.ptp(rank) == 0 for rank in ranks):
            return None
        return float(np.corrcoef(ranks[0], ranks[1])[0, 1])

    def as_json(self, threshold: float) -> dict[str, Any]:
        """Return the findings for the site's threshold and for the usual ones."""
        return {
            "comments": len(self.old),
            "rank_correlation": self.rank_correlation(),
            "thresholds": [
                {"same": _named(self.at(each, each)), "keeping_the_rate": _named(self.at(each, self.keeping(each)))}
                for each in sorted({threshold, *USUAL})
            ],
        }


def _named(change: Change) -> dict[str, Any]:
    return {**asdict(change), "changed": change.changed}


def _ranks(scores: Floats) -> Floats:
    """Return each score's rank, equal ones sharing the mean of theirs."""
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    mean: Floats = (last - (count - 1) / 2)[place]
    return mean

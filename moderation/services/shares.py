"""A part of a whole, how sure the numbers are of it, and the comments that it is made of."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

BY_PEOPLE = text("decision.decider = 'moderator'")
"""The condition of the index over people's decisions, to the word: with a parameter in it no database knows that it fits."""
Z: float = 1.96
"""The interval holds the true share in 95 of 100 cases."""


@dataclass(frozen=True, slots=True)
class Share:
    """``part`` of ``whole`` comments; ``comments`` are those of the part, newest first."""

    part: int
    whole: int
    comments: tuple[UUID, ...] = ()

    @property
    def value(self) -> float:
        """The share from 0 to 1; 0 of nothing."""
        return self.part / self.whole if self.whole else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval, which stays honest for few comments; 0 to 1 where there is none."""
        if not self.whole:
            return 0.0, 1.0
        share, squared = self.value, Z * Z
        middle = share + squared / (2 * self.whole)
        margin = Z * math.sqrt(share * (1 - share) / self.whole + squared / (4 * self.whole**2))
        scale = 1 + squared / self.whole
        return max(0.0, (middle - margin) / scale), min(1.0, (middle + margin) / scale)


def share(found: Iterable[tuple[UUID, bool]]) -> Share:
    """Return the share of comments for which the second member is true."""
    rows = list(found)
    part = tuple(comment_id for comment_id, counted in rows if counted)
    return Share(len(part), len(rows), part)

"""One sentence of a longer text, read by the network alone: an insult among calm sentences is diluted by them.

The network judges a window as a whole, and training texts were abusive as a whole or not at all; so what would alarm by itself
is missed in a friendly paragraph, and who wants to be missed need only add one. The linear model of `moderation.scoring.pairs`
names the sentence whose words alarm most; where they alarm at all the network reads that sentence once more, alone. It counts a
little less than a comment of these words would, because it was taken out of its context, and not at all where little is left
of it: then the text as a whole says more. The numbers are part of the calibration, fitted by `training/closer_look.py`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ENDS: Final = re.compile(r"[.!?…;][^\w\s]{0,3}\s+|\n+")
_FEWEST: Final = 4
"""Tokens of a sentence; a shorter one belongs to the next."""
LONGEST: Final = 48
"""Tokens of a sentence; a longer one is read in pieces, so that leaving out full stops hides nothing."""
_PIECE: Final = 32
_STEP: Final = 24


@dataclass(frozen=True, slots=True)
class CloserLook:
    """From which toxicity logit of the linear model on a sentence is read alone, what is taken off each of its logits then, and
    from which toxicity logit on what is left counts.

    A text of fewer than ``fewest_tokens`` has no room to hide anything in.
    """

    fewest_tokens: int
    alarming_from: float
    discount: float
    counts_from: float

    def __post_init__(self) -> None:
        """Refuse what is no number, and a discount below zero; raises `ValueError`."""
        if not (np.isfinite((self.alarming_from, self.discount, self.counts_from)).all() and self.discount >= 0):
            raise ValueError("a closer look needs two limits and a discount of 0 or more")

    def with_sentence(self, whole: Floats, alone: Floats) -> Floats:
        """Return the logits of a text whose loudest sentence was read alone; what is not a number shows in them."""
        counted = alone - self.discount
        if counted[0] < self.counts_from:
            return whole
        found: Floats = np.maximum(whole, counted)
        return found

    @staticmethod
    def read(settings: Mapping[str, Any]) -> "CloserLook":
        """Read the part of a calibration; raises `ValueError` or `KeyError` where that is no closer look."""
        numbers = (float(settings[name]) for name in ("alarming_from", "discount", "counts_from"))
        return CloserLook(int(settings["fewest_tokens"]), *numbers)


def sentences(view: str, offsets: Sequence[tuple[int, int]]) -> list[slice]:
    """Cut a text's tokens into sentences and pieces of long ones; ``offsets`` has each token's first character and its end.

    Returns places among the tokens, in order, at least `_FEWEST` tokens each where the text has as many; none for one sentence.
    """
    ends = [match.end() for match in _ENDS.finditer(view)]
    cuts, at = [0], 0
    for place, (first, _) in enumerate(offsets):
        passed = at
        while at < len(ends) and ends[at] <= first:
            at += 1
        if at > passed and place - cuts[-1] >= _FEWEST:
            cuts.append(place)
    if len(offsets) - cuts[-1] < _FEWEST and len(cuts) > 1:
        cuts.pop()
    found = [piece for start, stop in zip(cuts, [*cuts[1:], len(offsets)], strict=True) for piece in _pieces(start, stop)]
    return found if len(found) > 1 else []


def _pieces(start: int, stop: int) -> Iterator[slice]:
    if stop - start <= LONGEST:
        yield slice(start, stop)
        return
    for first in range(start, stop - _PIECE + _STEP, _STEP):
        last = min(first + _PIECE, stop)
        yield slice(max(start, last - _PIECE), last)

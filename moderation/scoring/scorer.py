"""The port every toxicity scorer stands behind: author's text in, calibrated scores out.

The rest of the product knows only this protocol, so that the bundled model, an exported Detoxify model and Detoxify itself
on torch can be exchanged by configuration, and so that one contract test holds them all.
"""

from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

ATTRIBUTES: Final = ("toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack", "sexual_explicit")
"""Every attribute the product has a word for, in the order in which it is shown; a scorer may have fewer."""


class ScoringFailed(Exception):
    """The scorer could not judge a batch of texts: nothing is known about any of them, so each goes to a human.

    The message names the cause and never contains the text.
    """


@runtime_checkable
class Scorer(Protocol):
    """A model and its calibration, ready to judge texts on one core."""

    @property
    def version(self) -> str:
        """Name of the model and its calibration together, such as `bundled-2+3f9a2c1b`; equal versions give equal scores."""
        ...

    @property
    def engine(self) -> str:
        """What runs the model, one of `moderation.scoring.choice.ENGINES`."""
        ...

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes this scorer has, a subset of `ATTRIBUTES` in the same order."""
        ...

    def score(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Score each text as its author wrote it; the normalised view is taken inside.

        Returns one mapping per text, in the order given: attribute to calibrated probability from 0 to 1. An attribute whose
        value is not finite is left out of its mapping. Raises `ScoringFailed` when the texts could not be scored at all.
        """
        ...

    def estimate_ms(self, text: str) -> float:
        """Bound the cost of scoring this text alone on one core from above, in milliseconds, without tokenising it."""
        ...

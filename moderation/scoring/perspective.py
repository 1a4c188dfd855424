"""The attribute names of the Perspective API, each answered by what our models say.

Six names and OBSCENE, SEXUALLY_EXPLICIT and SPAM have an attribute of ours that means the same. The others stand for the
nearest one that we have, as docs/migrate/perspective.md lists them: clients ask for all of them in one request, and one refused
name would cost them the answers to the rest.
"""

import re
from collections.abc import Mapping
from math import isfinite
from typing import Final

_PRODUCTION: Final = {
    "TOXICITY": ("toxicity",),
    "SEVERE_TOXICITY": ("severe_toxicity",),
    "IDENTITY_ATTACK": ("identity_attack",),
    "INSULT": ("insult",),
    "PROFANITY": ("obscene",),
    "THREAT": ("threat",),
}
SOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    **_PRODUCTION,
    **{f"{name}_EXPERIMENTAL": ours for name, ours in _PRODUCTION.items()},
    "SEXUALLY_EXPLICIT": ("sexual_explicit",),
    "FLIRTATION": ("sexual_explicit",),
    "ATTACK_ON_AUTHOR": ("insult",),
    "ATTACK_ON_COMMENTER": ("insult",),
    "INCOHERENT": ("spam",),
    "INFLAMMATORY": ("toxicity",),
    "LIKELY_TO_REJECT": ("toxicity", "spam"),
    "OBSCENE": ("obscene",),
    "SPAM": ("spam",),
    "UNSUBSTANTIAL": ("spam",),
    "TOXICITY_FAST": ("toxicity",),
}
"""Perspective's name to ours; the highest value of those named is the answer."""

ENGLISH_ONLY: Final = frozenset(
    {
        "SEXUALLY_EXPLICIT", "FLIRTATION", "ATTACK_ON_AUTHOR", "ATTACK_ON_COMMENTER", "INCOHERENT", "INFLAMMATORY",
        "LIKELY_TO_REJECT", "OBSCENE", "SPAM", "UNSUBSTANTIAL",
    }
)  # fmt: skip
"""Attributes that Perspective itself had in English only."""

STANDS_IN: Final = {"sexual_explicit": "obscene"}
"""What is taken where a model has no such attribute at all."""

MOST_SPANS: Final = 64
"""Sentences that are scored one by one; of more, neighbours are taken together, so that no text costs without bound."""

_END: Final = ".!?\u2026"
_SENTENCE: Final = re.compile(rf"\S(?:[^\n{_END}]|[{_END}](?!\s|$))*[{_END}]?")


def score_of(name: str, values: Mapping[str, float]) -> float | None:
    """Return the probability (0..1) for a name of ``SOURCES``; None where a value that it needs is missing or not finite."""
    found = [values.get(ours, values.get(STANDS_IN.get(ours, ours))) for ours in SOURCES[name]]
    known = [value for value in found if value is not None and isfinite(value)]
    return min(1.0, max(0.0, *known)) if len(known) == len(found) else None


def spans(text: str) -> list[tuple[int, int]]:
    """Return where the sentences of a text stand, as half-open ranges of characters; the whole text where there is but one.

    A sentence ends at a mark before white space, or with its line. Between the ranges there is white space only.
    """
    found = [(match.start(), match.start() + len(match[0].rstrip())) for match in _SENTENCE.finditer(text)] or [(0, len(text))]
    size = -(-len(found) // MOST_SPANS)
    joined = [found[place : place + size] for place in range(0, len(found), size)]
    return [(group[0][0], group[-1][1]) for group in joined]

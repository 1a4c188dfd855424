"""Which language a text is in, for the doors that tell scores: of one that no model knows they tell none."""

from collections.abc import Sequence

from api.context import context
from moderation.signals import language
from moderation.signals.language import LanguageSignals
from moderation.text import normalise


def told_apart(text: str, own: str, served: Sequence[str], *, within: float) -> LanguageSignals | None:
    """Return the language of a text, ``own`` where there is doubt; None where it cannot be told in so many seconds."""
    if not context().models.knows_languages(within=within):
        return None
    return language.measure(normalise(text).text, own, served)

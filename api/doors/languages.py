"""Which language a text is in, for the doors that tell scores: of one that no model knows they tell none."""

from collections.abc import Sequence

from api.context import context
from api.scoring import LOADED_WITHIN
from moderation.signals import language
from moderation.signals.language import LanguageSignals
from moderation.text import normalise


def told_apart(text: str, own: str, served: Sequence[str]) -> LanguageSignals | None:
    """Return the language of a text, ``own`` where there is doubt; None where it cannot be told yet."""
    if not context().models.knows_languages(within=LOADED_WITHIN):
        return None
    return language.measure(normalise(text).text, own, served)

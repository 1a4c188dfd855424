"""What readers and authors are told, in each of our languages: by the comment section, the pages without JavaScript and by mail.

One file a language serves all of them, so that all say the same. A test holds the files to the same names and placeholders.
"""

import tomllib
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Final

from moderation.models import Decider
from moderation.services.own import Outcome, Own

LANGUAGES: Final = ("en", "de", "fr", "es")

WITH_REASON: Final = frozenset({Outcome.REJECTED, Outcome.REMOVED, Outcome.UPHELD, Outcome.UPHELD_ALONE})

Texts = Mapping[str, Any]


@cache
def texts(language: str) -> Texts:
    """Return the texts of one of our languages by part and name."""
    return tomllib.loads(files(__package__).joinpath("texts", f"{language}.toml").read_text(encoding="utf-8"))


def known(language: str | None) -> str | None:
    """Return which of our languages a language tag means; None for any other."""
    found = (language or "").partition("-")[0].lower()
    return found if found in LANGUAGES else None


def said(own: Own, language: str) -> str:
    """Return the sentence that tells an author what became of the comment."""
    found = texts(language)
    parts: Mapping[str, str] = found["said"]
    if own.outcome is Outcome.HELD and own.usual_wait is not None:
        return parts["held_usually"].format(wait=span(own.usual_wait, language))
    if own.outcome not in WITH_REASON:
        return parts[str(own.outcome)]
    by = parts["machine" if own.by is Decider.MACHINE else "moderator"]
    if own.reason == 9 and own.sentence:
        return parts[f"{own.outcome}_sentence"].format(sentence=_sentence(own.sentence), by=by)
    reason = _reason(found["reason"], own)
    return parts[str(own.outcome) if reason else f"{own.outcome}_bare"].format(reason=reason, by=by)


def span(wait: timedelta, language: str) -> str:
    """Return a time to wait in words, rounded up: ten minutes, an hour, three hours, two days."""
    parts: Mapping[str, str] = texts(language)["wait"]
    minutes = max(1, -int(-wait.total_seconds() // 60))
    if minutes <= 50:
        return parts["minutes"].format(n=-(-minutes // 10) * 10)
    hours = -(-minutes // 60)
    if hours < 20:
        return parts["hour"] if hours == 1 else parts["hours"].format(n=hours)
    days = -(-hours // 24)
    return parts["day"] if days == 1 else parts["days"].format(n=days)


def count(number: int, language: str) -> str:
    """Return how many comments there are."""
    parts: Mapping[str, str] = texts(language)["page"]
    return parts["none"] if number == 0 else parts["one"] if number == 1 else parts["many"].format(n=number)


def _reason(parts: Mapping[str, str], own: Own) -> str:
    if own.reason is None:
        return ""
    if own.sentence:
        return parts.get(f"{own.reason}_ground", "").format(ground=own.sentence.rstrip(". "))
    return parts.get(str(own.reason), "")


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."

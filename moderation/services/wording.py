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

SETTING: Final = "reason"
"""Part of the texts that a site may reword, and its key in the site's settings."""

GROUND: Final = "{ground}"
"""Where a moderator's words complete a reason."""

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
    reason = phrase({**found[SETTING], **reworded(own.settings, language)}, own.reason, ground=own.sentence)
    return parts[str(own.outcome) if reason else f"{own.outcome}_bare"].format(reason=reason, by=by)


def reworded(settings: Mapping[str, Any], language: str) -> Mapping[str, str]:
    """Return the reasons that a site says in its own words in a language, by name."""
    found: Mapping[str, str] = settings.get(SETTING, {}).get(language, {})
    return found


def phrase(reasons: Mapping[str, str], key: int | None, *, ground: str) -> str:
    """Return what completes "We did not publish this: it ..."; nothing for a reason that has no words of its own."""
    # A site's words are no format: whatever else stands in braces is theirs.
    return reasons.get(f"{key}_ground" if ground else str(key), "").replace(GROUND, ground.rstrip(". "))


def rejection(reason: str, language: str) -> str:
    """Return what an author reads whose comment a moderator did not publish for a reason in those words."""
    parts: Mapping[str, str] = texts(language)["said"]
    return parts["rejected"].format(reason=reason, by=parts["moderator"])


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


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."

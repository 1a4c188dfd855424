"""A site's own words for the reasons that authors read: by language, a version of its settings. What a key means stays the same.

What a site does not say in a language, the shipped text of that language says (``wording``).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from moderation.errors import Refused
from moderation.services import choosing, policies, wording

LONGEST: Final = 200
"""Characters of a phrase, which stands in the middle of a sentence."""


def shipped(language: str) -> Mapping[str, str]:
    """Return the phrases that a site may reword, by name: its key, or ``KEY_ground`` where a moderator completes it."""
    phrases: Mapping[str, str] = wording.texts(language)[wording.SETTING]
    return phrases


def own_words(session: Session, site_id: UUID, language: str) -> Mapping[str, str]:
    """Return what a site says otherwise in a language."""
    return wording.reworded(policies.settings(session, site_id), language)


def checked(language: str, phrases: Mapping[str, str]) -> dict[str, str]:
    """Return those phrases that say something else than the shipped ones, as they are stored; raises Refused for what is none."""
    usual = shipped(language)
    found = {}
    for name, phrase in phrases.items():
        words = " ".join(phrase.split()).rstrip(". ")
        if name not in usual or len(words) > LONGEST or not words.isprintable():
            raise Refused("reason", f"Give one line of at most {LONGEST} characters.", f"/reasons/{name}")
        wanted = usual[name].count(wording.GROUND)
        if words and words.count(wording.GROUND) != wanted:
            problem = f"Say where the words of the moderator go: {wording.GROUND}" if wanted else f"Leave {wording.GROUND} out"
            raise Refused("reason", f"{problem} (reason {name.partition('_')[0]}).", f"/reasons/{name}")
        if words and words != usual[name]:
            found[name] = words
    return found


def reword(session: Session, site_id: UUID, language: str, phrases: Mapping[str, str], *, by: str, now: datetime) -> None:
    """Let authors who read that language read these phrases from now on, the shipped ones where one is empty or left out.

    Raises Refused for what is no phrase.
    """
    stored = policies.settings(session, site_id).get(wording.SETTING, {})
    ours = {**stored, language: checked(language, phrases)}
    kept = {each: words for each, words in ours.items() if words}
    choosing.change_settings(session, site_id, {wording.SETTING: kept or None}, by=by, now=now)

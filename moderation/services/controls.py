"""What an editor sets: which posts there are to be set, and the site's own words."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.errors import Refused
from moderation.models import Post, Subject
from moderation.services import policies
from moderation.signals.words import Word, WordList, WordListError

LISTED = 30
"""Posts shown, the newest ones and those that an editor set."""
LISTS = {Subject.BANNED_WORDS: "banned", Subject.SUSPECT_WORDS: "suspect"}
OTHER = 9
"""Key of the reason that a word stands for where its line names none."""


def recent_posts(session: Session, site_id: UUID, *, also: UUID | None = None) -> list[Post]:
    """Return the posts that an editor may want to set: those set before, then the newest; ``also`` goes first."""
    were_set = session.scalars(
        select(Post).where(Post.site_id == site_id, Post.openness_set_at.is_not(None)).order_by(Post.id.desc()).limit(LISTED)
    ).all()
    newest = session.scalars(select(Post).where(Post.site_id == site_id).order_by(Post.id.desc()).limit(LISTED)).all()
    named = session.scalars(select(Post).where(Post.site_id == site_id, Post.id == also)).all() if also else []
    return list({post.id: post for post in (*named, *were_set, *newest)}.values())


def lines_of(content: dict[str, Any]) -> str:
    """Return a stored list as an editor writes it: a word a line, ``/pattern/`` for RE2, ``= 5`` for the reason it stands for."""
    return "\n".join(
        (f"/{word['text']}/" if word.get("pattern") else word["text"])
        + (f" = {word['reason']}" if word["reason"] != OTHER else "")
        for word in content.get("words", [])
    )


def save_words(session: Session, site_id: UUID, subject: Subject, lines: Iterable[str], *, by: str, now: datetime) -> int:
    """Store a list as its next version and put it into force; returns how many entries it has. Raises Refused by line."""
    words = [(number, _word(line)) for number, line in enumerate(lines, start=1) if line.strip()]
    try:
        WordList.compile(word for _, word in words)
    except WordListError as wrong:
        raise Refused("word", f"Line {words[wrong.entry][0]}: {wrong.problem}.", "/words") from wrong
    entries = [{"text": word.text, "reason": word.reason, "pattern": word.pattern} for _, word in words]
    version = policies.add_version(session, site_id, subject, LISTS[subject], {"words": entries}, by=by, now=now)
    policies.activate(session, version, by=by, now=now)
    return len(entries)


def _word(line: str) -> Word:
    text, equals, reason = line.rpartition("=")
    if equals and reason.strip().isascii() and reason.strip().isdecimal() and len(reason.strip()) < 3:
        key = int(reason)
    else:
        text, key = line, OTHER
    text = text.strip()
    if len(text) > 2 and text.startswith("/") and text.endswith("/"):
        return Word(text=text[1:-1], reason=key, pattern=True)
    return Word(text=text, reason=key)

"""What an editor sets: what a post accepts and until when, and the site's own words."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.errors import NotFound, Refused
from moderation.ids import show
from moderation.models import Openness, Post, Subject
from moderation.services import audit, policies
from moderation.signals.words import Word, WordList, WordListError

LISTED = 30
"""Posts shown, the newest ones and those that are not open."""
LISTS = {Subject.BANNED_WORDS: "banned", Subject.SUSPECT_WORDS: "suspect"}
OTHER = 9
"""Key of the reason that a word stands for where its line names none."""
LONGEST = timedelta(days=3660)


def recent_posts(session: Session, site_id: UUID, *, also: UUID | None = None) -> list[Post]:
    """Return the posts that an editor may want to set: those not open first, then the newest; ``also`` goes before all."""
    closed = session.scalars(
        select(Post).where(Post.site_id == site_id, Post.openness != Openness.OPEN).order_by(Post.id.desc()).limit(LISTED)
    ).all()
    newest = session.scalars(select(Post).where(Post.site_id == site_id).order_by(Post.id.desc()).limit(LISTED)).all()
    named = session.scalars(select(Post).where(Post.site_id == site_id, Post.id == also)).all() if also else []
    return list({post.id: post for post in (*named, *closed, *newest)}.values())


def set_openness(
    session: Session, site_id: UUID, post_id: UUID, openness: Openness, *, until: datetime | None, by: str, now: datetime
) -> Post:
    """Say what a post accepts from now on, until a time or for good.

    Raises NotFound, and Refused for a time that is over or more than ten years ahead.
    """
    post = session.scalars(select(Post).where(Post.site_id == site_id, Post.id == post_id)).first()
    if post is None:
        raise NotFound("post", show("post", post_id))
    if until is not None and not now < until < now + LONGEST:
        raise Refused("until", "That time is over already, or too far ahead.", "/until")
    post.openness = openness
    post.openness_until = until if openness is not Openness.OPEN else None
    audit.record(
        session,
        site_id=site_id,
        actor=by,
        action="post.set",
        subject=show("post", post_id),
        now=now,
        openness=str(openness),
        until=until.isoformat() if until is not None else None,
    )
    session.flush()
    return post


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

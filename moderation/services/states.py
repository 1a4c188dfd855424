"""A comment as a blog should show it now, which is all that a publisher is ever told; and the publisher made ready to hear it."""

import re
from functools import partial
from html import unescape
from typing import Final
from unicodedata import normalize

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.ids import show
from moderation.models import Author, Comment, Decision, IdentityKind, Post, Publisher, Revision, Status
from moderation.outbound import credentials
from moderation.outbound.publishers import KINDS, CommentState
from moderation.outbound.publishers import Publisher as Way
from moderation.policy.shipped import REASONS, SPAM, in_words
from moderation.policy.verdict import Verdict

_TAG: Final = re.compile(r"<[^>]*>")


def state_of(session: Session, comment: Comment, *, remote_id: str | None = None) -> CommentState:
    """Return a comment as a blog should show it now; ``remote_id`` is the id by which it was found there before."""
    post = session.get_one(Post, comment.post_id)
    author = session.get_one(Author, comment.author_id)
    visible = comment.visible_revision is not None
    decision = session.scalars(
        select(Decision).where(Decision.comment_id == comment.id, Decision.seq == comment.decision_seq)
    ).one_or_none()
    shown = comment.visible_revision if visible else comment.current_revision
    body = session.scalar(select(Revision.body).where(Revision.comment_id == comment.id, Revision.number == shown)) or ""
    is_named = author.identity_kind is IdentityKind.VERIFIED
    return CommentState(
        id=show("comment", comment.id),
        external_id=comment.external_id,
        version=comment.version,
        status=str(comment.status),
        visible=visible,
        revision=comment.visible_revision,
        body=body if visible else None,
        author_name=author.name if visible else None,
        author_url=author.url if visible else None,
        parent_id=show("comment", comment.parent_id) if comment.parent_id else None,
        post_id=post.external_id,
        post_url=post.url,
        created_at=comment.created_at,
        spam=decision is not None and is_spam(decision),
        explanation=said(decision),
        coral_code=_coral_code(decision),
        remote_id=remote_id,
        recognises=partial(_is_it, author.identity_key if is_named else None, body),
    )


def is_spam(decision: Decision) -> bool:
    """Tell whether a decision rejects its comment for spam."""
    reasons = {rule.get("reason") for rule in decision.reasons if rule.get("verdict") == Verdict.REJECT}
    return decision.status is Status.REJECTED and (decision.reason == SPAM or reasons == {SPAM})


def _coral_code(decision: Decision | None) -> str:
    """Return Coral's code for the reason that a comment was rejected for, empty where it was not."""
    if decision is None or decision.status is not Status.REJECTED:
        return ""
    keys = [decision.reason, *(rule.get("reason") for rule in decision.reasons if rule.get("verdict") == Verdict.REJECT)]
    return next((REASONS[key].coral_code for key in keys if key in REASONS), "")


def _is_it(author_id: str | None, body: str, author_there: str, markup: str) -> bool:
    # What another system makes of spaces and line ends on the way from its HTML to the text that we got is its own affair.
    return author_id == author_there and bool(body) and _letters(body) == _letters(unescape(_TAG.sub("", markup)))


def _letters(text: str) -> str:
    return "".join(normalize("NFC", text).split())


def said(decision: Decision | None) -> str:
    """Return in a few words what was decided, by machine or moderator and for which reasons, for the blog's moderators."""
    if decision is None:
        return "not decided yet"
    return in_words(
        str(decision.status),
        by=str(decision.decider),
        reasons=[decision.reason] if decision.reason else [rule.get("reason") for rule in decision.reasons],
    )


def opened(master: bytes, publisher: Publisher) -> Way:
    """Return a publisher ready to be used, with what it signs in by; raises credentials.Unreadable."""
    config = dict(publisher.config)
    sealed: dict[str, str] = config.pop("sealed", {})
    secrets = {name: credentials.unseal(master, publisher.id, name, value) for name, value in sealed.items()}
    return KINDS[publisher.kind].make({**config, **secrets})

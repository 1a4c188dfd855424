"""Judging a comment before it is stored, for doors whose callers cannot come back for the answer.

The models are asked with no transaction open; then comment, revision, assessment, decision and event are one transaction. There
is no job, and no moment in which the comment waits for somebody. A text that the models could not judge in time is stored with
a decision, too: that a person has to read it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation import signals
from moderation.database import Database
from moderation.errors import NotFound
from moderation.ids import show
from moderation.models import Comment, Decision, IdentityKind, Revision, Status
from moderation.services import assessment, authors, decisions, facts, policies, posts, submission
from moderation.services.asking import Scoring
from moderation.services.assessment import Prepared
from moderation.services.submission import Submission

EDITS_WITHIN = timedelta(hours=24)
"""How old a comment may be that its author is taken to edit where the caller does not say which one it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """Where a comment stands that was let in: ``public`` says that its newest revision may be read by everybody.

    ``reasons`` are those of the newest decision: rules that matched (machine), or the key that a moderator chose.
    """

    comment_id: UUID
    status: Status
    public: bool
    reasons: tuple[dict[str, Any], ...]
    reason: int | None


def admit(
    database: Database,
    score: Scoring,
    site_id: UUID,
    asked: Submission,
    *,
    door: str,
    edit: bool = False,
    is_awaited: Callable[[], bool] = lambda: True,
    secret: bytes,
    now: datetime,
) -> Admitted:
    """Judge and store a comment that its caller vouches for; one that is known already is answered as it stands.

    ``edit`` says that it is a new text of an earlier comment of the same author under the same post: of the only one within a
    day, where there is exactly one. ``is_awaited`` is asked last thing before the policy: where the caller has gone on without
    the answer, the text counts as not scored, so that what is stored is what the caller was told. Raises Refused for a comment
    that was withdrawn or erased.
    """
    with database.reading() as session:
        text = _text_to_score(session, site_id, asked)
        post = posts.known(session, site_id, asked.post)
        models = policies.in_force(session, site_id, post.id if post else None).models
        asked = replace(asked, parent_id=_known_parent(session, site_id, asked))
    scored = score(text, models)

    def unit(session: Session) -> Admitted:
        comment = _stored(session, site_id, asked, edit=edit, secret=secret, now=now)
        if assessment.awaits(session, comment, comment.current_revision):
            in_force = policies.in_force(session, site_id, comment.post_id)
            prepared = Prepared(in_force, facts.gather(session, comment, in_force, secret=secret, now=now))
            # Nor may a model decide that the site chose away in the meantime.
            counts = in_force.models.live == models.live and is_awaited()
            given = scored if counts else replace(scored, values=None, spam=None, beside=None)
            found = prepared.assessed(lambda *_: given)
            cause = f"{door}:{comment.id.hex}:{comment.current_revision}"
            outcome = assessment.record(session, comment, prepared, found, cause=cause, now=now)
            return _admitted(comment, decisions.decide(session, comment, outcome, now=now))
        newest = select(Decision).where(Decision.comment_id == comment.id, Decision.seq == comment.decision_seq)
        return _admitted(comment, session.scalars(newest).one())

    return database.transact(unit)


def by_external_id(session: Session, site_id: UUID, external_id: str) -> Comment | None:
    """Return the comment that the caller knows by that id, None for none."""
    found = _of_external(session, site_id, external_id)
    return decisions.lock(session, site_id, found) if found is not None else None


def by_text(session: Session, site_id: UUID, *, post: posts.PostReference, body: str, author_id: str | None) -> Comment | None:
    """Return the comment under a post whose newest revision says that, of that verified author where one is named.

    None where there is none, or more than one: whoever asks has no other way to tell them apart.
    """
    found = posts.known(session, site_id, post)
    if found is None:
        return None
    wanted = (
        select(Comment)
        .join(Revision, (Revision.comment_id == Comment.id) & (Revision.number == Comment.current_revision))
        .where(Comment.site_id == site_id, Comment.post_id == found.id, Revision.text_hash == submission.text_hash(body))
        .limit(2)
    )
    if author_id is not None:
        author = authors.find_author(session, site_id, IdentityKind.VERIFIED, [author_id])
        if author is None:
            return None
        wanted = wanted.where(Comment.author_id == author.id)
    comments = session.scalars(wanted).all()
    return comments[0] if len(comments) == 1 else None


def _text_to_score(session: Session, site_id: UUID, asked: Submission) -> str:
    """Return the author's own words, as the assessment will find them."""
    post = posts.known(session, site_id, asked.post)
    parent = _of_external(session, site_id, asked.parent_id)
    quoted = (post.title if post else asked.post.title, post.excerpt if post else "", facts.visible_text(session, parent))
    revision = signals.Revision(body=asked.body)
    return signals.text_to_score(
        revision, signals.Facts(post=signals.PostFacts(setting="open", texts=[text for text in quoted if text]))
    )


def _known_parent(session: Session, site_id: UUID, asked: Submission) -> str | None:
    """Return our id of the parent; a caller may reply to what never came through this door."""
    parent = _of_external(session, site_id, asked.parent_id)
    if parent is None:
        return None
    comment = session.get_one(Comment, parent)
    post = posts.known(session, site_id, asked.post)
    return show("comment", parent) if post is not None and comment.post_id == post.id else None


def _of_external(session: Session, site_id: UUID, external_id: str | None) -> UUID | None:
    if external_id is None:
        return None
    return session.scalar(select(Comment.id).where(Comment.site_id == site_id, Comment.external_id == external_id))


def _stored(session: Session, site_id: UUID, asked: Submission, *, edit: bool, secret: bytes, now: datetime) -> Comment:
    earlier = _edited(session, site_id, asked, now=now) if edit else None
    if earlier is not None:
        comment = submission.revise(session, site_id, earlier, body=asked.body, language=asked.language, now=now, cost_ms=None)
        if is_provisional(comment.external_id, asked.external_id):
            comment.external_id = asked.external_id
        return comment
    receipt = submission.submit(session, site_id, asked, vouched=True, secret=secret, now=now, cost_ms=None)
    found = decisions.lock(session, site_id, receipt.comment_id)
    if found is None:
        raise NotFound("comment", show("comment", receipt.comment_id))
    return found


def is_provisional(external_id: str | None, like: str | None) -> bool:
    """Tell whether an id stands in for the caller's own (``feedback.known_as``) at the same door as another one."""
    door, colon, _ = (like or "").partition(":")
    return bool(colon) and (external_id or "").startswith(f"{door}:")


def _edited(session: Session, site_id: UUID, asked: Submission, *, now: datetime) -> UUID | None:
    """Return the comment that an edit must be of; None where its text is known already or there is no telling."""
    author = authors.find_author(session, site_id, IdentityKind.VERIFIED, [asked.author.id]) if asked.author.id else None
    post = posts.known(session, site_id, asked.post)
    if author is None or post is None or _of_external(session, site_id, asked.external_id) is not None:
        return None
    wanted = select(Comment.id).where(
        Comment.site_id == site_id,
        Comment.author_id == author.id,
        Comment.created_at > now - EDITS_WITHIN,
        Comment.post_id == post.id,
        Comment.status.not_in((Status.WITHDRAWN, Status.ERASED)),
    )
    found = session.scalars(wanted.limit(2)).all()
    return found[0] if len(found) == 1 else None


def _admitted(comment: Comment, newest: Decision) -> Admitted:
    return Admitted(
        comment_id=comment.id,
        status=comment.status,
        public=comment.visible_revision == comment.current_revision,
        reasons=tuple(newest.reasons),
        reason=newest.reason,
    )

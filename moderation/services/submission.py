"""Taking a comment in: the comment, its revision, its job, its event and the request's idempotency record are one transaction."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from unicodedata import normalize
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from moderation import queue
from moderation.database import store
from moderation.errors import IdempotencyMismatch, NotFound, Refused, TidegateError, UnknownId
from moderation.ids import new_id, read, show
from moderation.models import Comment, Idempotency, JobKind, Post, Revision, Site, Status, columns
from moderation.services import authors, comments, decisions, events, followers, posts, privacy, wording

COST_MS = 10.0
"""Assumed scoring cost of a comment whose intake gave no estimate, in milliseconds on one core."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A comment as a blog or a reader's browser sends it; ``parent_id`` is our id or the blog's own.

    ``notify`` says that the author wants to be told by mail what becomes of it, in ``notify_language`` (the site's without).
    """

    post: posts.PostReference
    author: authors.AuthorClaim
    body: str
    parent_id: str | None = None
    external_id: str | None = None
    submitted_at: datetime | None = None
    language: str | None = None
    honeypot: str | None = None
    seconds_to_submit: float | None = None
    notify: bool = False
    notify_language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """An idempotency key: ``scope`` says whose it is, ``fingerprint`` what was asked (SHA-256 of the request)."""

    scope: str
    key: str
    fingerprint: bytes


# Asked for every comment, so made once: building a statement takes longer than asking it.
_COMMENT = columns(Comment)
_KNOWN = select(_COMMENT.id).where(_COMMENT.site_id == bindparam("site"), _COMMENT.external_id == bindparam("external_id"))
_IDEMPOTENCY = columns(Idempotency)
_RECALLED = select(_IDEMPOTENCY.fingerprint, _IDEMPOTENCY.comment_ids).where(
    _IDEMPOTENCY.scope == bindparam("scope"), _IDEMPOTENCY.key == bindparam("key")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The comment that a submission made, as it was made, or had made before (then ``made`` is None)."""

    comment_id: UUID
    made: comments.CommentView | None = None

    @property
    def created(self) -> bool:
        """Tell whether the comment is new."""
        return self.made is not None


def submit(
    session: Session,
    site_id: UUID,
    submission: Submission,
    *,
    vouched: bool,
    secret: bytes,
    once: Once | None = None,
    now: datetime,
    cost_ms: float | None = COST_MS,
) -> Receipt:
    """Store a comment with everything that has to happen to it, or find the one that the same request made before.

    ``vouched`` says that the caller holds a secret key, so that ``author.id`` is a verified identity. A known
    ``external_id`` with the same text is the same comment, with another text a new revision of it. Without ``cost_ms`` there
    is no job: the caller has asked the models already and decides in the same transaction. Raises IdempotencyMismatch,
    NotFound (the parent) and Refused (a parent under another post; mail without an address).
    """
    if once is not None and (known := _recall(session, once)) is not None:
        return Receipt(comment_id=UUID(hex=known[0]))
    receipt = _take_in(session, site_id, submission, vouched=vouched, secret=secret, now=now, cost_ms=cost_ms)
    if once is not None:
        _remember(session, site_id, once, [receipt.comment_id.hex], now=now)
    return receipt


def submit_many(
    session: Session,
    site_id: UUID,
    submissions: Sequence[Submission],
    *,
    vouched: bool,
    secret: bytes,
    once: Once | None = None,
    now: datetime,
    cost_ms: float = COST_MS,
) -> list[Receipt | TidegateError]:
    """Store several comments in one transaction; an item that is refused says why and does not hold up the others.

    The same request again gives the same comments, and another chance to the items that were refused.
    """
    recalled = _recall(session, once) if once else None
    known = recalled or [""] * len(submissions)
    results: list[Receipt | TidegateError] = []
    for submission, comment_id in zip(submissions, known, strict=True):
        if comment_id:
            results.append(Receipt(comment_id=UUID(hex=comment_id)))
            continue
        try:
            with session.begin_nested():
                results.append(_take_in(session, site_id, submission, vouched=vouched, secret=secret, now=now, cost_ms=cost_ms))
        except TidegateError as refused:
            results.append(refused)
    if once is not None:
        made = [result.comment_id.hex if isinstance(result, Receipt) else "" for result in results]
        if recalled is None:
            _remember(session, site_id, once, made, now=now)
        elif made != recalled:
            session.execute(
                update(Idempotency)
                .where(Idempotency.scope == once.scope, Idempotency.key == once.key)
                .values(comment_ids=made)
                .execution_options(synchronize_session=False)
            )
    return results


def revise(
    session: Session,
    site_id: UUID,
    comment_id: UUID,
    *,
    body: str,
    language: str | None = None,
    now: datetime,
    cost_ms: float | None = COST_MS,
) -> Comment:
    """Store a new revision of a comment, to be moderated anew; what was public stays so until that is done.

    The same text again changes nothing. Raises NotFound, and Refused for a comment that was withdrawn or erased.
    """
    comment = _locked(session, site_id, comment_id)
    _revise(session, comment, body=body, language=language, now=now, cost_ms=cost_ms)
    return comment


def withdraw(session: Session, site_id: UUID, comment_id: UUID, *, now: datetime) -> Comment:
    """Take a comment back for its author: it leaves the public and the queue. A second time changes nothing.

    Raises NotFound.
    """
    comment = _locked(session, site_id, comment_id)
    if comment.status not in {Status.WITHDRAWN, Status.ERASED}:
        decisions.set_status(session, comment, Status.WITHDRAWN, now=now, event=events.WITHDRAWN, visible_revision=None)
    return comment


def _locked(session: Session, site_id: UUID, comment_id: UUID) -> Comment:
    comment = decisions.lock(session, site_id, comment_id)
    if comment is None:
        raise NotFound("comment", show("comment", comment_id))
    return comment


def _take_in(
    session: Session, site_id: UUID, submission: Submission, *, vouched: bool, secret: bytes, now: datetime, cost_ms: float | None
) -> Receipt:
    if submission.external_id is not None:
        known = session.execute(_KNOWN, {"site": site_id, "external_id": submission.external_id}).scalar()
        if known is not None:
            _revise(
                session,
                _locked(session, site_id, known),
                body=submission.body,
                language=submission.language,
                now=now,
                cost_ms=cost_ms,
            )
            return Receipt(comment_id=known)
    email = submission.author.email
    if submission.notify and not email:
        raise Refused("notify-without-email", "To be told by mail, give an e-mail address.", "/author/email")
    post = posts.resolve(session, site_id, submission.post, now=now)
    parent = _parent(session, site_id, post, submission.parent_id)
    comment_id = new_id()
    hashes = authors.address_hashes(session, secret, site_id, submission.author.address, now=now)
    author = authors.author_of(
        session, site_id, submission.author, vouched=vouched, secret=secret, hashes=hashes, fresh=comment_id, now=now
    )
    comment = Comment(
        id=comment_id,
        site_id=site_id,
        created_at=now,
        post_id=post.id,
        author_id=author.id,
        parent_id=parent,
        external_id=submission.external_id,
        status=Status.PENDING,
        version=1,
        decision_seq=0,
        current_revision=1,
        human_rejected=False,
        submitted_at=submission.submitted_at,
    )
    store(session, comment)
    agent = submission.author.user_agent
    revision = _add_revision(
        session,
        comment,
        number=1,
        body=submission.body,
        language=submission.language,
        now=now,
        address_hash=hashes[0] if hashes else None,
        user_agent_hash=privacy.keyed_hash(secret, b"user agent", site_id.bytes, agent) if agent else None,
        context={
            "author_name": submission.author.name,
            "author_url": submission.author.url,
            "honeypot": submission.honeypot,
            "seconds_to_submit": submission.seconds_to_submit,
        },
    )
    if submission.notify and email:
        asked = wording.known(submission.notify_language) or wording.known(session.get_one(Site, site_id).language)
        followers.follow(
            session,
            comment,
            email,
            language=asked or wording.LANGUAGES[0],
            vouched=submission.author.email_verified,
            secret=secret,
            now=now,
        )
    events.emit(session, events.SUBMITTED, comment, now=now)
    _enqueue(session, comment, now=now, cost_ms=cost_ms)
    return Receipt(comment_id=comment.id, made=comments.fresh(comment, revision, post=post, author=author))


def _revise(session: Session, comment: Comment, *, body: str, language: str | None, now: datetime, cost_ms: float | None) -> None:
    if comment.status in {Status.WITHDRAWN, Status.ERASED}:
        raise Refused("gone", f"The comment was {comment.status}; it takes no new text.", "/body")
    current = session.scalars(
        select(Revision).where(Revision.comment_id == comment.id, Revision.number == comment.current_revision)
    ).one()
    if current.text_hash == text_hash(body):
        return
    number = comment.current_revision + 1
    _add_revision(
        session,
        comment,
        number=number,
        body=body,
        language=language or current.language,
        now=now,
        address_hash=current.address_hash,
        user_agent_hash=current.user_agent_hash,
        # How a form was filled in says something about its first sending only.
        context={**current.context, "honeypot": None, "seconds_to_submit": None, "redacted_by": None},
    )
    decisions.set_status(session, comment, Status.PENDING, now=now, event=events.REVISED, current_revision=number)
    _enqueue(session, comment, now=now, cost_ms=cost_ms)


def _add_revision(
    session: Session,
    comment: Comment,
    *,
    number: int,
    body: str,
    language: str | None,
    now: datetime,
    address_hash: bytes | None,
    user_agent_hash: bytes | None,
    context: dict[str, object],
) -> Revision:
    revision = Revision(
        id=new_id(),
        site_id=comment.site_id,
        created_at=now,
        comment_id=comment.id,
        number=number,
        body=body,
        language=language,
        text_hash=text_hash(body),
        address_hash=address_hash,
        user_agent_hash=user_agent_hash,
        context=context,
    )
    store(session, revision)
    return revision


def _enqueue(session: Session, comment: Comment, *, now: datetime, cost_ms: float | None) -> None:
    if cost_ms is None:
        return
    queue.enqueue(
        session,
        JobKind.MODERATE,
        site_id=comment.site_id,
        subject_id=comment.id,
        revision=comment.current_revision,
        now=now,
        cost_ms=cost_ms,
    )


def text_hash(body: str) -> bytes:
    """Return sixteen bytes that tell whether a text is another one."""
    # Compared with another text of the same comment only, so that a resent comment is known; the text stands beside it.
    return hashlib.blake2b(normalize("NFC", body).encode(), digest_size=16).digest()


def _parent(session: Session, site_id: UUID, post: Post, parent_id: str | None) -> UUID | None:
    if parent_id is None:
        return None
    try:
        named = Comment.id == read("comment", parent_id)
    except UnknownId:
        named = Comment.external_id == parent_id
    parent = session.scalars(select(Comment).where(Comment.site_id == site_id, named)).first()
    if parent is None:
        raise Refused("unknown-parent", "There is no such comment to reply to.", "/parent_id")
    if parent.post_id != post.id:
        raise Refused("parent-elsewhere", "The comment replied to stands under another post.", "/parent_id")
    return parent.id


def _recall(session: Session, once: Once) -> list[str] | None:
    known = session.execute(_RECALLED, {"scope": once.scope, "key": once.key}).first()
    if known is None:
        return None
    if known.fingerprint != once.fingerprint:
        raise IdempotencyMismatch(once.key)
    comment_ids: list[str] = known.comment_ids
    return comment_ids


def _remember(session: Session, site_id: UUID, once: Once, made: list[str], *, now: datetime) -> None:
    """Insert the record: a twin that was faster makes this fail on the key, and the whole transaction is repeated."""
    store(
        session,
        Idempotency(
            scope=once.scope, key=once.key, site_id=site_id, fingerprint=once.fingerprint, comment_ids=made, created_at=now
        ),
    )

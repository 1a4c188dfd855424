"""The link in a moderator's letter: it opens one comment for one person, and decides about it once.

It is the message's id with a keyed hash of it under the installation's master secret, so nothing of it is stored and a stolen
database opens nothing. Opening it changes nothing, because mail scanners open links; deciding spends it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from moderation.errors import TidegateError
from moderation.models import Case, Comment, Decision, Membership, Message, Post, Revision, Site, User
from moderation.policy.verdict import Verdict
from moderation.services import notices, review, tokens
from moderation.services.review import CaseView

VALID: Final = timedelta(days=3)
"""How long a link decides; the case is in the queue anyway."""

PURPOSE: Final = b"letter's link"


class BadLink(TidegateError):
    """The link opens nothing: it is not ours, too old, or its reader has no say here any more."""

    def __init__(self) -> None:
        super().__init__("This link does not open anything any more. The comment is in the queue, if it still waits.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What a link opens: the comment as it is now, and what was done with it.

    ``body`` is None for an erased one; ``case`` is None where nobody has to decide any more. ``mine`` is the decision that the
    link made, ``newest`` the newest of all, by ``newest_by`` where a person made it.
    """

    message: Message
    site: Site
    user: User
    comment: Comment
    body: str | None
    language: str | None
    post_title: str
    case: CaseView | None
    mine: Decision | None
    newest: Decision | None
    newest_by: str

    @property
    def revised(self) -> bool:
        """Tell whether the author changed the comment since the letter."""
        return self.comment.current_revision != self.message.revision

    @property
    def spent(self) -> bool:
        """Tell whether the link has decided."""
        return self.message.used_at is not None


def token_of(secret: bytes, message_id: UUID) -> str:
    """Return the token that opens a message's comment for its receiver."""
    return tokens.make(secret, PURPOSE, message_id)


def address(public_url: str, token: str) -> str:
    """Return the link; the token is in the query, which no access log keeps."""
    return f"{public_url}/console/letter?token={token}"


def opened(session: Session, token: str, *, secret: bytes, now: datetime) -> Opened:
    """Return what a token opens, without spending it; raises BadLink."""
    row = session.execute(
        select(Message, User, Site, Comment, Membership.role)
        .join(User, User.id == Message.user_id)
        .join(Site, Site.id == Message.site_id)
        .join(Comment, Comment.id == Message.comment_id)
        .join(Membership, (Membership.site_id == Message.site_id) & (Membership.user_id == User.id))
        .where(Message.id == tokens.read(secret, PURPOSE, token), Message.created_at > now - VALID, User.disabled_at.is_(None))
        .execution_options(populate_existing=True)
    ).first()
    if row is None or row[4] not in notices.DECIDES:
        raise BadLink
    message, user, site, comment, _ = row
    waits = session.scalars(select(Case.id).where(Case.comment_id == comment.id, Case.closed_at.is_(None))).first()
    text = session.execute(
        select(Revision.body, Revision.language).where(
            Revision.comment_id == comment.id, Revision.number == comment.current_revision
        )
    ).first()
    post = session.get_one(Post, comment.post_id)
    newest, by = _newest(session, comment)
    return Opened(
        message=message,
        site=site,
        user=user,
        comment=comment,
        body=text.body if text is not None and comment.status not in review.GONE else None,
        language=text.language if text is not None else None,
        post_title=post.title or post.url,
        case=review.case(session, site.id, waits, now=now) if waits is not None else None,
        mine=session.scalars(
            select(Decision).where(Decision.site_id == site.id, Decision.cause == _cause(message))
        ).one_or_none(),
        newest=newest,
        newest_by=by,
    )


def decide(
    session: Session,
    token: str,
    *,
    verdict: Verdict,
    revision: int,
    reason: int | None,
    note: str,
    secret: bytes,
    now: datetime,
) -> Decision:
    """Decide about the revision that was read, and spend the link; a second time gives the decision that it made.

    Raises BadLink, and what ``review.decide`` raises: then nothing is spent.
    """
    found = opened(session, token, secret=secret, now=now)
    if found.mine is not None:
        return found.mine
    decision = review.decide(
        session,
        found.site.id,
        found.comment.id,
        verdict=verdict,
        revision=revision,
        reason=reason,
        note=note,
        user_id=found.user.id,
        cause=_cause(found.message),
        now=now,
    )
    session.execute(
        update(Message).where(Message.id == found.message.id).values(used_at=now).execution_options(synchronize_session=False)
    )
    return decision


def _newest(session: Session, comment: Comment) -> tuple[Decision | None, str]:
    row = session.execute(
        select(Decision, User.name)
        .outerjoin(User, User.id == Decision.user_id)
        .where(Decision.comment_id == comment.id, Decision.seq == comment.decision_seq)
    ).first()
    return (row[0], row[1] or "") if row is not None else (None, "")


def _cause(message: Message) -> str:
    return f"letter:{message.id.hex}"

"""Authors who asked to be told by mail: the address is confirmed first, then told what a person decided and who answered.

Nobody else is mailed. Who signed in at a blog that vouches for the address says yes by asking. An address that was only typed
gets one neutral letter a day at most, which holds nothing that its sender chose, and nothing more before its owner says yes; so a
comment form is no way to mail strangers.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from moderation.database import answer, asked_once, insert_now
from moderation.errors import NotFound
from moderation.ids import new_id
from moderation.models import (
    Comment,
    Decider,
    Decision,
    DeliveryState,
    Follower,
    Following,
    Message,
    MessageKind,
    Status,
    columns,
)
from moderation.outbound import credentials
from moderation.services import messages, privacy, tokens

PURPOSE: Final = b"follower"
ADDRESS: Final = "address"
"""The name under which an address is sealed."""

ASK_AGAIN: Final = timedelta(days=1)
"""How long an address that was not confirmed is not asked again."""

LEFT_ALONE: Final = timedelta(days=30)
"""How long an address is neither kept nor asked after its owner said stop."""

ASKED_AN_HOUR: Final = 60
"""Addresses that a site asks in an hour, whoever typed them."""

TOLD_A_DAY: Final = 20
"""Letters that one address gets from a site in a day."""

UNCONFIRMED_KEPT: Final = timedelta(days=7)

FINAL: Final = frozenset({Status.APPROVED, Status.REJECTED})

# Asked for every decision, so made once.
_FOLLOWING = columns(Following)
_FOLLOWED = select(_FOLLOWING.follower_id).where(_FOLLOWING.comment_id == bindparam("comment"))
_FOLLOWED_ALL = select(_FOLLOWING.comment_id, _FOLLOWING.follower_id).where(
    _FOLLOWING.comment_id.in_(bindparam("comments", expanding=True))
)


def follow(
    session: Session, comment: Comment, email: str, *, language: str, vouched: bool = False, secret: bytes, now: datetime
) -> None:
    """Note that a comment's author wants to be told by mail; nothing is sent before the comment is decided.

    Nothing is noted for a month after the address's owner said stop, whoever types it. ``vouched`` says that the blog knows the
    address to be the author's: then the ticked box is the yes, also after a stop.
    """
    # The comment may be among what a joined transaction inserts at its end, and what is stored here refers to it.
    insert_now(session)
    key = privacy.email_hash(secret, comment.site_id, email)
    found = session.scalars(
        select(Follower).where(Follower.site_id == comment.site_id, Follower.address_key == key).with_for_update()
    ).first()
    if found is None:
        found = Follower(id=new_id(), site_id=comment.site_id, created_at=now, address_key=key, sealed="")
        session.add(found)
    if not vouched and found.stopped_at is not None and found.stopped_at > now - LEFT_ALONE:
        return
    # As if it had never been there: an address that nobody confirms goes after a week.
    found.stopped_at = None
    if not found.sealed:
        found.sealed = credentials.seal(secret, found.id, ADDRESS, email.strip())
    if vouched and found.confirmed_at is None:
        found.confirmed_at = now
    session.flush()
    session.add(
        Following(comment_id=comment.id, site_id=comment.site_id, follower_id=found.id, language=language, created_at=now)
    )
    session.flush()


def forget(session: Session, comment: Comment) -> None:
    """End what a comment's author asked for, and forget the address where nothing else needs it."""
    follower_id = session.scalar(_FOLLOWED, {"comment": comment.id})
    if follower_id is None:
        return
    session.execute(delete(Following).where(Following.comment_id == comment.id).execution_options(synchronize_session=False))
    if session.scalar(select(Following.comment_id).where(Following.follower_id == follower_id).limit(1)) is None:
        session.execute(
            update(Follower)
            .where(Follower.id == follower_id)
            .values(sealed="", confirmed_at=None)
            .execution_options(synchronize_session=False)
        )


def decided(session: Session, comment: Comment, decision: Decision, *, now: datetime) -> None:
    """Announce a decision to the comment's author, and an answer that became public to the author of what it answers."""
    asked = {"comment": comment.id}
    follower_id = asked_once(session, (Following, comment.id), lambda: session.scalar(_FOLLOWED, asked))
    if follower_id is not None:
        _tell_author(session, comment, decision, follower_id, now=now)
    if comment.parent_id is not None and decision.status is Status.APPROVED and comment.published_at == now:
        _tell_answered(session, comment, now=now)


def foresee(session: Session, comment_ids: Sequence[UUID]) -> None:
    """Ask for several comments at once what ``decided`` will ask of each."""
    followers = {row[0]: row[1] for row in session.execute(_FOLLOWED_ALL, {"comments": list(comment_ids)})}
    answer(session, {(Following, comment_id): followers.get(comment_id) for comment_id in comment_ids})


def confirm(session: Session, token: str, *, secret: bytes, now: datetime) -> Follower:
    """Take an address for confirmed, and tell what people decided about its comments meanwhile; raises NotFound."""
    found = opened(session, token, secret=secret, lock=True)
    if found.confirmed_at is None and found.sealed:
        found.confirmed_at, found.stopped_at = now, None
        session.flush()
        for comment in _decided_by_people(session, found):
            announce(session, MessageKind.VERDICT, comment, now=now)
    return found


def stop(session: Session, token: str, *, secret: bytes, now: datetime) -> Follower:
    """Mail an address nothing more and forget it; a second time changes nothing. Raises NotFound."""
    found = opened(session, token, secret=secret, lock=True)
    if found.stopped_at is None or found.sealed:
        found.sealed, found.confirmed_at, found.stopped_at = "", None, now
        session.execute(delete(Following).where(Following.follower_id == found.id).execution_options(synchronize_session=False))
        session.flush()
    return found


def opened(session: Session, token: str, *, secret: bytes, lock: bool = False) -> Follower:
    """Return the follower whose letters carry the token; raises NotFound."""
    query = select(Follower).where(Follower.id == tokens.read(secret, PURPOSE, token))
    found = session.scalars(query.with_for_update() if lock else query).first()
    if found is None:
        raise NotFound("follower", "of this link")
    return found


def token_of(secret: bytes, follower_id: UUID) -> str:
    """Return the token that an address is confirmed with and says stop by."""
    return tokens.make(secret, PURPOSE, follower_id)


def address(public_url: str, token: str) -> str:
    """Return the link to the page that asks whether the address is to be told."""
    return f"{public_url}/f/{token}"


def address_of(follower: Follower, *, secret: bytes) -> str | None:
    """Return the e-mail address; None where it was forgotten, or sealed under another master secret."""
    if not follower.sealed:
        return None
    try:
        return credentials.unseal(secret, follower.id, ADDRESS, follower.sealed)
    except credentials.Unreadable:
        return None


def told_lately(session: Session, follower: Follower, *, now: datetime) -> int:
    """Count the letters that an address got in a day."""
    return (
        session.scalar(
            select(func.count())
            .select_from(Message)
            .join(Following, Following.comment_id == Message.comment_id)
            .where(
                Following.follower_id == follower.id,
                Message.kind.in_((MessageKind.VERDICT, MessageKind.REPLY)),
                Message.state == DeliveryState.DELIVERED,
                Message.finished_at > now - timedelta(days=1),
            )
        )
        or 0
    )


def announce(session: Session, kind: MessageKind, comment: Comment, *, now: datetime, reply: UUID | None = None) -> None:
    """Have the author of a comment told; what is on its way already is written from what is true when it is sent."""
    waiting = select(Message.id).where(
        Message.comment_id == comment.id, Message.kind == kind, Message.state == DeliveryState.PENDING
    )
    if kind is not MessageKind.REPLY and session.scalar(waiting.limit(1)) is not None:
        return
    data = {"reply": reply.hex} if reply is not None else {}
    messages.announce(session, kind, site_id=comment.site_id, comment_id=comment.id, data=data, now=now)


def _tell_author(session: Session, comment: Comment, decision: Decision, follower_id: UUID, *, now: datetime) -> None:
    follower = session.get_one(Follower, follower_id, with_for_update=True, populate_existing=True)
    by_person = decision.decider is Decider.MODERATOR
    if follower.confirmed_at is None:
        # A machine's rejection is not worth a stranger's inbox: that is what robots get.
        if decision.status is not Status.REJECTED or by_person:
            _ask(session, follower, comment, now=now)
    elif decision.status in FINAL and (by_person or decision.seq > 1):
        # The machine's first word was on the screen when the form was sent.
        announce(session, MessageKind.VERDICT, comment, now=now)


def _ask(session: Session, follower: Follower, comment: Comment, *, now: datetime) -> None:
    if follower.asked_at is not None and follower.asked_at > now - ASK_AGAIN:
        return
    asked = session.scalar(
        select(func.count())
        .select_from(Follower)
        .where(Follower.site_id == follower.site_id, Follower.asked_at > now - timedelta(hours=1))
    )
    if (asked or 0) >= ASKED_AN_HOUR:
        return
    follower.asked_at = now
    session.flush()
    announce(session, MessageKind.CONFIRM, comment, now=now)


def _tell_answered(session: Session, reply: Comment, *, now: datetime) -> None:
    follower_id = session.scalar(_FOLLOWED, {"comment": reply.parent_id})
    if follower_id is None:
        return
    parent = session.get_one(Comment, reply.parent_id)
    follower = session.get_one(Follower, follower_id)
    if follower.confirmed_at is None or parent.author_id == reply.author_id or parent.visible_revision is None:
        return
    announce(session, MessageKind.REPLY, parent, reply=reply.id, now=now)


def _decided_by_people(session: Session, follower: Follower) -> Sequence[Comment]:
    return session.scalars(
        select(Comment)
        .join(Following, Following.comment_id == Comment.id)
        .join(Decision, (Decision.comment_id == Comment.id) & (Decision.seq == Comment.decision_seq))
        .where(
            Following.follower_id == follower.id,
            Decision.decider == Decider.MODERATOR,
            Comment.status.in_(FINAL),
        )
        .order_by(Comment.id.desc())
        .limit(TOLD_A_DAY)
    ).all()

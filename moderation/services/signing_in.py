"""Signing in to the console: a link that opens once begins a session, and the session says who somebody is until it ends.

Link and cookie are 256 random bits, kept as SHA-256 only. What a person may do is read with every request, so that a lost role
ends with the next one. A page must show the link's owner first and spend the link on POST alone: mail scanners follow links.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from moderation.clock import zone_of
from moderation.errors import NotFound, TidegateError
from moderation.ids import new_id, show
from moderation.models import ConsoleSession, KeyKind, Membership, Role, SignInLink, Site, User
from moderation.services import audit
from moderation.services.keys import Principal

LINK = timedelta(hours=24)
"""How long a link waits to be used."""
IDLE = timedelta(minutes=30)
"""A session ends this long after it was last used ..."""
LONGEST = timedelta(hours=12)
"""... and this long after it began, whatever was done in it."""
SEEN_EVERY = timedelta(minutes=2)
"""How coarse ``seen_at`` is: a page must not cost a write."""


class NotSignedIn(TidegateError):
    """Nobody is signed in, or not any more."""

    def __init__(self) -> None:
        super().__init__("Please sign in.")


class BadLink(TidegateError):
    """The link opens nothing: unknown, used or expired; which of them is not said."""

    def __init__(self) -> None:
        super().__init__("This link was used already, or its time is over. Please ask for a new one.")


@dataclass(frozen=True, slots=True)
class Invited:
    """Whom a link lets in, and where; with ``code`` their second factor is asked for, too."""

    name: str
    site_title: str
    code: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """Who is at work in which site; ``principal`` is the same for the permissions."""

    principal: Principal
    name: str
    email: str
    site_title: str
    time_zone: str
    has_password: bool
    has_code: bool


def offer(session: Session, site_id: UUID, user_id: UUID, *, by: str, now: datetime) -> str:
    """Make a link for a member of the site and return its secret, the only copy. Raises NotFound for somebody else."""
    if session.get(Membership, (site_id, user_id)) is None:
        raise NotFound("member", show("user", user_id))
    token = secrets.token_urlsafe(32)
    session.add(
        SignInLink(id=new_id(), created_at=now, site_id=site_id, user_id=user_id, digest=_digest(token), expires_at=now + LINK)
    )
    audit.record(session, site_id=site_id, actor=by, action="sign-in.offered", subject=show("user", user_id), now=now)
    session.flush()
    return token


def address(public_url: str, token: str) -> str:
    """Return the link itself."""
    return f"{public_url}/console/login?token={token}"


def invited(session: Session, token: str, *, now: datetime) -> Invited:
    """Return whom a link would let in, without spending it; raises BadLink."""
    row = session.execute(
        select(User.name, Site.title, User.code_salt)
        .join(SignInLink, SignInLink.user_id == User.id)
        .join(Site, Site.id == SignInLink.site_id)
        .join(Membership, (Membership.site_id == SignInLink.site_id) & (Membership.user_id == User.id))
        .where(
            SignInLink.digest == _digest(token),
            SignInLink.used_at.is_(None),
            SignInLink.expires_at > now,
            User.disabled_at.is_(None),
        )
    ).first()
    if row is None:
        raise BadLink
    name, title, salt = row
    return Invited(name, title, code=salt is not None)


def owner(session: Session, token: str) -> User:
    """Return whose link it is; raises BadLink for an unknown one."""
    found = session.scalars(
        select(User).join(SignInLink, SignInLink.user_id == User.id).where(SignInLink.digest == _digest(token))
    ).first()
    if found is None:
        raise BadLink
    return found


def redeem(session: Session, token: str, *, now: datetime) -> str:
    """Spend a link and begin a session; returns the cookie, the only copy of its secret. Raises BadLink.

    Whoever has a second factor has to have proved it before (``passwords.spend_code``).
    """
    invited(session, token, now=now)
    spent = session.execute(
        update(SignInLink)
        .where(SignInLink.digest == _digest(token), SignInLink.used_at.is_(None))
        .values(used_at=now)
        .execution_options(synchronize_session=False)
    )
    if getattr(spent, "rowcount", 0) != 1:
        raise BadLink
    link = session.scalars(select(SignInLink).where(SignInLink.digest == _digest(token))).one()
    return begin(session, link.site_id, link.user_id, now=now)


def begin(session: Session, site_id: UUID, user_id: UUID, *, now: datetime, since: datetime | None = None) -> str:
    """Begin a session of somebody who proved who they are, now or at ``since``; returns the cookie."""
    cookie = secrets.token_urlsafe(32)
    made = ConsoleSession(
        id=new_id(), created_at=since or now, site_id=site_id, user_id=user_id, digest=_digest(cookie), seen_at=now
    )
    session.add(made)
    actor = show("user", user_id)
    audit.record(session, site_id=site_id, actor=actor, action="session.started", subject=actor, now=now)
    session.flush()
    return cookie


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another site that a person looks after."""

    name: str
    title: str


def elsewhere(session: Session, site_id: UUID, user_id: UUID) -> list[Elsewhere]:
    """Return the other sites that a person has a role in, by title."""
    rows = session.execute(
        select(Site.name, Site.title)
        .join(Membership, Membership.site_id == Site.id)
        .where(Membership.user_id == user_id, Site.id != site_id)
        .order_by(Site.title, Site.name)
    )
    return [Elsewhere(name, title) for name, title in rows]


def move(session: Session, session_id: UUID, site: str, *, now: datetime) -> str:
    """Go on in another site that the person has a role in, under a new cookie, which is returned; the old session ends.

    The new one ends when the old one would have: who moves to and fro is not signed in for ever. Raises NotFound.
    """
    old = session.get_one(ConsoleSession, session_id)
    there = session.scalars(
        select(Site).join(Membership, Membership.site_id == Site.id).where(Site.name == site, Membership.user_id == old.user_id)
    ).first()
    if there is None:
        raise NotFound("site", site)
    cookie = begin(session, there.id, old.user_id, now=now, since=old.created_at)
    end(session, old.id, now=now)
    return cookie


def recall(session: Session, cookie: str, *, now: datetime) -> SignedIn:
    """Return whose session a cookie belongs to, with the role they have now; raises NotSignedIn."""
    row = session.execute(
        select(ConsoleSession, User, Site, Membership.role)
        .join(User, User.id == ConsoleSession.user_id)
        .join(Site, Site.id == ConsoleSession.site_id)
        .join(Membership, (Membership.site_id == ConsoleSession.site_id) & (Membership.user_id == User.id))
        .where(
            ConsoleSession.digest == _digest(cookie),
            ConsoleSession.ended_at.is_(None),
            ConsoleSession.seen_at > now - IDLE,
            ConsoleSession.created_at > now - LONGEST,
            User.disabled_at.is_(None),
        )
    ).first()
    if row is None:
        raise NotSignedIn
    found, user, site, role = row
    return SignedIn(
        principal=Principal(
            site_id=site.id,
            key_id=found.id,
            kind=KeyKind.PERSONAL,
            user_id=user.id,
            role=Role(role),
            stale=found.seen_at < now - SEEN_EVERY,
        ),
        name=user.name,
        email=user.email,
        site_title=site.title,
        time_zone=zone_of(site.time_zone).key,
        has_password=user.password_hash is not None,
        has_code=user.code_salt is not None,
    )


def touch(session: Session, session_id: UUID, *, now: datetime) -> None:
    """Note that a session is in use."""
    found = session.get(ConsoleSession, session_id)
    if found is not None:
        found.seen_at = max(found.seen_at, now)
        session.flush()


def sessions(session: Session, user_id: UUID, *, now: datetime) -> list[ConsoleSession]:
    """Return a person's sessions that have not ended, newest first."""
    return list(
        session.scalars(
            select(ConsoleSession)
            .where(
                ConsoleSession.user_id == user_id,
                ConsoleSession.ended_at.is_(None),
                ConsoleSession.seen_at > now - IDLE,
                ConsoleSession.created_at > now - LONGEST,
            )
            .order_by(ConsoleSession.id.desc())
        )
    )


def end(session: Session, session_id: UUID, *, now: datetime) -> None:
    """End a session; a second time changes nothing."""
    found = session.get(ConsoleSession, session_id)
    if found is not None and found.ended_at is None:
        found.ended_at = now
        actor = show("user", found.user_id)
        audit.record(session, site_id=found.site_id, actor=actor, action="session.ended", subject=actor, now=now)
        session.flush()


def _digest(shown: str) -> bytes:
    return hashlib.sha256(shown.encode("utf-8", "replace")).digest()

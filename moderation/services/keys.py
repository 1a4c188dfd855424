"""API keys: made once, shown once, stored as a hash; checked in constant time, with one answer to every bad one.

A key is ``tg_sk_<handle>_<secret>_<checksum>``: the prefix lets a scanner find a leaked one, the checksum refuses a typing error
without a query, the handle finds the row, and of the 256-bit secret only its SHA-256 is stored (a slow hash protects guessable
secrets, which these are not). Door keys have the form that Akismet's clients insist on, 12 hexadecimal digits (the settings page
of its WordPress plugin drops every other letter); they are short, so they are stored under a keyed hash and open nothing but
their doors. Older ones of any of [a-z0-9] go on working.
"""

import hashlib
import hmac
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.orm import Session

from moderation.errors import NotFound, TidegateError
from moderation.ids import new_id, show
from moderation.models import Key, KeyKind, Membership, Role, User, columns
from moderation.services import audit

PREFIXES = {KeyKind.SECRET: "tg_sk", KeyKind.PUBLISHABLE: "tg_pk", KeyKind.PERSONAL: "tg_me"}
KINDS = {prefix: kind for kind, prefix in PREFIXES.items()}
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BASE36 = "abcdefghijklmnopqrstuvwxyz0123456789"
HEXADECIMAL = "0123456789abcdef"
HANDLE = 8
SECRET = 43
CHECKSUM = 6
DOOR = 12
USED_EVERY = timedelta(hours=1)
"""How coarse ``last_used_at`` is: a request must not cost a write."""


# Asked for every request, so made once.
_KEY = columns(Key)
_BY_HANDLE = select(
    _KEY.id, _KEY.site_id, _KEY.kind, _KEY.digest, _KEY.user_id, _KEY.revoked_at, _KEY.expires_at, _KEY.last_used_at
).where(_KEY.handle == bindparam("handle"))


class BadKey(TidegateError):
    """The key opens nothing; why is never said to who sent it."""

    def __init__(self) -> None:
        super().__init__("The API key is missing, wrong, expired or revoked.")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; ``shown`` is the only copy of its secret."""

    key: Key
    shown: str


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a request: a site's key, and for a personal key the member with the role they have at this moment."""

    site_id: UUID
    key_id: UUID
    kind: KeyKind
    user_id: UUID | None
    role: Role | None
    stale: bool = False
    """The key's time of last use is due to be noted (see ``touch``)."""


def create(
    session: Session,
    site_id: UUID,
    kind: KeyKind,
    *,
    name: str,
    user_id: UUID | None = None,
    expires_at: datetime | None = None,
    secret: bytes,
    by: str,
    now: datetime,
) -> NewKey:
    """Make a key of the site; raises NotFound for a personal key of somebody who is not a member."""
    if kind is KeyKind.PERSONAL and (user_id is None or session.get(Membership, (site_id, user_id)) is None):
        raise NotFound("member", show("user", user_id) if user_id else "")
    if kind is KeyKind.DOOR:
        shown = "".join(secrets.choice(HEXADECIMAL) for _ in range(DOOR))
        handle, digest = _door_handle(secret, shown), _door_digest(secret, shown)
    else:
        handle = _random(HANDLE)
        part = _random(SECRET)
        stem = f"{PREFIXES[kind]}_{handle}_{part}"
        shown = f"{stem}_{_checksum(stem)}"
        handle, digest = f"{PREFIXES[kind]}_{handle}", _digest(part)
    key = Key(
        id=new_id(),
        site_id=site_id,
        created_at=now,
        kind=kind,
        handle=handle,
        digest=digest,
        name=name,
        user_id=user_id if kind is KeyKind.PERSONAL else None,
        expires_at=expires_at,
    )
    session.add(key)
    audit.record(session, site_id=site_id, actor=by, action="key.created", subject=show("key", key.id), now=now, kind=str(kind))
    session.flush()
    return NewKey(key, shown)


def authenticate(session: Session | Connection, shown: str, *, secret: bytes, now: datetime) -> Principal:
    """Return who holds the key, with the rights they have now; raises BadKey."""
    handle, digest = _parse(shown, secret)
    key = session.execute(_BY_HANDLE, {"handle": handle}).first()
    # The same work for an unknown handle as for a wrong secret.
    right = hmac.compare_digest(digest, key.digest if key is not None else bytes(len(digest)))
    if key is None or not right or key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        raise BadKey
    role: Role | None = None
    if key.kind is KeyKind.PERSONAL:
        role = session.scalar(
            select(Membership.role)
            .join(User, User.id == Membership.user_id)
            .where(Membership.site_id == key.site_id, Membership.user_id == key.user_id, User.disabled_at.is_(None))
        )
        if role is None:
            raise BadKey
    return Principal(
        site_id=key.site_id,
        key_id=key.id,
        kind=key.kind,
        user_id=key.user_id,
        role=role,
        stale=key.last_used_at is None or key.last_used_at < now - USED_EVERY,
    )


def touch(session: Session, key_id: UUID, *, now: datetime) -> None:
    """Note that a key was used, to the hour."""
    key = session.get(Key, key_id)
    if key is not None:
        key.last_used_at = now
        session.flush()


def revoke(session: Session, site_id: UUID, key_id: UUID, *, by: str, now: datetime) -> Key:
    """End a key from the next request on; a second time changes nothing. Raises NotFound."""
    key = session.scalars(select(Key).where(Key.site_id == site_id, Key.id == key_id)).first()
    if key is None:
        raise NotFound("key", show("key", key_id))
    if key.revoked_at is None:
        key.revoked_at = now
        audit.record(session, site_id=site_id, actor=by, action="key.revoked", subject=show("key", key.id), now=now)
        session.flush()
    return key


def page(session: Session, site_id: UUID) -> list[Key]:
    """Return the keys of a site, oldest first, revoked ones too."""
    return list(session.scalars(select(Key).where(Key.site_id == site_id).order_by(Key.created_at, Key.id)))


def _parse(shown: str, secret: bytes) -> tuple[str, bytes]:
    if len(shown) == DOOR and set(shown) <= set(BASE36):
        return _door_handle(secret, shown), _door_digest(secret, shown)
    stem, _, checksum = shown.rpartition("_")
    prefix, handle, part = stem[:5], stem[6 : 6 + HANDLE], stem[7 + HANDLE :]
    if prefix not in KINDS or len(part) != SECRET or not hmac.compare_digest(_checksum(stem).encode(), checksum.encode()):
        raise BadKey
    return f"{prefix}_{handle}", _digest(part)


def _random(length: int) -> str:
    return "".join(secrets.choice(BASE62) for _ in range(length))


def _digest(part: str) -> bytes:
    return hashlib.sha256(part.encode()).digest()


def _checksum(stem: str) -> str:
    number = zlib.crc32(stem.encode("utf-8", "replace"))
    digits = ""
    for _ in range(CHECKSUM):
        number, digit = divmod(number, len(BASE62))
        digits = BASE62[digit] + digits
    return digits


def _door_handle(secret: bytes, shown: str) -> str:
    return "door_" + hmac.digest(secret, b"door handle" + shown.encode(), "sha256").hex()[:24]


def _door_digest(secret: bytes, shown: str) -> bytes:
    return hmac.digest(secret, b"door key" + shown.encode(), "sha256")

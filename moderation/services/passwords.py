"""Passwords and one-time codes: the second way in to the console, after the first link.

Argon2id with the low-memory parameters of RFC 9106 takes 64 MiB, so only two are computed at a time. Every attempt is counted
before it is checked, for the account and for the network it comes from, whether the account exists or not; from the fifth failure
on each has to wait twice as long as the one before. The counters are in the database: losing Redis opens no door. A code's secret
is derived from the installation's, so that a copy of the database is no second factor.
"""

import base64
import hmac
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from uuid import UUID

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import select
from sqlalchemy.orm import Session
from zxcvbn import zxcvbn  # type: ignore[import-untyped]

from moderation.errors import Refused, TidegateError
from moderation.ids import show
from moderation.models import ConsoleSession, FailedSignIn, Membership, User
from moderation.services import audit, signing_in
from moderation.services.privacy import keyed_hash
from moderation.services.signing_in import begin

SHORTEST, LONGEST = 12, 256
"""Characters of a password."""
GUESSED = 72
"""Characters that are looked at for how guessable they are."""
WEAK = 2
"""Below this (of 0..4) a password is among those that are tried first."""
FREE = {"account": 5, "network": 30}
"""Failures before the first delay."""
LONGEST_DELAY = timedelta(minutes=15)
FORGET = timedelta(hours=24)
"""After so long without a failure counting begins anew."""
GUESSABLE = "This password is among the first that somebody would try. A few words that do not belong together are better."
STEP = 30
"""Seconds for which a code is valid; the one before and after are taken, too."""
PATIENCE = 5.0
"""Seconds that a sign-in waits for its turn to be checked."""

_HASHER = PasswordHasher()
_AT_ONCE = threading.BoundedSemaphore(2)
_NOBODYS = "$argon2id$v=19$m=65536,t=3,p=4$Ngzb6n0ennFsdUqIJGrBhw$AfNL5/sxlPYSwUQKxoLtS/hHx8EEWX4mvFh6gsoBrOs"
"""What the password of an account that does not exist is checked against, so that the answer takes as long."""


class NotLetIn(TidegateError):
    """Address, password or code is wrong; which of them is never said."""

    def __init__(self) -> None:
        super().__init__("That did not match. Check the address, the password and the code.")


class TooSoon(TidegateError):
    """After several failures the next attempt has to wait."""

    def __init__(self, wait: timedelta) -> None:
        self.seconds = max(1, int(wait.total_seconds() + 0.999))
        super().__init__("Too many attempts. Please wait a moment, or ask for a new link.")


@dataclass(frozen=True, slots=True)
class Account:
    """What is to be checked of an account; an unknown one has nobody's hash."""

    user_id: UUID | None
    password_hash: str
    code_salt: bytes | None


def check_new(password: str, again: str, *, name: str, email: str) -> None:
    """Raise Refused for a password that is typed in two ways, too short, too long or among those tried first."""
    if password != again:
        raise Refused("password", "The two are not the same.", "/again")
    if not SHORTEST <= len(password) <= LONGEST:
        raise Refused("password", f"A password has {SHORTEST} to {LONGEST} characters; a few words make a good one.", "/password")
    own = [name, email, *email.replace("@", " ").replace(".", " ").split(), "tidegate"]
    if zxcvbn(password[:GUESSED], user_inputs=own)["score"] < WEAK:
        raise Refused(
            "password",
            GUESSABLE,
            "/password",
        )


def hashed(password: str) -> str:
    """Return what is stored of a password; a tenth of a second and 64 MiB."""
    with _turn():
        return _HASHER.hash(password)


def set_password(session: Session, site_id: UUID, user_id: UUID, stored: str, *, keep: UUID, now: datetime) -> None:
    """Store a password's hash and end the person's sessions, all but the one that stays."""
    session.get_one(User, user_id).password_hash = stored
    end_others(session, user_id, keep=keep, now=now)
    _note(session, site_id, user_id, "password.set", now=now)


def attempt(session: Session, email: str, network: str, *, secret: bytes, now: datetime) -> Account:
    """Count an attempt and return what it is to be checked against; raises TooSoon. Commit before checking."""
    waits = [_count(session, kind, key, now=now) for kind, key in _keys(email, network, secret)]
    if wait := max(waits):
        raise TooSoon(wait)
    user = session.scalars(
        select(User).where(User.email == email.strip().casefold(), User.disabled_at.is_(None), User.password_hash.is_not(None))
    ).first()
    if user is None or user.password_hash is None:
        return Account(None, _NOBODYS, None)
    return Account(user.id, user.password_hash, user.code_salt)


def is_right(account: Account, password: str) -> bool:
    """Check a password; takes as long for an account that does not exist. No transaction should be open."""
    with _turn():
        try:
            _HASHER.verify(account.password_hash, password[:LONGEST])
        except (VerificationError, InvalidHashError):
            return False
    return account.user_id is not None


def let_in(session: Session, account: Account, code: str, email: str, network: str, *, secret: bytes, now: datetime) -> str:
    """Begin a session for whoever gave the right password, in the site they worked in last; returns the cookie.

    Raises NotLetIn where the code is wrong or was used, or there is no site any more.
    """
    if account.user_id is None:
        raise NotLetIn
    spend_code(session, account.user_id, code, secret=secret, now=now)
    last = session.scalars(
        select(Membership.site_id)
        .outerjoin(
            ConsoleSession,
            (ConsoleSession.site_id == Membership.site_id) & (ConsoleSession.user_id == Membership.user_id),
        )
        .where(Membership.user_id == account.user_id)
        .order_by(ConsoleSession.seen_at.is_(None), ConsoleSession.seen_at.desc(), Membership.created_at)
        .limit(1)
    ).first()
    if last is None:
        raise NotLetIn
    succeeded(session, email, network, secret=secret)
    return begin(session, last, account.user_id, now=now)


def succeeded(session: Session, email: str, network: str, *, secret: bytes) -> None:
    """Forget the account's failures, and that the network's newest attempt was one: many people may come from there."""
    for kind, key in _keys(email, network, secret):
        found = session.get(FailedSignIn, key, with_for_update=True)
        if found is not None and kind == "account":
            session.delete(found)
        elif found is not None:
            found.failures = max(0, found.failures - 1)
    session.flush()


# --------------------------------------------------------------------------------------------------------- codes


def new_salt() -> bytes:
    """Return a salt for somebody's codes."""
    return secrets.token_bytes(20)


def code_secret(secret: bytes, user_id: UUID, salt: bytes) -> str:
    """Return the secret of a person's codes, as an app takes it."""
    return base64.b32encode(hmac.digest(secret, b"codes" + user_id.bytes + salt, "sha256")[:20]).decode()


def code_address(shared: str, *, email: str, site: str) -> str:
    """Return the address by which a phone's app takes the secret over."""
    return pyotp.TOTP(shared).provisioning_uri(name=email, issuer_name=f"Tidegate {site}")


def turn_codes_on(
    session: Session, site_id: UUID, user_id: UUID, salt: bytes, code: str, *, secret: bytes, now: datetime
) -> None:
    """Ask for codes from now on; the first one proves that the app has the secret. Raises Refused."""
    step = _step_of(code_secret(secret, user_id, salt), code, now)
    if step is None:
        raise Refused("code", "This is not the code that your app shows now. Is the phone's clock right?", "/code")
    user = session.get_one(User, user_id)
    user.code_salt, user.code_used = salt, step
    _note(session, site_id, user_id, "codes.on", now=now)


def turn_codes_off(session: Session, site_id: UUID, user_id: UUID, *, by: str | None = None, now: datetime) -> None:
    """Ask for no code any more."""
    user = session.get_one(User, user_id)
    user.code_salt = user.code_used = None
    _note(session, site_id, user_id, "codes.off", by=by, now=now)


def spend_code(session: Session, user_id: UUID, code: str, *, secret: bytes, now: datetime) -> None:
    """Take a code that was not used before, where the person has a second factor; raises NotLetIn."""
    user = session.get_one(User, user_id, with_for_update=True, populate_existing=True)
    if user.code_salt is None:
        return
    step = _step_of(code_secret(secret, user_id, user.code_salt), code, now)
    if step is None or (user.code_used is not None and step <= user.code_used):
        raise NotLetIn
    user.code_used = step
    session.flush()


def end_others(session: Session, user_id: UUID, *, keep: UUID, now: datetime) -> None:
    """End all of a person's sessions but one."""
    for other in session.scalars(
        select(ConsoleSession).where(
            ConsoleSession.user_id == user_id, ConsoleSession.id != keep, ConsoleSession.ended_at.is_(None)
        )
    ):
        signing_in.end(session, other.id, now=now)


def _step_of(shared: str, code: str, now: datetime) -> int | None:
    """Return the time step of a code that is valid now."""
    given = "".join(code.split()).encode("ascii", "replace")
    here = int(now.timestamp()) // STEP
    app = pyotp.TOTP(shared)
    valid = [step for step in (here, here - 1, here + 1) if hmac.compare_digest(app.generate_otp(step).encode(), given)]
    return valid[0] if valid else None


def _keys(email: str, network: str, secret: bytes) -> list[tuple[str, bytes]]:
    address = ip_address(network)
    around = ip_network((address, 24 if address.version == 4 else 56), strict=False)
    return [
        ("account", keyed_hash(secret, b"sign-in account", email.strip().casefold())),
        ("network", keyed_hash(secret, b"sign-in network", str(around))),
    ]


def _count(session: Session, kind: str, key: bytes, *, now: datetime) -> timedelta:
    """Count an attempt, and return how long it comes too soon: then it is not counted."""
    found = session.get(FailedSignIn, key, with_for_update=True)
    if found is None:
        session.add(FailedSignIn(key=key, failures=1, last_at=now))
        session.flush()
        return timedelta(0)
    if found.last_at < now - FORGET:
        found.failures = 0
    over = found.failures - FREE[kind]
    due = found.last_at + min(timedelta(seconds=2.0 ** min(over, 20)), LONGEST_DELAY) if over >= 0 else now
    if due > now:
        return due - now
    found.failures += 1
    found.last_at = now
    session.flush()
    return timedelta(0)


@contextmanager
def _turn() -> Iterator[None]:
    """Take one of two turns to compute a hash; raises TooSoon where both are taken for long."""
    if not _AT_ONCE.acquire(timeout=PATIENCE):
        raise TooSoon(timedelta(seconds=2))
    try:
        yield
    finally:
        _AT_ONCE.release()


def _note(session: Session, site_id: UUID, user_id: UUID, action: str, *, by: str | None = None, now: datetime) -> None:
    subject = show("user", user_id)
    audit.record(session, site_id=site_id, actor=by or subject, action=action, subject=subject, now=now)
    session.flush()

"""One's own account: the password, the codes of a second factor, and the sessions, wherever they run."""

import secrets
from typing import Any
from uuid import UUID

import segno
from flask import Response
from werkzeug.wrappers import Response as Answer

from api.auth import needs, principal
from api.console.door import address, back, blp, form, page, signed_in
from api.console.forms import CodesForm, PasswordForm, SessionForm
from api.context import context
from moderation.errors import NotFound, Refused
from moderation.models import User
from moderation.services import passwords, signing_in

SALT = 20
"""Bytes that the secret of somebody's codes is derived from."""


@blp.get("/account")
@needs("console:read")
def account() -> Response:
    """Show how one signs in, and where one is signed in."""
    return _shown()


@blp.post("/account/password")
@needs("console:read")
def set_password() -> Answer:
    """Set the password; the other sessions end."""
    asked = form(PasswordForm())
    here, who = signed_in(), _user_id()
    runtime = context().runtime
    try:
        passwords.check_new(asked["password"], asked["again"], name=here.name, email=here.email)
        if here.has_password:
            _check_old(asked["old"])
    except Refused as refused:
        return _shown(problem=refused.detail, status=422)
    except passwords.TooSoon as early:
        return _shown(problem=str(early), status=429)
    stored = passwords.hashed(asked["password"])
    runtime.database.transact(
        lambda session: passwords.set_password(
            session, principal().site_id, who, stored, keep=principal().key_id, now=runtime.clock.now()
        )
    )
    return back("account", "password")


@blp.post("/account/codes")
@needs("console:read")
def codes_on() -> Answer:
    """Ask for codes from now on, once the app has shown that it makes the right ones."""
    asked = form(CodesForm())
    runtime = context().runtime
    who = _user_id()
    try:
        salt = bytes.fromhex(asked["salt"])
    except ValueError:
        salt = b""
    if signed_in().has_code or len(salt) != SALT:
        return back("account", "code" if signed_in().has_code else "")
    try:
        runtime.database.transact(
            lambda session: passwords.turn_codes_on(
                session, principal().site_id, who, salt, asked["code"], secret=runtime.settings.secret, now=runtime.clock.now()
            )
        )
    except Refused as refused:
        return _shown(problem=refused.detail, status=422, salt=salt)
    return back("account", "code")


@blp.post("/account/codes/off")
@needs("console:read")
def codes_off() -> Answer:
    """Ask for no code any more, if the person at the keyboard has one."""
    asked = form(CodesForm())
    runtime = context().runtime
    who, here, caller = _user_id(), signed_in(), address()
    secret, now = runtime.settings.secret, runtime.clock.now()

    def act(session: Any) -> None:
        passwords.spend_code(session, who, asked["code"], secret=secret, now=now)
        passwords.succeeded(session, here.email, caller, secret=secret)
        passwords.turn_codes_off(session, principal().site_id, who, now=now)

    try:
        runtime.database.transact(lambda session: passwords.attempt(session, here.email, caller, secret=secret, now=now))
        runtime.database.transact(act)
    except passwords.NotLetIn:
        return _shown(problem="This is not a code that can be used now.", status=422)
    except passwords.TooSoon as early:
        return _shown(problem=str(early), status=429)
    return back("account", "no-code")


@blp.post("/account/sessions")
@needs("console:read")
def end_sessions() -> Answer:
    """End one of one's sessions, or all but this one."""
    asked = form(SessionForm())["session"]
    runtime = context().runtime
    who, now = _user_id(), runtime.clock.now()

    def act(session: Any) -> None:
        if not asked:
            passwords.end_others(session, who, keep=principal().key_id, now=now)
            return
        mine = {found.id.hex: found.id for found in signing_in.sessions(session, who, now=now)}
        if asked not in mine:
            raise NotFound("session", asked)
        signing_in.end(session, mine[asked], now=now)

    runtime.database.transact(act)
    return back("account", "session" if asked else "sessions")


def _check_old(password: str) -> None:
    """Whoever finds a session open does not know the password; guessing it here is slowed down like guessing it at the door."""
    runtime = context().runtime
    here, caller, secret, now = signed_in(), address(), runtime.settings.secret, runtime.clock.now()
    found = runtime.database.transact(lambda session: passwords.attempt(session, here.email, caller, secret=secret, now=now))
    if not passwords.is_right(found, password):
        raise Refused("password", "The old password does not match.", "/old")
    runtime.database.transact(lambda session: passwords.succeeded(session, here.email, caller, secret=secret))


def _shown(*, problem: str | None = None, status: int = 200, salt: bytes | None = None) -> Response:
    runtime = context().runtime
    here, who = signed_in(), _user_id()
    with runtime.database.reading() as session:
        sessions = signing_in.sessions(session, who, now=runtime.clock.now())
        user = session.get_one(User, who)
    salt = salt or secrets.token_bytes(SALT)
    shared = passwords.code_secret(runtime.settings.secret, who, salt)
    address_of_codes = passwords.code_address(shared, email=here.email, site=here.site_title)
    return page(
        "account.html",
        status=status,
        place="account",
        problem=problem,
        sessions=sessions,
        user=user,
        salt=salt.hex(),
        shared=" ".join(shared[place : place + 4] for place in range(0, len(shared), 4)),
        code_address=address_of_codes,
        qr=segno.make(address_of_codes, error="m", micro=False),
        mine=principal().key_id,
        shortest=passwords.SHORTEST,
    )


def _user_id() -> UUID:
    user_id = principal().user_id
    if user_id is None:
        raise NotFound("user", "")
    return user_id

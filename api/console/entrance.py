"""Coming in and going out, and the files that every page needs."""

import hashlib
from functools import lru_cache
from pathlib import Path

from flask import Response, redirect, request, send_from_directory, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as Answer

from api import limits
from api.auth import PUBLIC, needs, principal
from api.console.door import address, blp, cookie_name, form, let_in, page
from api.console.forms import SignInForm, SiteForm, TokenForm
from api.context import context
from moderation.errors import TidegateError
from moderation.services import passwords, signing_in
from moderation.services.signing_in import BadLink

STATIC = Path(__file__).with_name("static")
FOR_GOOD = "public, max-age=31536000, immutable"


@lru_cache(maxsize=32)
def _version(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


@blp.app_template_global("console_file")
def address_of(name: str) -> str:
    """Return the address of a file of ours, which changes with its contents, so that browsers keep it for good."""
    return url_for("console.static", name=name, v=_version(name))


@blp.get("/static/<path:name>")
@needs(PUBLIC)
def static(name: str) -> Response:
    """Return a file of ours."""
    answer = send_from_directory(STATIC, name)
    answer.headers["Cache-Control"] = FOR_GOOD if "v" in request.args else "no-cache"
    return answer


@blp.get("/login")
@needs(PUBLIC)
def login() -> Answer:
    """Show whom the link lets in. It is spent by the button alone: mail scanners follow links."""
    token = TokenForm().load(request.args.to_dict())["token"]
    if not token:
        return page("login.html", invited=None, token="", problem=None)
    runtime = context().runtime
    try:
        with runtime.database.reading() as session:
            invited = signing_in.invited(session, token, now=runtime.clock.now())
    except BadLink as bad:
        return _refused(bad)
    return page("login.html", invited=invited, token=token, problem=None)


@blp.post("/login")
@needs(PUBLIC)
def sign_in() -> Answer:
    """Begin a session: with a link, which is spent, or with address and password; with a code where there is a second factor."""
    asked = form(SignInForm())
    try:
        cookie = _by_link(asked) if asked["token"] else _by_password(asked)
    except BadLink as bad:
        return _refused(bad)
    except passwords.TooSoon as early:
        return _not_in(early, asked, status=429, wait=early.seconds)
    except passwords.NotLetIn as bad:
        return _not_in(bad, asked, status=403)
    return let_in(redirect(url_for("console.queue"), code=303), cookie)


@blp.post("/logout")
@needs("console:read")
def sign_out() -> Answer:
    """End the session."""
    runtime = context().runtime
    number = principal().key_id
    runtime.database.transact(lambda session: signing_in.end(session, number, now=runtime.clock.now()))
    answer = redirect(url_for("console.login"), code=303)
    answer.delete_cookie(cookie_name())
    return answer


@blp.post("/site")
@needs("console:read")
def change_site() -> Answer:
    """Go on in another site, without signing in anew."""
    site = form(SiteForm())["site"]
    runtime, number = context().runtime, principal().key_id
    cookie = runtime.database.transact(lambda session: signing_in.move(session, number, site, now=runtime.clock.now()))
    return let_in(redirect(url_for("console.queue"), code=303), cookie)


def _by_link(asked: dict[str, str]) -> str:
    runtime = context().runtime
    secret, caller, now = runtime.settings.secret, address(), runtime.clock.now()
    token, code = asked["token"], asked["code"]

    def count(session: Session) -> str | None:
        """Guessing the code of somebody whose link one has is slowed down like guessing a password."""
        if not signing_in.invited(session, token, now=now).code:
            return None
        email = signing_in.owner(session, token).email
        passwords.attempt(session, email, caller, secret=secret, now=now)
        return email

    email = runtime.database.transact(count)

    def act(session: Session) -> str:
        user = signing_in.owner(session, token)
        passwords.spend_code(session, user.id, code, secret=secret, now=now)
        if email is not None:
            passwords.succeeded(session, email, caller, secret=secret)
        return signing_in.redeem(session, token, now=now)

    return runtime.database.transact(act)


def _by_password(asked: dict[str, str]) -> str:
    runtime = context().runtime
    secret, caller, now = runtime.settings.secret, address(), runtime.clock.now()
    email = asked["email"]
    account = runtime.database.transact(
        lambda session: passwords.attempt(session, email, caller, secret=secret, now=now),
    )
    if not passwords.is_right(account, asked["password"]):
        raise passwords.NotLetIn
    return runtime.database.transact(
        lambda session: passwords.let_in(session, account, asked["code"], email, caller, secret=secret, now=now)
    )


def _not_in(why: TidegateError, asked: dict[str, str], *, status: int, wait: int = 0) -> Answer:
    runtime = context().runtime
    invited = None
    if asked["token"]:
        with runtime.database.reading() as session:
            invited = signing_in.invited(session, asked["token"], now=runtime.clock.now())
    answer = page("login.html", status=status, invited=invited, token=asked["token"], email=asked["email"], problem=str(why))
    if wait:
        answer.headers["Retry-After"] = str(wait)
    return answer


def _refused(bad: BadLink) -> Answer:
    here = context()
    here.limits.spend(limits.STRANGER, here.limits.caller())
    return page("login.html", status=403, invited=None, token="", problem=str(bad))

"""Coming in and going out, and the files that every page needs."""

import hashlib
from functools import lru_cache
from pathlib import Path

from flask import Response, redirect, request, send_from_directory, url_for
from werkzeug.wrappers import Response as Answer

from api import limits
from api.auth import PUBLIC, needs, principal
from api.console.door import blp, cookie_name, form, let_in, page
from api.console.forms import TokenForm
from api.context import context
from moderation.services import signing_in
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
    """Spend the link and begin a session."""
    runtime = context().runtime
    token = form(TokenForm())["token"]
    try:
        cookie = runtime.database.transact(lambda session: signing_in.redeem(session, token, now=runtime.clock.now()))
    except BadLink as bad:
        return _refused(bad)
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


def _refused(bad: BadLink) -> Answer:
    here = context()
    here.limits.spend(limits.STRANGER, here.limits.caller())
    return page("login.html", status=403, invited=None, token="", problem=str(bad))

"""The console's door: who is signed in, that a form came from our own page, and every fault as a page that a person can read.

A cookie says who asks, so unlike the API the console must tell its own pages' requests from those that another page makes a
browser send: the cookie is SameSite=Lax, a foreign Origin is refused, and every POST of a session carries the session's token.
"""

import secrets
from collections.abc import Callable
from hmac import compare_digest
from typing import Any
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Response, current_app, g, make_response, redirect, render_template, request, url_for
from marshmallow import Schema, ValidationError
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as Answer

from api import errors, pages
from api.auth import PUBLIC, may, permission_of
from api.console import show
from api.context import context
from api.errors import Problem
from moderation.errors import Refused
from moderation.runtime import Runtime
from moderation.services import signing_in
from moderation.services.keys import Principal
from moderation.services.privacy import keyed_hash
from moderation.services.signing_in import Elsewhere, NotSignedIn, SignedIn

log = structlog.get_logger(__name__)

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types htmx"
    ),
    # With "no-referrer" a browser would send "Origin: null" with our own forms.
    "Referrer-Policy": "same-origin",
}
BY_ITSELF = frozenset({"console.news", "console.claim"})
"""What an open page asks for without anybody doing anything."""

LONGEST_FORM = 80 * 1024
"""Bytes of a form."""

blp = Blueprint("console", "api.console", url_prefix="/console", template_folder="templates")


def cookie_name() -> str:
    """Return the session cookie's name; over https the prefix keeps other hosts from setting it."""
    return "__Host-tidegate" if is_https() else "tidegate"


def is_https() -> bool:
    """Tell whether people reach the console over https."""
    return context().runtime.settings.public_url.startswith("https:")


def let_in(answer: Answer, cookie: str) -> Answer:
    """Give the browser its session."""
    answer.set_cookie(
        cookie_name(),
        cookie,
        max_age=int(signing_in.LONGEST.total_seconds()),
        secure=is_https(),
        httponly=True,
        samesite="Lax",
    )
    return answer


def identify(runtime: Runtime) -> Principal | None:
    """Find out who is signed in, None for pages that ask nobody; leaves ``g.principal`` and ``g.signed_in``.

    Raises NotSignedIn, and Problem (403) for a request that is not from a page of ours.
    """
    request.max_content_length = LONGEST_FORM
    if request.method not in {"GET", "HEAD"}:
        _refuse_foreign(runtime)
    if permission_of(current_app, request.endpoint, request.method) == PUBLIC:
        return None
    cookie = request.cookies.get(cookie_name(), "")
    if not cookie:
        raise NotSignedIn
    now = runtime.clock.now()
    with runtime.database.reading() as session:
        found = signing_in.recall(session, cookie, now=now)
    g.principal = found.principal
    g.signed_in = found
    if request.method not in {"GET", "HEAD"}:
        shown = request.headers.get("X-CSRF-Token") or request.form.get("csrf", "")
        if not compare_digest(shown.encode(), csrf_token().encode()):
            raise Problem(403, "csrf", "This page is out of date. Please load it again; nothing was changed.")
    # A page that asks by itself is nobody at work.
    if found.principal.stale and request.endpoint not in BY_ITSELF:
        with runtime.database.transaction() as session:
            signing_in.touch(session, found.principal.key_id, now=now)
    return found.principal


def address() -> str:
    """Return the network address that the request comes from."""
    return (request.remote_addr or "::").partition("%")[0]


def signed_in() -> SignedIn:
    """Return who makes the request at hand."""
    found: SignedIn = g.signed_in
    return found


def csrf_token() -> str:
    """Return the token of the session at hand that every form carries."""
    return keyed_hash(context().runtime.settings.secret, b"csrf", signed_in().principal.key_id.bytes).hex()


def back(where: str, said: str, **options: Any) -> Answer:
    """Go to a page of the console, which says what was done (a word of ``show.SAID``)."""
    return redirect(url_for(f"console.{where}", said=said, **options), code=303)


def form(schema: Schema) -> dict[str, Any]:
    """Return the form that was sent, checked; raises ValidationError."""
    loaded: dict[str, Any] = schema.load(request.form.to_dict())
    return loaded


def refusal(unit: Callable[[Session], object]) -> str | None:
    """Do something in a transaction of its own; returns why it was refused, None where it was done."""
    try:
        context().runtime.database.transact(unit)
    except Refused as refused:
        return refused.detail
    return None


def said(error: ValidationError) -> str:
    """Return what is wrong with a form in words, for its own page."""
    return pages.problem_of(error, named=False).detail


def page(template: str, *, status: int = 200, **values: Any) -> Response:
    """Return a page with what every page needs."""
    here = g.get("signed_in")
    values = {
        "here": here,
        "csrf": csrf_token() if here is not None else "",
        "elsewhere": _elsewhere,
        "can": (lambda permission: may(here.principal, permission)) if here is not None else (lambda _: False),
        "once": secrets.token_hex(8),
        "now": context().runtime.clock.now(),
        "said": show.SAID.get(request.args.get("said", "")),
        "show": show,
        **values,
    }
    answer: Response = make_response(render_template(f"console/{template}", **values), status)
    if status >= errors.FAULTS:
        # The address of a form is not a page to come back to.
        answer.headers["HX-Push-Url"] = "false"
    return answer


def _elsewhere() -> list[Elsewhere]:
    """Return the other sites of who is signed in, for the pages that offer them."""
    found = signed_in().principal
    if found.user_id is None:
        return []
    with context().runtime.database.reading() as session:
        return signing_in.elsewhere(session, found.site_id, found.user_id)


def _refuse_foreign(runtime: Runtime) -> None:
    """Refuse what another origin's page made the browser send; a client that says neither is no browser."""
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site")
    ours = {request.host_url.rstrip("/"), _origin(runtime.settings.public_url)}
    if (origin is not None and origin not in ours) or (origin is None and site not in {None, "same-origin", "none"}):
        raise Problem(403, "origin", "This form was sent from another site. Nothing was changed.")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@blp.after_request
def _headers(answer: Response) -> Response:
    return pages.with_headers(answer, HEADERS)


@blp.errorhandler(NotSignedIn)
def _to_the_door(_: NotSignedIn) -> Answer:
    where = url_for("console.login")
    if request.headers.get("HX-Request"):
        return Response(status=401, headers={"HX-Redirect": where})
    return redirect(where, code=303)


@blp.errorhandler(Exception)
def _fault(error: Exception) -> Answer:
    problem = pages.problem_of(error, named=True)
    return pages.fault(problem, page)

"""The pages behind the links of an author's letters: yes, mail me, and stop. Opening one changes nothing; its button does.

A mail program's own "unsubscribe" sends the stop form by itself, with one click (RFC 8058): no cookie, no redirect.
"""

from dataclasses import dataclass

from flask import Response, g

from api.auth import PUBLIC, needs
from api.context import context
from api.errors import Problem
from api.widget import texts
from api.widget.door import blp, page, spend
from moderation.errors import NotFound
from moderation.models import Site
from moderation.services import followers


@blp.get("/f/<token>")
@needs(PUBLIC)
def ask(token: str) -> Response:
    """Ask whether the address is to be mailed."""
    return _page(token, _opened(token), "ask")


@blp.post("/f/<token>")
@needs(PUBLIC)
def confirm(token: str) -> Response:
    """Take the address for confirmed."""
    spend(None, writes=True)
    runtime = context().runtime
    _opened(token)
    runtime.database.transact(
        lambda session: followers.confirm(session, token, secret=runtime.settings.secret, now=runtime.clock.now()).id
    )
    return _page(token, _opened(token), "confirmed")


@blp.get("/f/<token>/stop")
@needs(PUBLIC)
def ask_stop(token: str) -> Response:
    """Ask whether to stop."""
    return _page(token, _opened(token), "ask_stop")


@blp.post("/f/<token>/stop")
@needs(PUBLIC)
def stop(token: str) -> Response:
    """Stop, and forget the address."""
    spend(None, writes=True)
    runtime = context().runtime
    site = _opened(token)
    runtime.database.transact(
        lambda session: followers.stop(session, token, secret=runtime.settings.secret, now=runtime.clock.now()).id
    )
    return _page(token, site, "stopped")


@dataclass(frozen=True, slots=True)
class _Known:
    """Whose letters carry a token: of which site, and where the address stands."""

    site_title: str
    confirmed: bool
    kept: bool


def _opened(token: str) -> _Known:
    spend(None)
    runtime = context().runtime
    try:
        with runtime.database.reading() as session:
            found = followers.opened(session, token, secret=runtime.settings.secret)
            site = session.get_one(Site, found.site_id)
            known = _Known(site.title, found.confirmed_at is not None, bool(found.sealed))
            g.language = texts.chosen(site.language)
    except NotFound:
        raise Problem(404, "not-found", texts.texts(texts.chosen())["page"]["wrong_link"]) from None
    return known


def _page(token: str, known: _Known, what: str) -> Response:
    if what in {"ask", "confirmed"} and not known.kept:
        # Stopped, or not confirmed for a week: there is no address to mail to any more.
        what = "stopped"
    elif what == "ask" and known.confirmed:
        what = "confirmed"
    return page("following.html", token=token, site_title=known.site_title, what=what)

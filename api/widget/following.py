"""The pages behind the links of an author's letters: yes, mail me, and stop. Opening one changes nothing; its button does.

A mail program's own "unsubscribe" sends the stop form by itself, with one click (RFC 8058): no cookie, no redirect.
"""

from collections.abc import Callable

from flask import Response, g

from api.auth import PUBLIC, needs
from api.context import context
from api.errors import Problem
from api.widget import texts
from api.widget.door import blp, page, spend
from moderation.errors import NotFound
from moderation.models import Follower, Site
from moderation.services import followers

Act = Callable[..., Follower]
"""What a button does: ``followers.confirm`` or ``followers.stop``."""


@blp.get("/f/<token>")
@needs(PUBLIC)
def ask(token: str) -> Response:
    """Ask whether the address is to be mailed."""
    return _page(token, "ask")


@blp.post("/f/<token>")
@needs(PUBLIC)
def confirm(token: str) -> Response:
    """Take the address for confirmed."""
    return _page(token, "confirmed", followers.confirm)


@blp.get("/f/<token>/stop")
@needs(PUBLIC)
def ask_stop(token: str) -> Response:
    """Ask whether to stop."""
    return _page(token, "ask_stop")


@blp.post("/f/<token>/stop")
@needs(PUBLIC)
def stop(token: str) -> Response:
    """Stop, and forget the address."""
    return _page(token, "stopped", followers.stop)


def _page(token: str, what: str, act: Act | None = None) -> Response:
    """Do something about the address where that was sent, and say where it stands then."""
    spend(None, writes=act is not None)
    runtime = context().runtime
    secret, now = runtime.settings.secret, runtime.clock.now()
    try:
        if act is not None:
            runtime.database.transact(lambda session: act(session, token, secret=secret, now=now))
        with runtime.database.reading() as session:
            found = followers.opened(session, token, secret=secret)
            site = session.get_one(Site, found.site_id)
    except NotFound:
        raise Problem(404, "not-found", texts.texts(texts.chosen())["page"]["wrong_link"]) from None
    g.language = texts.chosen(site.language)
    if what in {"ask", "confirmed"} and not found.sealed:
        # Stopped, or not confirmed for a week: there is no address to mail to any more.
        what = "stopped"
    elif what == "ask" and found.confirmed_at is not None:
        what = "confirmed"
    return page("following.html", token=token, site_title=site.title, what=what)

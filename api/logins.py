"""Who the blog says its reader is: the token in ``Author-Login``."""

from flask import request

from api.auth import principal
from api.context import context
from api.errors import Problem, fault
from moderation.services import logins
from moderation.services.authors import AuthorClaim
from moderation.services.logins import BadLogin


def vouched_author() -> AuthorClaim | None:
    """Return the reader whom a login token names, None without one; raises Problem (403) for one that is not good."""
    token = request.headers.get("Author-Login")
    if token is None:
        return None
    runtime = context().runtime
    try:
        with runtime.database.reading() as session:
            return logins.verify(session, principal().site_id, token, master=runtime.settings.secret, now=runtime.clock.now())
    except BadLogin as bad:
        detail = f"The login is not valid: {bad}"
        raise Problem(403, "bad-login", detail, faults=[fault("/header/Author-Login", "bad-login", detail)]) from None

"""What the API saw of a request: for `tidegate doctor --public`, which signs its question, and for nobody else."""

from importlib.metadata import version
from typing import Any, Final

from flask import Blueprint, abort, request

from api.auth import PUBLIC, needs
from api.context import context
from moderation.services import probing
from moderation.services.events import iso

blp = Blueprint("probe", __name__)

HOPS_AT_MOST: Final = 16
"""Entries of X-Forwarded-For that are repeated."""


@blp.get("/probe")
@needs(PUBLIC)
def probe() -> dict[str, Any]:
    """Return the client, scheme and host that this request is taken to have, and what they were concluded from."""
    here = context()
    settings, now = here.runtime.settings, here.runtime.clock.now()
    if not probing.is_ours(settings.secret, request.headers.get(probing.HEADER, ""), now=now):
        abort(404)
    before = request.environ.get("werkzeug.proxy_fix.orig", request.environ)
    forwarded = [part.strip()[:64] for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    return {
        "address": request.remote_addr,
        "scheme": request.scheme,
        "host": request.host,
        "peer": before["REMOTE_ADDR"],
        "forwarded_for": forwarded[-HOPS_AT_MOST:],
        "trusted_proxies": settings.trusted_proxies,
        "release": version("tidegate"),
        "now": iso(now),
    }

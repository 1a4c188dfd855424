"""The Flask application: a factory that puts the parts together, and the order in which a request passes them.

Route, key, limit, length and type, JSON, schema, text rules, database: each step is cheaper than the next.
"""

import time
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Response, g, request
from flask.json.provider import JSONProvider
from orjson import OPT_SORT_KEYS, dumps, loads
from werkzeug.middleware.proxy_fix import ProxyFix

from api import auth, console, doors, downloads, errors, front, health, limits, metrics, openapi, probe
from api.context import KEY, Context, context
from api.doors import akismet, coral, openai, perspective, wordpress
from api.parsing import MAX_BATCH_BYTES, read_away
from api.scoring import GuardedModels
from api.streams import Hub
from api.v1 import cases, check, comments, endpoints, events, own, posts, readers
from api.views import Views
from api.widget import embed, pages
from moderation import failpoints, logs
from moderation.config import Settings
from moderation.ids import new_id
from moderation.outbound.http import Guard
from moderation.ringing import Ringer
from moderation.runtime import Runtime
from moderation.services import sites
from moderation.services.keys import BadKey

log = structlog.get_logger(__name__)

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
"""Routes that machines ask every few seconds."""

RING_PAUSE = 0.02
"""Seconds between two rings of a process, so that a burst of comments is announced a few times and not each."""

BROWSERS_SEND = "Author-Login, Author-Token, Authorization, Content-Type, Idempotency-Key, If-None-Match, Prefer, X-API-Key"
BROWSERS_SEE = "Author-Token, ETag, Location, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID"


class OrjsonProvider(JSONProvider):
    """Flask's JSON by orjson; request bodies are read by ``api.parsing`` and never here."""

    def dumps(self, obj: Any, **_: Any) -> str:
        """Serialise with sorted names, so that equal things are equal bytes."""
        return dumps(obj, option=OPT_SORT_KEYS).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        """Parse."""
        return loads(s)


def create_app(runtime: Runtime) -> Flask:
    """Return the application of one process."""
    app = Flask("api", static_folder=None)
    app.json = OrjsonProvider(app)
    app.config.update(**openapi.CONFIGURATION, MAX_CONTENT_LENGTH=MAX_BATCH_BYTES)
    if runtime.settings.trusted_proxies:
        hops = runtime.settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    app.wsgi_app = doors.OneSlash(app.wsgi_app)  # type: ignore[method-assign]
    ringer = Ringer(runtime.doorbell, pause=RING_PAUSE)
    runtime.database.ring = ringer.ring
    app.extensions[KEY] = Context(
        runtime=runtime,
        limits=limits.Limits(runtime),
        hub=Hub(runtime),
        models=GuardedModels(runtime),
        guard=Guard(runtime.settings.webhook_allow),
        ringer=ringer,
        views=Views(runtime.database),
    )
    app.before_request(_begin)
    app.after_request(_finish)
    # A post's address is part of a path and has two slashes in it.
    app.url_map.merge_slashes = False
    api = openapi.DescribedApi(app)
    errors.register(app)
    for blueprint in (
        comments.blp, own.blp, readers.reporting, readers.nudging, check.blp, posts.blp, readers.threads_blp,
        cases.blp, cases.deciding, endpoints.blp, endpoints.sending, events.blp,
    ):  # fmt: skip
        api.register_blueprint(blueprint)
    app.register_blueprint(health.blp)
    app.register_blueprint(probe.blp)
    app.register_blueprint(console.blp)
    app.register_blueprint(openapi.blp)
    for at_door in (akismet.blp, coral.blp, openai.blp, perspective.blp, wordpress.blp):
        app.register_blueprint(at_door)
    app.register_blueprint(downloads.blp)
    app.register_blueprint(front.blp)
    app.register_blueprint(embed.blp)
    app.register_blueprint(pages.blp)
    return app


def from_env() -> Flask:
    """Return the application for the environment: what gunicorn starts."""
    settings = Settings.from_env()
    logs.configure(settings.log_level)
    failpoints.configure(settings)
    return create_app(Runtime.build(settings, role="api"))


def _begin() -> Response | None:
    g.began = time.perf_counter()
    g.request_id = new_id().hex
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)
    if request.method == "OPTIONS" and request.url_rule is not None:
        return _preflight()
    if request.blueprint in doors.NAMES:
        return None
    here = context()
    try:
        found = (console if request.blueprint == console.blp.name else auth).identify(here.runtime)
    except BadKey:
        here.limits.spend(limits.STRANGER, here.limits.caller())
        raise
    if found is not None:
        limits.enforce(here.limits, found)
        auth.check(found)
    return None


def _finish(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Request-ID"] = g.get("request_id", "")
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    _cross_origin(response)
    read_away()
    _note(response)
    return metrics.count(limits.announce(response))


def _note(response: Response) -> None:
    """Log the request: its route and status, never query, host or address, and not the path, which may be a page's address."""
    rule = request.url_rule.rule if request.url_rule is not None else None
    if rule in QUIET and response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return
    milliseconds = round((time.perf_counter() - g.began) * 1000, 1) if "began" in g else None
    log.info("request", method=request.method, route=rule, status=response.status_code, ms=milliseconds)


def _cross_origin(response: Response) -> None:
    """Let the pages of a site read what its publishable key may see; other origins get no such header."""
    response.vary.add("Origin")
    origin = request.headers.get("Origin")
    if origin and origin in g.get("origins", ()):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = BROWSERS_SEE
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"


def _preflight() -> Response:
    """Tell a browser what a page may send, where its origin is one of a site's and the route takes publishable keys."""
    answer = Response(status=HTTPStatus.NO_CONTENT)
    origin = request.headers.get("Origin")
    rule = request.url_rule
    allowed = sorted((rule.methods if rule is not None else None) or set())
    answer.headers["Allow"] = ", ".join(allowed)
    open_to_browsers = [method for method in allowed if auth.is_for_browsers(request.endpoint, method)]
    if origin and open_to_browsers:
        # A preflight request carries no key that would name the site.
        with context().runtime.database.reading() as session:
            g.origins = [origin] if sites.is_origin(session, origin) else []
    if g.get("origins"):
        answer.headers["Access-Control-Allow-Methods"] = ", ".join(open_to_browsers)
        answer.headers["Access-Control-Allow-Headers"] = BROWSERS_SEND
        answer.headers["Access-Control-Max-Age"] = "600"
    return answer

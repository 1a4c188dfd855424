"""Who may do what: one table of permissions, one declaration per route, nothing allowed by silence.

A key comes in ``Authorization: Bearer`` or ``X-API-Key`` and never from a cookie or the query. It is looked up with every
request, so that a revoked key or a lost role has its effect on the next one. Another site's things do not exist (404).
"""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, current_app, g, request

from api.errors import Problem
from moderation.ids import show
from moderation.models import KeyKind, Role
from moderation.runtime import Runtime
from moderation.services import keys, sites
from moderation.services.keys import Principal

PUBLIC = "public"
"""The permission of routes that need no key."""

EVERYBODY = frozenset(Role)
LEADERS = frozenset({Role.ADMIN, Role.EDITOR})
MODERATORS = LEADERS | {Role.MODERATOR}

PERMISSIONS: dict[str, frozenset[KeyKind | Role]] = {
    "comments:submit": frozenset({KeyKind.SECRET, KeyKind.PUBLISHABLE}),
    "comments:read": frozenset({KeyKind.SECRET}) | EVERYBODY,
    "comments:write": frozenset({KeyKind.SECRET}),
    "check": frozenset({KeyKind.SECRET}) | MODERATORS,
    # What a reader's browser may do beside that; ``own`` needs the author's token, too (``api.v1.own``).
    "own:read": frozenset({KeyKind.SECRET, KeyKind.PUBLISHABLE}),
    "own:write": frozenset({KeyKind.SECRET, KeyKind.PUBLISHABLE}),
    "reports:send": frozenset({KeyKind.SECRET, KeyKind.PUBLISHABLE}),
    "nudge": frozenset({KeyKind.SECRET, KeyKind.PUBLISHABLE}),
    "posts:write": frozenset({KeyKind.SECRET}),
    "thread:read": frozenset({KeyKind.SECRET, KeyKind.PUBLISHABLE}) | EVERYBODY,
    "review:read": frozenset({KeyKind.SECRET}) | EVERYBODY,
    "review:claim": MODERATORS,
    "review:decide": frozenset({KeyKind.SECRET}) | MODERATORS,
    "endpoints:read": frozenset({KeyKind.SECRET, Role.ADMIN, Role.AUDITOR}),
    "endpoints:manage": frozenset({KeyKind.SECRET, Role.ADMIN}),
    "events:read": frozenset({KeyKind.SECRET, Role.ADMIN, Role.EDITOR, Role.AUDITOR}),
    # The doors', which find out who asks by themselves (``api.doors``).
    "door:akismet": frozenset({KeyKind.DOOR}),
    "door:openai": frozenset({KeyKind.DOOR}),
    "door:perspective": frozenset({KeyKind.DOOR}),
    # Opened by a signature and by no key.
    "door:coral": frozenset(),
    # The console's, which a session opens and no key does (``api.console.door``).
    "console:read": EVERYBODY,
    "console:decide": MODERATORS,
    "console:lead": LEADERS,
    "console:admin": frozenset({Role.ADMIN}),
}
"""Permission to the kinds of key and the roles of people that have it."""

View = TypeVar("View", bound=Callable[..., Any])


def needs(permission: str) -> Callable[[View], View]:
    """Declare what a route needs; a test fails on a route that does not."""
    if permission != PUBLIC and permission not in PERMISSIONS:
        raise KeyError(permission)

    def declare(view: View) -> View:
        view.permission = permission  # type: ignore[attr-defined]
        return view

    return declare


def permission_of(app: Flask, endpoint: str | None, method: str) -> str | None:
    """Return what a route declared, None for one that declared nothing."""
    if endpoint is None:
        return None
    view: Any = app.view_functions.get(endpoint)
    by_class = getattr(view, "view_class", None)
    if by_class is not None:
        view = getattr(by_class, "get" if method == "HEAD" else method.lower(), None)
    permission: str | None = getattr(view, "permission", None)
    return permission


def is_for_browsers(endpoint: str | None, method: str) -> bool:
    """Tell whether a route takes publishable keys."""
    permission = permission_of(current_app, endpoint, method)
    return KeyKind.PUBLISHABLE in PERMISSIONS.get(permission or "", ())


def may(principal: Principal, permission: str) -> bool:
    """Tell whether the holder of a key may do that."""
    return (principal.role if principal.kind is KeyKind.PERSONAL else principal.kind) in PERMISSIONS[permission]


def shown_key() -> str | None:
    """Return the key that came with the request."""
    authorization = request.headers.get("Authorization", "")
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return request.headers.get("X-API-Key", "").strip() or None


def identify(runtime: Runtime) -> Principal | None:
    """Find out who asks, None where nobody needs to say; leaves ``g.principal`` and ``g.origins``. Raises BadKey."""
    if request.url_rule is None or _declared() == PUBLIC:
        return None
    shown = shown_key()
    if not shown:
        raise keys.BadKey
    return recognise(runtime, shown)


def recognise(runtime: Runtime, shown: str) -> Principal:
    """Return who holds a key; leaves ``g.principal`` and ``g.origins``. Raises BadKey."""
    now = runtime.clock.now()
    with runtime.database.glancing() as looking:
        found = keys.authenticate(looking, shown, secret=runtime.settings.secret, now=now)
    if found.kind is KeyKind.PUBLISHABLE:
        with runtime.database.reading() as session:
            g.origins = sites.find(session, show("site", found.site_id)).origins
    g.principal = found
    if found.stale:
        with runtime.database.transaction() as session:
            keys.touch(session, found.key_id, now=now)
    return found


def check(found: Principal) -> None:
    """Refuse what the holder of the key may not do, and a browser on a page that is not the site's."""
    permission = _declared()
    if permission is None or not may(found, permission):
        raise Problem(403, "not-allowed", f"This key may not do that; it needs {permission or 'a permission'}.")
    origin = request.headers.get("Origin")
    if found.kind is KeyKind.PUBLISHABLE and origin is not None and origin not in g.origins:
        raise Problem(403, "origin", f"The page's origin, {origin[:200]}, is not one of the site's.")


def _declared() -> str | None:
    return permission_of(current_app, request.endpoint, request.method)


def principal() -> Principal:
    """Return who makes the request at hand."""
    found: Principal = g.principal
    return found


def by() -> str:
    """Return how the audit log names who makes the request."""
    found = principal()
    return show("user", found.user_id) if found.user_id else show("key", found.key_id)

"""Every error as ``application/problem+json`` (RFC 9457): what was wrong, where, and a code that a script can rely on.

No answer shows a stack trace, a path or a statement. A database that is away is 503 with Retry-After: the caller keeps the
comment and sends it again under its idempotency key.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import structlog
from flask import Flask, Response, g, request
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from moderation import errors
from moderation.services.keys import BadKey

log = structlog.get_logger(__name__)

TYPE = "urn:tidegate:problem:"
FAULTS = 400
"""Statuses from here on are faults, the caller's or ours."""

RETRY_AFTER = 2
"""Seconds after which a caller may try again what failed for a fault of ours."""

TITLES = {
    400: "Bad request",
    401: "Authentication needed",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    411: "Length required",
    413: "Too large",
    415: "Unsupported media type",
    422: "Invalid",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
}


CONFLICTS: dict[type[errors.Conflict], str] = {
    errors.StaleRevision: "stale-revision",
    errors.AlreadyDecided: "already-decided",
    errors.ClaimedByAnother: "claimed",
    errors.NotUndoable: "not-undoable",
}


class Problem(Exception):
    """An answer that ends a request: status, a stable code, a sentence, and the fields at fault as JSON pointers."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        faults: list[dict[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        self.status = status
        self.code = code
        self.detail = detail
        self.faults = faults or []
        self.headers = dict(headers or {})
        self.members = members
        super().__init__(code)

    def as_json(self) -> dict[str, Any]:
        """Return the members of the problem."""
        problem: dict[str, Any] = {
            "type": TYPE + self.code,
            "title": TITLES.get(self.status, "Error"),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **self.members,
        }
        if self.faults:
            problem["errors"] = self.faults
        return problem

    def response(self) -> Response:
        """Return the answer to the request at hand."""
        body = {**self.as_json(), "instance": request.path, "request_id": g.get("request_id")}
        answer = Response(orjson.dumps(body), status=self.status, content_type="application/problem+json")
        for name, value in self.headers.items():
            answer.headers[name] = value
        return answer


def fault(pointer: str, code: str, detail: str) -> dict[str, Any]:
    """Return one entry of a problem's ``errors``."""
    return {"pointer": pointer, "code": code, "detail": detail}


def of_domain(error: errors.TidegateError) -> Problem:
    """Say a domain error in HTTP."""
    if isinstance(error, BadKey):
        return Problem(401, "bad-key", str(error), headers={"WWW-Authenticate": "Bearer"})
    if isinstance(error, errors.NotFound):
        return Problem(404, "not-found", f"There is no such {error.kind}.")
    if isinstance(error, errors.Refused):
        faults = [fault(error.field, error.code, error.detail)] if error.field else None
        return Problem(422, error.code, error.detail, faults=faults)
    if isinstance(error, errors.Conflict):
        return Problem(409, CONFLICTS.get(type(error), "conflict"), error.detail, current=error.state)
    if isinstance(error, errors.IdempotencyMismatch):
        return Problem(422, "idempotency-mismatch", "This Idempotency-Key was used before for another request.")
    log.error("unmapped_error", error=type(error).__name__)
    return Problem(500, "internal", "Something went wrong on our side.")


def escaped(name: str) -> str:
    """Return a name as one step of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


CODES = {
    "Unknown field.": "unknown-field",
    "Missing data for required field.": "required",
    "Field may not be null.": "null",
}
"""marshmallow's own messages that have a code; ours carry theirs."""


def pointers(messages: object, path: str = "") -> Iterator[dict[str, Any]]:
    """Flatten marshmallow's messages into faults with JSON pointers."""
    if isinstance(messages, Mapping):
        for key, value in messages.items():
            yield from pointers(value, path if key == "_schema" else f"{path}/{escaped(str(key))}")
    elif isinstance(messages, list | tuple):
        for message in messages:
            yield from pointers(message, path)
    else:
        text = str(messages)
        yield fault(path, getattr(messages, "code", None) or CODES.get(text, "invalid"), text)


def register(app: Flask) -> None:
    """Make every failure of the application a problem."""
    for failure in (Problem, errors.TidegateError, HTTPException, SQLAlchemyError, Exception):
        app.register_error_handler(failure, lambda error: said(error).response())


def said(error: Exception) -> Problem:
    """Return any failure as a problem, and log what is a fault of ours."""
    match error:
        case Problem():
            return error
        case errors.TidegateError():
            return of_domain(error)
        case HTTPException():
            return of_http(error)
        case SQLAlchemyError():
            return of_database(error)
    log.error("request_failed", error=type(error).__name__, exc_info=error)
    return Problem(500, "internal", "Something went wrong on our side.")


def on_http(error: HTTPException) -> Response:
    """Answer an error of the framework."""
    return of_http(error).response()


def of_http(error: HTTPException) -> Problem:
    """Say an error of the framework as a problem; validation errors name each field."""
    data: dict[str, Any] = getattr(error, "data", None) or {}
    status = error.code or 500
    if "messages" in data:
        found = []
        for location, messages in data["messages"].items():
            found += list(pointers(messages, "" if location in {"json", "json_body"} else f"/{location}"))
        return Problem(422, "invalid", "The request has invalid values; see errors.", faults=found)
    code = {404: "no-such-route", 405: "method-not-allowed"}.get(status, TITLES.get(status, "error").lower().replace(" ", "-"))
    allowed: list[str] = sorted(getattr(error, "valid_methods", None) or [])
    headers = {"Allow": ", ".join(allowed)} if allowed else {}
    return Problem(status, code, error.description or TITLES.get(status, "Error"), headers=headers)


def of_database(error: SQLAlchemyError) -> Problem:
    """Say a failure of the database: 503 where it is away, so that the caller tries again."""
    away = isinstance(error, PoolTimeout) or (isinstance(error, DBAPIError) and _is_away(error))
    log.error("database_failed", error=type(error).__name__, away=away, exc_info=error)
    if away:
        retry = {"Retry-After": str(RETRY_AFTER)}
        return Problem(503, "database-unavailable", "The database cannot be reached; please try again.", headers=retry)
    return Problem(500, "internal", "Something went wrong on our side.")


def _is_away(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None)
    if error.connection_invalidated or type(error.orig).__name__ == "OperationalError":
        return True
    return bool(state) and str(state)[:2] in {"08", "53", "57", "55", "40"}

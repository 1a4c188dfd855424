"""From bytes to values: the one place where a request's body is read.

Length and type are checked before a byte is parsed; orjson refuses bad UTF-8, lone surrogates, NaN and deep nesting with one
exception; names that occur twice and nesting beyond what any of our bodies needs are refused here.
"""

import re
import time
from typing import Any

import orjson
from flask import Request, g, request
from marshmallow import fields
from webargs.flaskparser import FlaskParser

from api.errors import Problem, escaped, fault

MAX_BYTES = 128 * 1024
MAX_BATCH_BYTES = 4 * 1024 * 1024
DEEPEST = 32

READ_AWAY = 2 * MAX_BATCH_BYTES
READ_AWAY_SECONDS = 5.0
"""Bytes of a refused body that are still read, and for how long: who sends slower than that is not waited for."""

_TYPE = re.compile(r"^application/(?:json|[\w.+-]+\+json)\s*(?:;\s*charset\s*=\s*\"?utf-?8\"?\s*)?$", re.IGNORECASE)


def body_bytes(limit: int = MAX_BYTES) -> bytes:
    """Return the request's body, read once; raises Problem for a wrong length, type or encoding."""
    if "body" in g:
        return bytes(g.body)
    if request.content_length is None and not request.environ.get("wsgi.input_terminated"):
        raise Problem(411, "length-required", "Send a Content-Length.")
    if (request.content_length or 0) > limit:
        raise Problem(413, "too-large", f"A body has at most {limit} bytes.")
    if (request.content_encoding or "identity").lower() != "identity":
        raise Problem(415, "encoding", "Send the body without a Content-Encoding.")
    if not _TYPE.match(request.content_type or ""):
        raise Problem(415, "media-type", "Send application/json in UTF-8.")
    data = bytearray()
    # A chunked body comes in pieces: one read is not all of it.
    while piece := request.stream.read(limit + 1 - len(data)):
        data += piece
        if len(data) > limit:
            raise Problem(413, "too-large", f"A body has at most {limit} bytes.")
    g.body = bytes(data)
    return bytes(data)


def read_away() -> None:
    """Read what is left of the request's body, so that the answer arrives.

    Closed with bytes unread, the connection is reset, and a proxy that was still sending tells its client 502 instead of what was
    wrong. gunicorn itself reads no more than 64 KiB away. Other servers' input need not end where the body does (PEP 3333), so
    nothing is read there.
    """
    if "body" in g and len(g.body) == request.content_length:
        # All of it was read, as with nearly every request.
        return
    connection = request.environ.get("gunicorn.socket")
    if connection is None or not 0 < (request.content_length or 0) <= READ_AWAY:
        return
    source = request.environ["wsgi.input"]
    ends = time.monotonic() + READ_AWAY_SECONDS
    before = connection.gettimeout()
    try:
        while (left := ends - time.monotonic()) > 0:
            connection.settimeout(left)
            if not source.read(64 * 1024):
                return
    except OSError:
        # The client went, or is too slow: the answer is not what it waits for.
        return
    finally:
        connection.settimeout(before)


def json_body(limit: int = MAX_BYTES) -> dict[str, Any]:
    """Return the request's JSON object; raises Problem."""
    data = body_bytes(limit)
    try:
        parsed = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if "depth limit" in error.msg:
            raise _too_deep() from None
        raise Problem(400, "bad-json", f"The body is not JSON that we accept: {error.msg}.") from None
    if not isinstance(parsed, dict):
        raise Problem(422, "not-an-object", "The body must be a JSON object.")
    names = _names_and_depth(parsed)
    # orjson takes the last of two equal names; a reader of the log may have taken the first.
    if names != _names_written(data):
        raise Problem(400, "duplicate-name", "A name occurs twice in one object.")
    return parsed


def _too_deep() -> Problem:
    return Problem(400, "json-too-deep", f"The body nests more than {DEEPEST} levels.")


def _names_and_depth(parsed: object) -> int:
    count = 0
    level: list[object] = [parsed]
    for _ in range(DEEPEST):
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                count += len(value)
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
        level = [value for value in below if isinstance(value, dict | list)]
        if not level:
            return count
    raise _too_deep()


_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"(\s*:)?', re.DOTALL)


def _names_written(data: bytes) -> int:
    """Count the names of all objects as they were written, duplicates too."""
    return sum(1 for found in _STRING.finditer(data) if found[1])


class Parser(FlaskParser):
    """webargs' parser with our reading of the body; unknown fields are refused in bodies and queries."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {  # noqa: RUF012 (webargs' form)
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "json": "raise",
        "query": "raise",
        "headers": "exclude",
    }

    def load_json(self, req: Request, schema: Any) -> Any:  # noqa: ARG002 (webargs' signature)
        """Return the parsed body; a route of batches takes more bytes."""
        return json_body(MAX_BATCH_BYTES if req.path.endswith("/batch") else MAX_BYTES)

    def load_querystring(self, req: Request, schema: Any) -> Any:
        """Return the query; a parameter given twice is refused where one is meant, because readers differ in which they take."""
        lists = {name for name, field in schema.load_fields.items() if isinstance(field, fields.List)}
        for name, values in req.args.lists():
            if len(values) > 1 and name not in lists:
                twice = fault(f"/query/{escaped(name)}", "repeated-parameter", "Give it once.")
                raise Problem(400, "repeated-parameter", "A parameter was given twice.", faults=[twice])
        return super().load_querystring(req, schema)

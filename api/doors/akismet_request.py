"""What Akismet's clients send: forms and JSON in whatever type they declare, the key in a field, the query or the host.

Unknown fields are ignored, because clients send their whole server environment. What is optional and makes no sense is left
out rather than refused: a visitor's bad address of a home page is no reason not to judge the text.
"""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, quote_from_bytes
from uuid import UUID

from flask import request
from marshmallow import ValidationError

from api.doors.json_request import sent_bytes, storable
from api.errors import Problem
from api.schemas.comment import CommentIn
from moderation.errors import UnknownId
from moderation.ids import read
from moderation.services.keys import BASE36, DOOR
from moderation.services.submission import Submission

MAX_BYTES = 512 * 1024
"""A text of the greatest length, percent-encoded, with a server environment around it."""

MAX_FIELDS = 1000
ASCII = bytes(range(128))
FORM_FIELD = "contact_form_field_"
"""How the fields of a contact form are named that a visitor writes freely."""


class Unusable(Exception):
    """The request cannot be served; the message is for the client's owner."""


class UnusableText(Unusable):
    """The comment itself is what we do not take: it is too long, say."""


def fields_sent() -> dict[str, str]:
    """Return the fields of body and query, the body's first; raises Unusable."""
    found = dict(request.args.items())
    if (request.content_length or 0) > MAX_BYTES:
        raise Unusable(f"More than {MAX_BYTES} bytes")
    if request.mimetype == "multipart/form-data":
        return {**found, **{name: storable(value) for name, value in request.form.items()}}
    try:
        data = sent_bytes(MAX_BYTES)
    except Problem as problem:
        raise Unusable(problem.detail) from None
    try:
        if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
            return {**found, **_of_json(data.decode("utf-8-sig", "replace"))}
        sent = _of_form(data)
    except (ValueError, RecursionError):
        raise Unusable("The body is neither a form nor a JSON object") from None
    return {**found, **{name: storable(value) for name, value in sent.items()}}


def _of_form(data: bytes) -> dict[str, str]:
    """Return the fields of a form; one that is not in UTF-8 is read as what the blog says of its pages (``blog_charset``)."""
    # Bytes that should have been encoded and were not are read like those that were.
    read = partial(parse_qsl, quote_from_bytes(data, safe=ASCII), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    try:
        return dict(read(errors="strict"))
    except UnicodeDecodeError:
        sent = dict(read(errors="replace"))
    try:
        return dict(read(encoding=sent.get("blog_charset") or "utf-8", errors="replace"))
    except (LookupError, UnicodeError):
        return sent


def _of_json(text: str) -> dict[str, str]:
    parsed = json.loads(text)
    if not isinstance(parsed, dict):
        raise Unusable("The body is neither a form nor a JSON object")
    found = {}
    for name, value in parsed.items():
        if isinstance(value, bool):
            found[name] = "1" if value else ""
        elif isinstance(value, str | int | float):
            found[name] = storable(str(value))
    return found


USES_A_KEY = ("api_key", "key")
IS_ABOUT_A_KEY = ("key", "api_key")
"""Which field has the key, the first one first: asking whether a key that is being entered is good, WordPress sends along the one
that it still has.
"""


def key_of(sent: Mapping[str, str], names: tuple[str, ...] = USES_A_KEY) -> str | None:
    """Return the key: a field, or the first label of the host, as older clients have it."""
    for name in names:
        if sent.get(name):
            return sent[name].strip()
    label, _, rest = request.host.lower().partition(".")
    return label if rest and len(label) == DOOR and set(label) <= set(BASE36) else None


def text_of(sent: Mapping[str, str]) -> str:
    """Return what a visitor wrote: the comment, or the free fields of a form that has none."""
    written = sent.get("comment_content", "").strip()
    fields = (value.strip() for name, value in sent.items() if name.startswith(FORM_FIELD))
    return written or "\n".join(filter(None, fields))


def checked_as(sent: Mapping[str, str], name: str) -> UUID | None:
    """Return our id of a comment that a check was told, None where the field holds none."""
    try:
        return read("comment", sent.get(name, ""))
    except UnknownId:
        return None


def submission_of(sent: Mapping[str, str], *, external_id: str | None = None) -> Submission:
    """Return the comment that a request is about; raises Unusable for a text or a page that we do not take."""
    author = {
        "name": " ".join(sent.get("comment_author", "").split())[:200],
        "email": sent.get("comment_author_email", "").strip() or None,
        "url": sent.get("comment_author_url", "").strip() or None,
        "ip": sent.get("user_ip", "").strip() or sent.get("ip", "").strip() or None,
        "user_agent": " ".join(sent.get("user_agent", "").split())[:2000] or None,
    }
    trap = sent.get("honeypot_field_name")
    asked: dict[str, Any] = {
        "post": {"url": sent.get("permalink", "").strip() or sent.get("blog", "").strip()},
        "author": author,
        "body": sent.get("comment_content", ""),
        "honeypot": (sent.get(trap) or None) if trap else None,
        "submitted_at": sent.get("comment_date_gmt", "").strip().replace(" ", "T", 1) or None,
        "external_id": external_id,
    }
    schema = CommentIn()
    for _ in range(3):
        try:
            taken: Submission = schema.load(asked)
        except ValidationError as error:
            asked = _without_faults(asked, error.messages_dict, sent)
        else:
            return taken
    raise Unusable("The comment cannot be read")


def _without_faults(asked: dict[str, Any], faults: Mapping[str, Any], sent: Mapping[str, str]) -> dict[str, Any]:
    if "body" in faults:
        raise UnusableText(f'Unusable "comment_content": {faults["body"][0]}')
    if "post" in faults:
        if asked["post"]["url"] == sent.get("blog", "").strip():
            raise Unusable('Neither "permalink" nor "blog" is an address')
        asked = {**asked, "post": {"url": sent.get("blog", "").strip()}}
    wrong = faults.get("author", {})
    author = {name: value for name, value in asked["author"].items() if name not in wrong}
    return {
        name: value for name, value in {**asked, "author": author}.items() if name not in faults or name in {"post", "author"}
    }

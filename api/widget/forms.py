"""The forms of the pages without JavaScript, and the sealed note that each carries.

The note says which page the form belongs to and when it was made, under the installation's secret: nobody can make up a page, and
how long somebody took to write is known without asking the browser.
"""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any, Final

from itsdangerous import BadData, URLSafeTimedSerializer
from marshmallow import EXCLUDE, Schema, fields, validate

from api.context import context
from api.schemas.fields import Body, Line, Number, Text, Url
from api.widget.door import Place
from moderation.errors import Refused
from moderation.services.posts import PostReference

GOOD_FOR: Final = 24 * 3600
"""Seconds for which a form can be sent."""


class _Form(Schema):
    """A form; browsers end lines with CR LF, and send empty fields."""

    class Meta:
        """What else a form has is not ours to judge."""

        unknown = EXCLUDE


class CommentForm(_Form):
    """A comment."""

    name = Line(longest=200, load_default="")
    email = fields.Email(allow_none=True, load_default=None, validate=validate.Length(max=254))
    body = Body(required=True)
    website = Text(longest=1000, load_default="")
    parent_id = Line(longest=64, allow_none=True, load_default=None)
    notify = fields.Boolean(load_default=False)


class ReportForm(_Form):
    """A reader's complaint."""

    comment = Line(longest=64, required=True)
    reason = Number(required=True, least=1, most=9)
    note = Text(longest=1000, load_default="")


class BodyForm(_Form):
    """A new text."""

    body = Body(required=True)


class PageQuery(_Form):
    """Which page's comments."""

    post = Line(longest=200, load_default="")
    url = Url()
    title = Line(longest=500, load_default="")
    reply = Line(longest=64, load_default="")
    after = Line(longest=64, load_default="")
    sort = fields.String(load_default="oldest", validate=validate.OneOf(["oldest", "newest"]))


@dataclass(frozen=True, slots=True)
class Note:
    """What a form's sealed note says: its page, a number of its own, and how many seconds ago it was made."""

    post: PostReference
    once: str
    seconds: float


def sent(form: dict[str, str]) -> dict[str, str]:
    """Return the fields of a form that were filled in, with plain line ends."""
    plain = {name: value.replace("\r\n", "\n") for name, value in form.items()}
    return {name: value for name, value in plain.items() if value != ""}


def seal(place: Place, post: PostReference) -> str:
    """Return the note for a form about a page."""
    return _sealer(place).dumps([post.id, post.url, post.title, secrets.token_urlsafe(12)])


def unseal(place: Place, note: str) -> Note:
    """Return what a note says; raises Refused for one that is not ours or too old."""
    sealer = _sealer(place)
    try:
        said: Any
        said, made_at = sealer.loads(note, max_age=GOOD_FOR, return_timestamp=True)
    except BadData:
        raise Refused("form-expired", "The form was open for a long time. Please send it once more.") from None
    identity, url, title, once = said
    age = context().runtime.clock.now() - made_at
    return Note(PostReference(id=identity, url=url, title=title, vouched=False), once, max(0.0, age.total_seconds()))


def fingerprint(fields_sent: dict[str, Any]) -> bytes:
    """Return what tells one comment sent by a form from another."""
    return hashlib.sha256(repr(sorted(fields_sent.items())).encode()).digest()


def _sealer(place: Place) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(context().runtime.settings.secret, salt=f"comment form {place.id.hex}")

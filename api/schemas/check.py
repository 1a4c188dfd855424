"""Checks on the wire: a text judged without being stored."""

from typing import Any

from marshmallow import Schema, fields, post_load

from api.schemas.comment import AuthorIn, PostIn
from api.schemas.fields import Body, Language
from moderation.services.assessment import CheckRequest


class CheckIn(Schema):
    """A text, and as much around it as is known."""

    body = Body(required=True)
    language = Language(allow_none=True)
    author = fields.Nested(AuthorIn, allow_none=True)
    post = fields.Nested(PostIn, allow_none=True)

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> CheckRequest:
        """Return the domain's value."""
        return CheckRequest(**data)


class CheckOut(Schema):
    """How the text would be judged now."""

    verdict = fields.String()
    publish = fields.Boolean()
    scores = fields.Dict(keys=fields.String(), values=fields.Float())
    signals = fields.Dict()
    reasons = fields.List(fields.Raw())
    rules = fields.List(fields.Dict())
    policy = fields.String()
    model = fields.String()
    not_evaluated = fields.List(fields.String())

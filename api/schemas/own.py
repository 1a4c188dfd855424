"""An author's own comment on the wire, readers' reports, and the nudge."""

from typing import Any

from marshmallow import Schema, fields, post_load, validate

from api.schemas.comment import PostIn
from api.schemas.fields import Body, Language, Line, Number, Text
from api.schemas.thread import ThreadPost
from moderation.services.own import Outcome
from moderation.services.second_looks import SecondLook


class OwnQuery(Schema):
    """In which language to say what became of it."""

    lang = Language()


class SecondLookOut(Schema):
    """Whether the author can ask for a second look, and what came of it."""

    state = fields.String(validate=validate.OneOf([str(state) for state in SecondLook]))
    until = fields.String(allow_none=True)


class OwnOut(Schema):
    """A comment as its author sees it."""

    id = fields.String()
    post = fields.Nested(ThreadPost)
    parent_id = fields.String(allow_none=True)
    author_name = fields.String()
    status = fields.String()
    outcome = fields.String(validate=validate.OneOf([str(outcome) for outcome in Outcome]))
    said = fields.String(metadata={"description": "the outcome in a sentence for the author, in the language asked for"})
    by = fields.String(allow_none=True, metadata={"description": "machine or moderator"})
    reason = fields.Integer(allow_none=True, metadata={"description": "why it was rejected, 1 to 9"})
    decided_at = fields.String(allow_none=True)
    public = fields.Boolean(metadata={"description": "readers see this text"})
    settled = fields.Boolean(metadata={"description": "nobody has to decide anything now: asking again is not needed"})
    revision = fields.Integer()
    body = fields.String(allow_none=True)
    created_at = fields.String()
    second_look = fields.Nested(SecondLookOut)
    actions = fields.List(fields.String(), metadata={"description": "of edit, withdraw, second_look: what the author can do now"})
    page = fields.String(metadata={"description": "address of the same for people"})


class ReportIn(Schema):
    """A reader's complaint."""

    reason = Number(required=True, strict=True, least=1, most=9)
    note = Text(longest=1000, load_default="")


class ReportOut(Schema):
    """What was noted."""

    received = fields.Boolean()


class NudgeIn(Schema):
    """A text that is about to be posted."""

    body = Body(required=True)
    post = fields.Nested(PostIn, required=True)
    name = Line(longest=200, load_default="")
    email = fields.Email(allow_none=True, validate=validate.Length(max=254))
    language = Language(allow_none=True)


class NudgeOut(Schema):
    """The part that may read as an attack on a person; null where nothing needs to be said."""

    part = fields.String(allow_none=True)


class PostFactsIn(PostIn):
    """What the blog says of one of its pages; its id is in the address."""

    class Meta:
        """The id is not in the body."""

        exclude = ("id",)

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> Any:
        """Leave the values as they are: the id is still to come."""
        return {**data, "author_names": tuple(data.get("author_names", ()))}

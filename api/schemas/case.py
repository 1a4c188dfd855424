"""Cases and decisions on the wire."""

from marshmallow import Schema, fields, validate

from api.schemas.comment import CommentOut, ReasonOut
from api.schemas.fields import Line, Number, PostKey, Text
from moderation.models import CaseKind


class QueueQuery(Schema):
    """Which open cases."""

    kind = fields.String(validate=validate.OneOf([str(kind) for kind in CaseKind]))
    post = PostKey()
    escalated = fields.Boolean(load_default=False)
    after = Line(longest=120)
    limit = Number(load_default=25, least=1, most=100)


class CaseOut(Schema):
    """A unit of human work."""

    id = fields.String()
    kind = fields.String()
    revision = fields.Integer()
    reasons = fields.List(fields.Nested(ReasonOut))
    alert = fields.Boolean()
    escalated = fields.Boolean()
    opened_at = fields.String()
    claimed_by = fields.String(allow_none=True)
    claimed_by_name = fields.String(allow_none=True)
    claimed_until = fields.String(allow_none=True)
    closed_at = fields.String(allow_none=True)
    comment = fields.Nested(CommentOut)


class QueueOut(Schema):
    """A page of the queue, most urgent first."""

    items = fields.List(fields.Nested(CaseOut))
    next = fields.String(allow_none=True)
    waiting = fields.Integer()


class DecideIn(Schema):
    """A moderator's decision about the revision that they read."""

    verdict = fields.String(required=True, validate=validate.OneOf(["approve", "reject"]))
    revision = Number(required=True, strict=True, least=1)
    decision_seq = Number(
        allow_none=True,
        strict=True,
        metadata={"description": "number of the newest decision seen; needed to change a colleague's decision"},
    )
    reason = Number(allow_none=True, strict=True, least=1, most=9, metadata={"description": "required to reject; 9 needs a note"})
    note = Text(longest=2000, load_default="")

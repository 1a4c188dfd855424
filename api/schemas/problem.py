"""Errors on the wire (RFC 9457)."""

from marshmallow import Schema, fields


class Fault(Schema):
    """One field at fault."""

    pointer = fields.String(metadata={"description": "JSON pointer (RFC 6901) into the body; empty for all of it"})
    code = fields.String()
    detail = fields.String()


class ProblemSchema(Schema):
    """Why a request was not answered as asked."""

    type = fields.String(metadata={"description": "URN that ends in the code"})
    title = fields.String()
    status = fields.Integer()
    detail = fields.String()
    code = fields.String(metadata={"description": "stable, for scripts"})
    instance = fields.String()
    request_id = fields.String()
    errors = fields.List(fields.Nested(Fault))
    current = fields.Dict(metadata={"description": "the present state, where a 409 says that someone was faster"})

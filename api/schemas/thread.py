"""Public threads on the wire."""

from marshmallow import Schema, fields, validate

from api.schemas.fields import Line, Number, PostKey, Url


class ThreadQuery(Schema):
    """Which part of a thread, in which order."""

    after = Line(longest=64)
    limit = Number(load_default=50, least=1, most=200)
    sort = fields.String(load_default="oldest", validate=validate.OneOf(["oldest", "newest"]))
    nested = fields.Boolean(load_default=False)


class PageThreadQuery(Schema):
    """Which page's thread, which part of it, in which order."""

    post = PostKey()
    url = Url()
    after = Line(longest=64)
    limit = Number(load_default=50, least=1, most=200)
    sort = fields.String(load_default="oldest", validate=validate.OneOf(["oldest", "newest"]))


class CountsQuery(Schema):
    """Which posts to count."""

    post = fields.List(PostKey(), required=True, validate=validate.Length(min=1, max=100))


class PublicAuthor(Schema):
    """Who wrote a public comment."""

    name = fields.String()
    url = fields.String(allow_none=True)
    verified = fields.Boolean()


class PublicCommentOut(Schema):
    """A place in a thread; a removed one is a placeholder without text or name."""

    id = fields.String()
    external_id = fields.String(allow_none=True)
    parent_id = fields.String(allow_none=True)
    depth = fields.Integer()
    removed = fields.Boolean()
    author = fields.Nested(PublicAuthor, allow_none=True)
    body = fields.String(allow_none=True)
    edited = fields.Boolean()
    created_at = fields.String()
    replies = fields.List(fields.Dict(), metadata={"description": "only with nested=true"})


class ThreadPost(Schema):
    """The post of a thread."""

    key = fields.String()
    url = fields.String()
    title = fields.String()
    openness = fields.String()


class ThreadOut(Schema):
    """A page of a thread: whole conversations."""

    post = fields.Nested(ThreadPost)
    comments = fields.List(fields.Nested(PublicCommentOut))
    total = fields.Integer()
    next = fields.String(allow_none=True)


class CountsOut(Schema):
    """Public comments per post."""

    counts = fields.Dict(keys=fields.String(), values=fields.Integer())

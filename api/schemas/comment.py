"""Comments on the wire."""

from typing import Any

from marshmallow import Schema, fields, post_load, validate

from api.schemas.fields import Address, Body, Language, Line, Moment, Number, PostKey, Text, Url
from moderation.models import Status
from moderation.services.authors import AuthorClaim
from moderation.services.posts import PostReference
from moderation.services.submission import Submission


class PostIn(Schema):
    """The page that a comment stands under."""

    id = Line(longest=200, shortest=1, allow_none=True, metadata={"description": "the blog's own id of the page"})
    url = Url(required=True)
    title = Line(longest=500, load_default="")
    excerpt = Text(longest=20_000, load_default="")
    author_names = fields.List(Line(longest=200), validate=validate.Length(max=20))
    published_at = Moment(allow_none=True)

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> PostReference:
        """Return the domain's value."""
        return PostReference(**{**data, "author_names": tuple(data.get("author_names", ()))})


class AuthorIn(Schema):
    """Who wrote it; with a publishable key only name, e-mail and address of a home page."""

    id = Line(longest=200, shortest=1, allow_none=True, metadata={"description": "vouched for by the blog's secret key"})
    name = Line(longest=200, load_default="")
    email = fields.Email(allow_none=True, validate=validate.Length(max=254))
    url = Url(allow_none=True)
    ip = Address(allow_none=True)
    user_agent = Line(longest=2000, allow_none=True)

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> AuthorClaim:
        """Return the domain's value."""
        data["address"] = data.pop("ip", None)
        return AuthorClaim(**data)


class CommentIn(Schema):
    """A comment to be moderated."""

    post = fields.Nested(PostIn, required=True)
    author = fields.Nested(AuthorIn, required=True)
    body = Body(required=True)
    parent_id = Line(
        longest=200, shortest=1, allow_none=True, metadata={"description": "our id or the blog's of the comment replied to"}
    )
    external_id = Line(longest=200, shortest=1, allow_none=True, metadata={"description": "the blog's own id of the comment"})
    submitted_at = Moment(allow_none=True)
    language = Language(allow_none=True)
    honeypot = Text(longest=1000, allow_none=True, metadata={"description": "content of a field that people do not see"})
    seconds_to_submit = fields.Float(allow_none=True, validate=validate.Range(min=0, max=1e7), allow_nan=False)
    notify = fields.Boolean(
        truthy={True},
        falsy={False},
        metadata={"description": "the author wants mail about what becomes of it and who answers; author.email is asked first"},
    )

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> Submission:
        """Return the domain's value."""
        return Submission(**data)


class BatchIn(Schema):
    """Up to a hundred comments, each accepted or refused by itself."""

    items = fields.List(
        fields.Dict(metadata={"description": "as for POST /v1/comments"}),
        required=True,
        validate=validate.Length(min=1, max=100),
    )


class RevisionIn(Schema):
    """A new text for a comment."""

    body = Body(required=True)
    language = Language(allow_none=True)


class PostOut(Schema):
    """The page of a comment."""

    key = fields.String()
    id = fields.String(allow_none=True)
    url = fields.String()
    title = fields.String()


class AuthorOut(Schema):
    """Who wrote a comment, as the blog knows them."""

    id = fields.String(allow_none=True)
    name = fields.String()
    url = fields.String(allow_none=True)
    identity = fields.String(validate=validate.OneOf(["verified", "claimed", "anonymous"]))


class ReasonOut(Schema):
    """A rule that matched."""

    rule = fields.String()
    verdict = fields.String()
    reason = fields.Raw(metadata={"description": "key 1 to 9, or not_scored, rejected_before"})
    priority = fields.String()
    alert = fields.Boolean()
    explanation = fields.String(metadata={"description": "the rule in public words"})


class DecisionOut(Schema):
    """What was decided, by machine or moderator, and why."""

    id = fields.String()
    seq = fields.Integer()
    revision = fields.Integer()
    verdict = fields.String(validate=validate.OneOf(["approve", "flag", "reject"]))
    by = fields.String(validate=validate.OneOf(["machine", "moderator"]))
    reason = fields.Integer(allow_none=True, metadata={"description": "a moderator's reason, 1 to 9"})
    reasons = fields.List(fields.Nested(ReasonOut))
    policy = fields.String(allow_none=True)
    undoes = fields.String(allow_none=True)
    decided_at = fields.String()


class DrivingWordOut(Schema):
    """A word that drives a score."""

    start = fields.Integer(metadata={"description": "where it begins in the body, in code points"})
    end = fields.Integer()
    text = fields.String()
    without = fields.Float(metadata={"description": "the score of the body without this word and those before it in the list"})


class DrivenScoreOut(Schema):
    """A score with the words that drive it, the strongest first."""

    attribute = fields.String()
    score = fields.Float()
    without = fields.Float(metadata={"description": "the score of the body without all of these words"})
    words = fields.List(fields.Nested(DrivingWordOut))


class ExplanationOut(Schema):
    """Which words drive the scores of a comment that was held or rejected."""

    scores = fields.List(fields.Nested(DrivenScoreOut), metadata={"description": "scores of 0.15 and more, the highest first"})
    spam_parts = fields.Dict(
        keys=fields.String(),
        values=fields.Float(),
        metadata={"description": "what each part of the text adds to the log odds of spam; empty where the spam score is low"},
    )


class CommentOut(Schema):
    """A comment as it stands now."""

    id = fields.String()
    external_id = fields.String(allow_none=True)
    post = fields.Nested(PostOut)
    author = fields.Nested(AuthorOut)
    parent_id = fields.String(allow_none=True)
    revision = fields.Integer()
    visible_revision = fields.Integer(allow_none=True, metadata={"description": "what the public reads; null for nothing"})
    status = fields.String(validate=validate.OneOf([str(status) for status in Status]))
    version = fields.Integer()
    body = fields.String(allow_none=True)
    language = fields.String(allow_none=True)
    decision = fields.Nested(DecisionOut, allow_none=True)
    decision_seq = fields.Integer()
    scores = fields.Dict(keys=fields.String(), values=fields.Float())
    signals = fields.Dict()
    not_evaluated = fields.List(fields.String())
    model = fields.String(allow_none=True)
    explanation = fields.Nested(
        ExplanationOut,
        allow_none=True,
        metadata={"description": "for secret keys; null until the words were looked for, and where nothing is held"},
    )
    created_at = fields.String()
    submitted_at = fields.String(allow_none=True)
    revised_at = fields.String(allow_none=True)
    links = fields.Dict(keys=fields.String(), values=fields.String())


class CommentsOut(Schema):
    """A page of comments, newest first."""

    items = fields.List(fields.Nested(CommentOut))
    next = fields.String(allow_none=True, metadata={"description": "give it as ``after`` for the following page"})


class BatchItemOut(Schema):
    """What became of one item."""

    status = fields.Integer(metadata={"description": "as if it had been sent alone: 202, 200 or 4xx"})
    comment = fields.Nested(CommentOut, allow_none=True)
    problem = fields.Dict(allow_none=True)


class BatchOut(Schema):
    """What became of each item, in the order sent."""

    items = fields.List(fields.Nested(BatchItemOut))


class CommentsQuery(Schema):
    """Which comments to list."""

    post = PostKey()
    status = fields.String(validate=validate.OneOf([str(status) for status in Status]))
    external_id = Line(longest=200)
    after = Line(longest=64)
    limit = Number(load_default=50, least=1, most=200)

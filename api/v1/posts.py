"""Public threads: what readers see under a post, and how much of it there is."""

from typing import Any

from flask import Response, request
from flask.views import MethodView
from marshmallow import ValidationError

from api.auth import needs, principal
from api.context import blueprint, context
from api.schemas.fields import PostKey
from api.schemas.thread import CountsOut, CountsQuery, ThreadOut, ThreadQuery
from moderation.errors import NotFound
from moderation.ids import read, show
from moderation.services import threads
from moderation.services.events import iso
from moderation.services.threads import PublicComment

DEEPEST = 32
"""Levels of replies within replies in one answer."""

blp = blueprint("posts", "/posts", "The public thread of a post")


@blp.route("/<path:key>/comments")
class Thread(MethodView):
    """The approved comments of a post, by the blog's id of it or by its address."""

    @blp.arguments(ThreadQuery, location="query")
    @blp.response(200, ThreadOut)
    @blp.alt_response(304, description="Nothing changed since the ETag in If-None-Match", success=True)
    @needs("thread:read")
    def get(self, query: dict[str, Any], key: str) -> Any:
        """Read a page of a thread; whole conversations, each parent before its replies."""
        site_id = principal().site_id
        key = _key(key)
        after = read("comment", query["after"]) if "after" in query else None
        variant = request.query_string.decode("ascii", "replace")
        with context().runtime.database.reading() as session:
            tag = threads.etag(session, site_id, key, variant=variant)
            if request.if_none_match.contains_weak(tag):
                return _tagged(Response(status=304), tag)
            page = threads.thread(session, site_id, key, after=after, limit=query["limit"], sort=query["sort"])
        shown = [_shown(comment) for comment in page.comments]
        body = {
            "post": {
                "key": page.post.external_id or page.post.canonical_key,
                "url": page.post.url,
                "title": page.post.title,
                "openness": str(page.post.openness),
            },
            "comments": nest(shown) if query["nested"] else shown,
            "total": page.total,
            "next": show("comment", page.next) if page.next else None,
        }
        return body, 200, {"ETag": f'W/"{tag}"', "Cache-Control": "private, no-cache"}


@blp.route("/counts")
class Counts(MethodView):
    """How many comments there are."""

    @blp.arguments(CountsQuery, location="query")
    @blp.response(200, CountsOut)
    @needs("thread:read")
    def get(self, query: dict[str, Any]) -> Any:
        """Count the public comments of up to a hundred posts; unknown ones have none."""
        with context().runtime.database.reading() as session:
            return {"counts": threads.counts(session, principal().site_id, query["post"])}


def _key(key: str) -> str:
    """Return a post's key from a path; what no post can be called does not exist."""
    try:
        return str(PostKey().deserialize(key))
    except ValidationError:
        raise NotFound("post", key) from None


def _tagged(response: Response, tag: str) -> Response:
    response.headers["ETag"] = f'W/"{tag}"'
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def _shown(comment: PublicComment) -> dict[str, Any]:
    author = None
    if not comment.removed:
        author = {"name": comment.author_name, "url": comment.author_url, "verified": comment.verified}
    return {
        "id": comment.id,
        "external_id": comment.external_id,
        "parent_id": comment.parent_id,
        "depth": comment.depth,
        "removed": comment.removed,
        "author": author,
        "body": comment.body,
        "edited": comment.edited,
        "created_at": iso(comment.submitted_at or comment.created_at),
    }


def nest(flat: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return comments with their replies in them, at most DEEPEST levels; deeper ones stand beside the one they answer.

    Two people can answer each other without an end, and no reader of JSON goes that deep.
    """
    placed: dict[str, tuple[dict[str, Any], list[dict[str, Any]], int]] = {}
    roots: list[dict[str, Any]] = []
    for comment in flat:
        node = {**comment, "replies": []}
        beside, level = roots, 0
        if comment["parent_id"] in placed:
            parent, siblings, above = placed[comment["parent_id"]]
            beside, level = (parent["replies"], above + 1) if above + 1 < DEEPEST else (siblings, above)
        beside.append(node)
        placed[comment["id"]] = (node, beside, level)
    return roots

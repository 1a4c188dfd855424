"""Public threads: what readers see under a post, and how much of it there is."""

from typing import Any

from flask import Response, request
from flask.views import MethodView
from marshmallow import ValidationError
from sqlalchemy.orm import Session

from api.auth import needs, principal
from api.context import blueprint, context
from api.schemas.fields import Line, PostKey
from api.schemas.own import PostFactsIn
from api.schemas.thread import CountsOut, CountsQuery, ThreadOut, ThreadPost, ThreadQuery
from moderation import models
from moderation.errors import NotFound
from moderation.ids import read, show
from moderation.models import Openness
from moderation.services import openness, posts, threads
from moderation.services.events import iso
from moderation.services.posts import PostReference
from moderation.services.threads import PublicComment

DEEPEST = 32
"""Levels of replies within replies in one answer."""

EMPTY = "nothing-yet"
"""The tag of a thread that has not begun."""

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
        now = context().runtime.clock.now()
        with context().runtime.database.reading() as session:
            tag = threads.etag(session, posts.find(session, site_id, key), variant=variant, now=now)
            if request.if_none_match.contains_weak(tag):
                return Response(status=304, headers=headers_of(tag))
            page = threads.thread(session, site_id, key, after=after, limit=query["limit"], sort=query["sort"], now=now)
        return shown_thread(page, nested=query["nested"]), 200, headers_of(tag)


@blp.route("/<path:key>")
class Post(MethodView):
    """A page of the blog, by the blog's own id of it."""

    @blp.arguments(PostFactsIn)
    @blp.response(200, ThreadPost)
    @needs("posts:write")
    def put(self, facts: dict[str, Any], key: str) -> Any:
        """Say what is known of a page before anybody comments on it: what its text quotes is judged apart from a comment's words.

        Readers' browsers cannot say this; what they say of a page that is known already is not taken over.
        """
        runtime = context().runtime
        try:
            named = Line(longest=200, shortest=1).deserialize(key)
        except ValidationError:
            raise NotFound("post", key) from None
        reference = PostReference(**{**facts, "id": named})
        now = runtime.clock.now()

        def unit(session: Session) -> dict[str, Any]:
            post = posts.register(session, principal().site_id, reference, now=now)
            return _shown_post(post, openness.now_at(session, post, now=now))

        return runtime.database.transact(unit)


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


def headers_of(tag: str) -> dict[str, str]:
    """Return the headers by which a browser keeps a thread and asks whether it is still the same."""
    return {"ETag": f'W/"{tag}"', "Cache-Control": "private, no-cache"}


def shown_thread(page: threads.Thread, *, nested: bool) -> dict[str, Any]:
    """Return a page of a thread as JSON."""
    shown = [_shown(comment) for comment in page.comments]
    return {
        "post": _shown_post(page.post, page.openness),
        "comments": nest(shown) if nested else shown,
        "total": page.total,
        "next": show("comment", page.next) if page.next else None,
    }


def _shown_post(post: models.Post, openness: Openness) -> dict[str, Any]:
    return {
        "key": post.external_id or post.canonical_key,
        "url": post.url,
        "title": post.title,
        "openness": str(openness),
    }


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

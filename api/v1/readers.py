"""What a reader's browser asks beside comments: the thread of a page that may be new, a nudge, and a report."""

import re
import time
from functools import partial
from typing import Any

from flask import Response, request
from flask.views import MethodView

from api import limits
from api.auth import needs, principal
from api.context import blueprint, context
from api.errors import Problem, fault
from api.logins import vouched_author
from api.schemas.own import NudgeIn, NudgeOut, ReportIn, ReportOut
from api.schemas.thread import PageThreadQuery, ThreadOut
from api.v1.posts import EMPTY, headers_of, shown_thread
from moderation.errors import NotFound
from moderation.ids import read
from moderation.models import KeyKind
from moderation.policy.shipped import SPAM
from moderation.scoring.choice import SiteModels
from moderation.services import assessment, authors, choosing, posts, reports, threads
from moderation.services.assessment import CheckRequest
from moderation.services.authors import AuthorClaim

threads_blp = blueprint("threads", "/threads", "The public thread of a page, known or not")
nudging = blueprint("nudge", "/nudge", "A word to the author before a comment is posted")
reporting = blueprint("reports", "/comments", "Readers' reports")

DEADLINE = 1.0
"""Seconds for all scoring of a nudge; later, nothing is said."""

NUDGED = frozenset({1, 2})
"""Reasons of which an author is warned: an attack on a person, and hate. Never spam: that would teach it to hide."""
MOST_PARTS = 12
LONGEST_PART = 240
OTHER = 9

_SENTENCE = re.compile(r"[^.!?…\n]+(?:[.!?…]+|\n|$)")


@threads_blp.route("")
class PageThread(MethodView):
    """The thread of a page by the blog's id of it, else by its address."""

    @threads_blp.arguments(PageThreadQuery, location="query")
    @threads_blp.response(200, ThreadOut)
    @threads_blp.alt_response(304, description="Nothing changed since the ETag in If-None-Match", success=True)
    @needs("thread:read")
    def get(self, query: dict[str, Any]) -> Any:
        """Read a page of a thread; a page that nobody has commented on has an empty one."""
        site_id = principal().site_id
        keys = [query[name] for name in ("post", "url") if name in query]
        if not keys:
            raise Problem(422, "invalid", "Name the page by post or url.", faults=[fault("/query/post", "required", "Give it.")])
        # Whoever reads a thread may write next, and the first nudge is not to wait for what is loaded on first use.
        context().models.knows_languages()
        after = read("comment", query["after"]) if "after" in query else None
        variant = request.query_string.decode("ascii", "replace")
        now = context().runtime.clock.now()
        with context().runtime.database.reading() as session:
            for key in keys:
                try:
                    found = posts.find(session, site_id, key)
                except NotFound:
                    continue
                if after is None and principal().kind is KeyKind.PUBLISHABLE:
                    context().views.count(site_id, found.id, now=now)
                tag = threads.etag(session, found, variant=variant, now=now)
                if request.if_none_match.contains_weak(tag):
                    return Response(status=304, headers=headers_of(tag))
                page = threads.thread(session, site_id, key, after=after, limit=query["limit"], sort=query["sort"], now=now)
                return shown_thread(page, nested=False), 200, headers_of(tag)
        if request.if_none_match.contains_weak(EMPTY):
            return Response(status=304, headers=headers_of(EMPTY))
        post = {"key": keys[0], "url": query.get("url", ""), "title": "", "openness": "open"}
        return {"post": post, "comments": [], "total": 0, "next": None}, 200, headers_of(EMPTY)


@nudging.route("")
class Nudge(MethodView):
    """The nudge."""

    @nudging.arguments(NudgeIn)
    @nudging.response(200, NudgeOut)
    @needs("nudge")
    def post(self, asked: dict[str, Any]) -> Any:
        """Name the part of a text that may read as an attack on a person, if the policy would hold it for that; no score is told.

        Where the model is late or fails nothing is said: a nudge is a courtesy and not a gate.
        """
        here = context()
        if principal().kind is KeyKind.PUBLISHABLE:
            here.limits.spend(limits.NUDGES, f"{principal().site_id.hex}:{here.limits.caller()}")
        known = vouched_author()
        author = known or AuthorClaim(name=asked["name"], email=asked.get("email"), address=request.remote_addr)
        until = time.monotonic() + DEADLINE
        found = assessment.check(
            here.runtime.database,
            partial(here.models.within, DEADLINE),
            principal().site_id,
            CheckRequest(
                body=asked["body"],
                language=asked.get("language"),
                author=author,
                vouched=known is not None,
                post=asked["post"],
            ),
            secret=here.runtime.settings.secret,
            now=here.runtime.clock.now(),
        )
        reasons = set(found.reasons)
        if not reasons & NUDGED or SPAM in reasons:
            return {"part": None}
        with here.runtime.database.reading() as session:
            models = choosing.models(session, principal().site_id)
        return {"part": _worst(asked["body"], until, models)}


@reporting.route("/<comment_id>/reports")
class Reports(MethodView):
    """The reports about a comment."""

    @reporting.arguments(ReportIn)
    @reporting.response(200, ReportOut)
    @needs("reports:send")
    def post(self, asked: dict[str, Any], comment_id: str) -> Any:
        """Tell the moderators what is wrong with a public comment; a reader counts once and is not named to the author."""
        here = context()
        limits.enforce_on_author(here.limits, principal())
        if asked["reason"] == OTHER and not asked["note"].strip():
            raise Problem(422, "note-required", "Please say what is wrong.", faults=[fault("/note", "required", "Say it here.")])
        complain(principal().site_id, comment_id, asked["reason"], asked["note"])
        return {"received": True}


def complain(site_id: Any, comment_id: str, reason: int, note: str) -> None:
    """Store the report of the reader whose request is at hand; raises NotFound."""
    runtime = context().runtime
    number = read("comment", comment_id)

    def unit(session: Any) -> bool:
        now = runtime.clock.now()
        reporter = authors.address_hashes(session, runtime.settings.secret, site_id, request.remote_addr or "0.0.0.0", now=now)  # noqa: S104 (who has no address is one and the same nobody)
        return reports.report(session, site_id, number, reason=reason, note=note, reporter=reporter, now=now)

    runtime.database.transact(unit)


def _worst(body: str, until: float, models: SiteModels) -> str | None:
    """Return the sentence that the model finds hardest, as the author wrote it; None where it could not read all of them in time.

    Nobody is to be told of a harmless sentence that it may read as an attack.
    """
    parts = [part for found in _SENTENCE.finditer(body) if (part := found.group().strip())][:MOST_PARTS] or [body.strip()]
    worst, highest = parts[0], -1.0
    for part in parts if len(parts) > 1 else ():
        left = until - time.monotonic()
        values = context().models.within(left, part, models).values if left > 0 else None
        if values is None:
            return None
        if values.get("toxicity", 0.0) > highest:
            worst, highest = part, values.get("toxicity", 0.0)
    return worst if len(worst) <= LONGEST_PART else f"{worst[:LONGEST_PART].rstrip()} …"

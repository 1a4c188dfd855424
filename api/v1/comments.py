"""Comments: taken in once, shown as they stand, revised and withdrawn."""

import hashlib
import re
from dataclasses import replace
from typing import Any
from uuid import UUID

from flask import g, request, url_for
from flask.views import MethodView
from marshmallow import ValidationError

from api.auth import needs, principal
from api.context import blueprint, context
from api.errors import Problem, fault, of_domain, pointers
from api.idempotency import IDEMPOTENCY_KEY, idempotency_key
from api.limits import enforce_on_author
from api.logins import vouched_author
from api.parsing import MAX_BATCH_BYTES, body_bytes
from api.schemas.comment import BatchIn, BatchOut, CommentIn, CommentOut, CommentsOut, CommentsQuery, RevisionIn
from api.streams import Full
from api.widget import texts
from moderation.errors import TidegateError
from moderation.failpoints import failpoint
from moderation.ids import read, show
from moderation.models import KeyKind, Status
from moderation.services import authorship, comments, sites, submission
from moderation.services.authors import AuthorClaim
from moderation.services.comments import CommentView
from moderation.services.privacy import keyed_hash
from moderation.services.submission import Once, Receipt, Submission

blp = blueprint("comments", "/comments", "Comments on their way to a decision and after it")

LONGEST_WAIT = 10.0
PREFER = {
    "in": "header",
    "name": "Prefer",
    "schema": {"type": "string", "examples": ["wait=10"]},
    "description": "wait=N answers with the decision if it comes within N seconds, at most 10 (RFC 7240)",
}
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,4})\"?", re.IGNORECASE)


@blp.route("")
class Comments(MethodView):
    """All comments of a site."""

    @blp.doc(parameters=[IDEMPOTENCY_KEY, PREFER])
    @blp.arguments(CommentIn)
    @blp.response(202, CommentOut, description="Taken in and durable; its decision follows")
    @blp.alt_response(200, schema=CommentOut, description="Known already, or decided while the request waited")
    @needs("comments:submit")
    def post(self, asked: Submission) -> Any:
        """Take a comment in.

        With ``Idempotency-Key`` the same request gives the same comment; with ``Prefer: wait=N`` (up to 10 seconds) the
        answer waits for the decision and is then exactly that of ``GET /v1/comments/{id}``. ``Author-Token`` in the answer opens
        the comment for its author (``/v1/own``). ``Author-Login`` carries the blog's own login (a signed token).
        """
        known = vouched_author()
        asked = _by_mail(_from_connection(asked, known))
        enforce_on_author(context().limits, principal())
        return _answer(_submit(asked, known))

    @blp.arguments(CommentsQuery, location="query")
    @blp.response(200, CommentsOut)
    @needs("comments:read")
    def get(self, query: dict[str, Any]) -> Any:
        """List comments, newest first."""
        after = read("comment", query["after"]) if "after" in query else None
        status = Status(query["status"]) if "status" in query else None
        with context().runtime.database.reading() as session:
            page = comments.page(
                session,
                principal().site_id,
                post=query.get("post"),
                status=status,
                external_id=query.get("external_id"),
                after=after,
                limit=query["limit"],
            )
        return {"items": [shown(view) for view in page.items], "next": show("comment", page.next) if page.next else None}


@blp.route("/batch")
class Batch(MethodView):
    """Many comments in one request."""

    @blp.doc(parameters=[IDEMPOTENCY_KEY])
    @blp.arguments(BatchIn)
    @blp.response(200, BatchOut)
    @needs("comments:write")
    def post(self, batch: dict[str, Any]) -> Any:
        """Take up to a hundred comments in; each is accepted or refused by itself."""
        return {"items": _submit_many(batch["items"])}


@blp.route("/<comment_id>")
class Comment(MethodView):
    """One comment."""

    @blp.response(200, CommentOut)
    @needs("comments:read")
    def get(self, comment_id: str) -> Any:
        """Show a comment as it stands now."""
        return shown(_view(read("comment", comment_id)))

    @blp.arguments(RevisionIn)
    @blp.response(202, CommentOut)
    @needs("comments:write")
    def patch(self, change: dict[str, Any], comment_id: str) -> Any:
        """Store a new revision, which is moderated anew; what was public stays so until that is done."""
        runtime = context().runtime
        number = read("comment", comment_id)
        runtime.database.transact(
            lambda session: submission.revise(
                session,
                principal().site_id,
                number,
                body=change["body"],
                language=change.get("language"),
                now=runtime.clock.now(),
                cost_ms=context().models.estimate_ms(change["body"]),
            )
        )
        return shown(_view(number))

    @blp.response(200, CommentOut)
    @needs("comments:write")
    def delete(self, comment_id: str) -> Any:
        """Withdraw a comment for its author: it leaves the public and the queue."""
        runtime = context().runtime
        number = read("comment", comment_id)
        runtime.database.transact(
            lambda session: submission.withdraw(session, principal().site_id, number, now=runtime.clock.now())
        )
        return shown(_view(number))


def shown(view: CommentView) -> dict[str, Any]:
    """Return a comment as JSON, with its links; to a reader's browser without what would help to get past the rules."""
    found = {**view.as_json(), "links": {"self": url_for("comments.Comment", comment_id=view.id)}}
    return _for_its_author(found) if principal().kind is KeyKind.PUBLISHABLE else found


def _for_its_author(found: dict[str, Any]) -> dict[str, Any]:
    """Leave what an author is told: what was decided, by machine or moderator, and for which of the site's reasons."""
    decision = found["decision"]
    if decision is not None:
        decision = {**decision, "policy": None, "reasons": [{"reason": each.get("reason")} for each in decision["reasons"]]}
    return {**found, "decision": decision, "scores": {}, "signals": {}, "not_evaluated": [], "model": None, "explanation": None}


def _view(comment_id: UUID) -> CommentView:
    with context().runtime.database.reading() as session:
        return comments.view(session, principal().site_id, comment_id)


def _submit(asked: Submission, known: AuthorClaim | None) -> Receipt:
    runtime = context().runtime
    holder = principal()
    once = _once(known=known)
    cost_ms = context().models.estimate_ms(asked.body)

    def unit(session: Any) -> Receipt:
        receipt = submission.submit(
            session,
            holder.site_id,
            asked,
            vouched=holder.kind is KeyKind.SECRET or known is not None,
            secret=runtime.settings.secret,
            once=once,
            now=runtime.clock.now(),
            cost_ms=cost_ms,
        )
        failpoint("api.before_commit")
        return receipt

    receipt = runtime.database.together(unit)
    failpoint("api.after_commit")
    return receipt


def _submit_many(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    runtime = context().runtime
    holder = principal()
    schema = CommentIn()
    results: list[dict[str, Any] | None] = [None] * len(items)
    accepted: list[tuple[int, Submission]] = []
    for place, item in enumerate(items):
        try:
            accepted.append((place, _by_mail(schema.load(item))))
        except ValidationError as error:
            faults = list(pointers(error.messages))
            problem = Problem(422, "invalid", "The item has invalid values; see errors.", faults=faults)
            results[place] = {"status": 422, "comment": None, "problem": problem.as_json()}
    once = _once(MAX_BATCH_BYTES)
    receipts = runtime.database.transact(
        lambda session: submission.submit_many(
            session,
            holder.site_id,
            [asked for _, asked in accepted],
            vouched=holder.kind is KeyKind.SECRET,
            secret=runtime.settings.secret,
            once=once,
            now=runtime.clock.now(),
        )
    )
    with runtime.database.reading() as session:
        for (place, _), receipt in zip(accepted, receipts, strict=True):
            if isinstance(receipt, TidegateError):
                refused = of_domain(receipt)
                results[place] = {"status": refused.status, "comment": None, "problem": refused.as_json()}
            else:
                view = receipt.made or comments.view(session, holder.site_id, receipt.comment_id)
                status = 202 if view.status == "pending" else 200
                results[place] = {"status": status, "comment": shown(view), "problem": None}
    return [result for result in results if result is not None]


def _answer(receipt: Receipt) -> Any:
    """Answer a submission: at once, or when it is decided where the caller prefers to wait."""
    view = receipt.made if _preferred_wait() is None else None
    headers = {} if view else wait_for(receipt.comment_id)
    view = view or _view(receipt.comment_id)
    headers["Location"] = url_for("comments.Comment", comment_id=view.id)
    headers["Author-Token"] = authorship.token_of(context().runtime.settings.secret, receipt.comment_id)
    status = 202 if view.status == "pending" else 200
    return shown(view), status, headers


def wait_for(comment_id: UUID) -> dict[str, str]:
    """Wait for the decision where the caller prefers to; returns the header that says so."""
    seconds = _preferred_wait()
    if seconds is None:
        return {}
    try:
        context().hub.wait(comment_id, seconds)
    except Full:
        # All places to wait are taken: the plain answer is as good.
        return {}
    return {"Preference-Applied": f"wait={seconds:g}"}


def _preferred_wait() -> float | None:
    """Return the seconds of ``Prefer: wait=N`` (RFC 7240), at most ten."""
    found = _WAIT.search(", ".join(request.headers.getlist("Prefer")))
    return min(float(found[1]), LONGEST_WAIT) if found else None


def _once(limit: int | None = None, known: AuthorClaim | None = None) -> Once | None:
    """Return the request's idempotency: its key, whose it is, and what was asked."""
    key = idempotency_key()
    if key is None:
        return None
    holder = principal()
    scope = f"{holder.site_id.hex}:{request.endpoint}"
    if holder.kind is KeyKind.PUBLISHABLE:
        # Everybody has this key: one reader's idempotency key must not answer with another's comment.
        who = f"login {known.id}" if known else request.remote_addr or ""
        whose = keyed_hash(context().runtime.settings.secret, b"idempotency", who).hex()
        scope = f"{scope}:{whose}"
    data = body_bytes() if limit is None else body_bytes(limit)
    return Once(scope=scope, key=key, fingerprint=hashlib.sha256(data).digest())


def _by_mail(asked: Submission) -> Submission:
    """Forget that the author wants mail where nobody is mailed: the address would be kept for nothing."""
    if not asked.notify or context().runtime.settings.smtp_url is None:
        return replace(asked, notify=False)
    # A browser says what its reader reads; the blog's server reads nothing, and the site's language is the best guess.
    return replace(asked, notify_language=texts.chosen() if principal().kind is KeyKind.PUBLISHABLE else None)


OURS_TO_SAY = (("ip", "address"), ("user_agent", "user_agent"), ("id", "id"))
THE_BLOGS_TO_SAY = ("excerpt", "author_names", "published_at")
"""What counts as quoted from a page, and who wrote it, is not for its readers to say."""


def _from_connection(asked: Submission, known: AuthorClaim | None) -> Submission:
    """With a publishable key, take from the connection and the login what a browser must not say about itself or the page."""
    if principal().kind is not KeyKind.PUBLISHABLE:
        return replace(asked, author=known) if known else asked
    detail = "Only the blog's server may say this; with a publishable key it comes from the connection."
    faults = [fault(f"/author/{name}", "not-yours-to-say", detail) for name, field in OURS_TO_SAY if getattr(asked.author, field)]
    faults += [
        fault(f"/{name}", "not-yours-to-say", detail)
        for name in ("external_id", "submitted_at")
        if getattr(asked, name) is not None
    ]
    faults += [fault(f"/post/{name}", "not-yours-to-say", detail) for name in THE_BLOGS_TO_SAY if getattr(asked.post, name)]
    if faults:
        raise Problem(422, "not-yours-to-say", detail, faults=faults)
    if sites.origin_of(asked.post.url) not in g.origins:
        elsewhere = "The page is not one of the site's."
        raise Problem(422, "page-elsewhere", elsewhere, faults=[fault("/post/url", "page-elsewhere", elsewhere)])
    agent = request.headers.get("User-Agent", "")[:2000] or None
    author = replace(known or asked.author, address=request.remote_addr, user_agent=agent)
    return replace(asked, author=author, post=replace(asked.post, vouched=False))

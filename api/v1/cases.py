"""The moderators' queue: what waits, who is at it, what is decided, and taking it back."""

import math
from typing import Any
from uuid import UUID

from flask import g
from flask.views import MethodView

from api.auth import needs, principal
from api.context import blueprint, context
from api.errors import Problem, fault
from api.idempotency import IDEMPOTENCY_KEY, idempotency_key
from api.schemas.case import CaseOut, DecideIn, QueueOut, QueueQuery
from api.schemas.comment import CommentOut, DecisionOut
from api.v1.comments import shown as comment_shown
from moderation.errors import IdempotencyMismatch, UnknownId
from moderation.failpoints import failpoint
from moderation.ids import read, show
from moderation.models import CaseKind
from moderation.policy.verdict import Verdict
from moderation.services import comments, decisions, review
from moderation.services.events import iso
from moderation.services.review import CaseView

blp = blueprint("review", "/cases", "The moderators' queue")
deciding = blueprint("decisions", "", "Decisions and their undoing")


@blp.route("")
class Queue(MethodView):
    """The open cases."""

    @blp.arguments(QueueQuery, location="query")
    @blp.response(200, QueueOut)
    @needs("review:read")
    def get(self, query: dict[str, Any]) -> Any:
        """List open cases, most urgent first; with ``escalated=true`` the editors' queue."""
        kind = CaseKind(query["kind"]) if "kind" in query else None
        runtime = context().runtime
        with runtime.database.reading() as session:
            page = review.queue(
                session,
                principal().site_id,
                now=runtime.clock.now(),
                kind=kind,
                post=query.get("post"),
                escalated=query["escalated"],
                after=_cursor(query.get("after")),
                limit=query["limit"],
            )
        following = f"{page.next[0]!r}~{show('case', page.next[1])}" if page.next else None
        return {"items": [_shown(case) for case in page.items], "next": following, "waiting": page.waiting}


@blp.route("/<case_id>")
class Case(MethodView):
    """One case."""

    @blp.response(200, CaseOut)
    @needs("review:read")
    def get(self, case_id: str) -> Any:
        """Show a case, open or closed."""
        runtime = context().runtime
        with runtime.database.reading() as session:
            return _shown(review.case(session, principal().site_id, read("case", case_id), now=runtime.clock.now()))


@blp.route("/<case_id>/claim")
class Claim(MethodView):
    """A moderator's claim on a case."""

    @blp.response(200, CaseOut)
    @needs("review:claim")
    def put(self, case_id: str) -> Any:
        """Take a case, or keep it for five minutes more; 409 while a colleague has it."""
        return _act(review.claim, case_id)

    @blp.response(200, CaseOut)
    @needs("review:claim")
    def delete(self, case_id: str) -> Any:
        """Give a case back."""
        return _act(review.release, case_id)


@blp.route("/<case_id>/escalate")
class Escalation(MethodView):
    """Handing a case on."""

    @blp.response(200, CaseOut)
    @needs("review:claim")
    def post(self, case_id: str) -> Any:
        """Move a case to the editors' queue."""
        return _act(review.escalate, case_id)


@deciding.route("/comments/<comment_id>/decisions")
class Decisions(MethodView):
    """What moderators decide about a comment."""

    @deciding.doc(parameters=[IDEMPOTENCY_KEY])
    @deciding.arguments(DecideIn)
    @deciding.response(201, CommentOut)
    @needs("review:decide")
    def post(self, asked: dict[str, Any], comment_id: str) -> Any:
        """Decide about the revision that was read; 409 with the present state when someone was faster."""
        runtime = context().runtime
        number = read("comment", comment_id)
        cause = _cause()
        decision = runtime.database.transact(
            lambda session: review.decide(
                session,
                principal().site_id,
                number,
                verdict=Verdict(asked["verdict"]),
                revision=asked["revision"],
                decision_seq=asked.get("decision_seq"),
                reason=asked.get("reason"),
                note=asked["note"],
                user_id=principal().user_id,
                cause=cause,
                now=runtime.clock.now(),
            )
        )
        failpoint("api.after_decision")
        wanted = (number, asked["verdict"], asked["revision"])
        if (decision.comment_id, decision.verdict, decision.revision) != wanted:
            # The key was used before, to decide something else.
            raise IdempotencyMismatch(cause)
        with runtime.database.reading() as session:
            return comment_shown(comments.view(session, principal().site_id, number))


@deciding.route("/decisions/<decision_id>/undo")
class Undo(MethodView):
    """Taking a decision back."""

    @deciding.doc(parameters=[IDEMPOTENCY_KEY])
    @deciding.response(201, DecisionOut)
    @needs("review:decide")
    def post(self, decision_id: str) -> Any:
        """Restore what a moderator's newest decision replaced, and open the case again."""
        runtime = context().runtime
        number = read("decision", decision_id)
        cause = _cause()
        decision = runtime.database.transact(
            lambda session: review.undo(
                session,
                principal().site_id,
                number,
                user_id=principal().user_id,
                cause=cause,
                now=runtime.clock.now(),
            )
        )
        if decision.undoes != number:
            raise IdempotencyMismatch(cause)
        return decisions.as_public(decision)


def _cause() -> str:
    """Return what makes a resent request the same one: its idempotency key, else the request itself."""
    key = idempotency_key()
    return f"request:{principal().key_id.hex}:{key}" if key else f"request:{g.request_id}"


def _act(act: Any, case_id: str) -> dict[str, Any]:
    runtime = context().runtime
    number = read("case", case_id)
    return _shown(
        runtime.database.transact(
            lambda session: act(session, principal().site_id, number, user_id=principal().user_id, now=runtime.clock.now())
        )
    )


def _cursor(after: str | None) -> tuple[float, UUID] | None:
    if after is None:
        return None
    shown, _, case_id = after.partition("~")
    try:
        priority, place = float(shown), read("case", case_id)
    except (ValueError, UnknownId):
        priority, place = math.nan, UUID(int=0)
    if not math.isfinite(priority):
        detail = "Not a cursor of ours."
        raise Problem(422, "invalid", detail, faults=[fault("/query/after", "invalid", detail)])
    return priority, place


def _shown(case: CaseView) -> dict[str, Any]:
    return {
        "id": show("case", case.id),
        "kind": str(case.kind),
        "revision": case.revision,
        "reasons": case.reasons,
        "alert": case.alert,
        "escalated": case.escalated,
        "opened_at": iso(case.opened_at),
        "claimed_by": show("user", case.claimed_by) if case.claimed_by else None,
        "claimed_by_name": case.claimed_by_name,
        "claimed_until": iso(case.claimed_until) if case.claimed_until else None,
        "closed_at": iso(case.closed_at) if case.closed_at else None,
        "comment": comment_shown(case.comment),
    }

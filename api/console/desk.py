"""The queue with the card that lies open, and what a moderator does about it.

Each act answers with the queue again (303), so that a page without script works the same; what was done is said above the next
card. Whoever was slower than a colleague or than the author gets the card anew with what happened (409), and nothing is applied.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Response, redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as Answer

from api.auth import needs, principal
from api.console import show
from api.console.door import blp, form, page, signed_in
from api.console.forms import TABS, CardForm, DecideForm, NewsForm, NoteForm, OnceForm, QueueForm
from api.context import context
from moderation.errors import AlreadyDecided, ClaimedByAnother, Conflict, NotFound, NotUndoable, Refused, StaleRevision
from moderation.ids import read
from moderation.ids import show as public_id
from moderation.models import CaseKind, Decision
from moderation.policy.verdict import Verdict
from moderation.services import bursts, cards, desk, review, waves, windows
from moderation.services.cards import Card

HOLD_NEWCOMERS = timedelta(hours=2)
"""How long a burst of newcomers is answered by reading them first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is said above the card. ``wanted`` is the decision that was not applied and can be repeated knowingly."""

    text: str
    good: bool = False
    undo: str | None = None
    batch: str | None = None
    wanted: dict[str, Any] | None = None
    keep: bool = False


SAID = {
    "escalated": "Handed to the editors.",
    "redacted": "The words are out. Approve what is left, or reject it.",
}
EDITED = Notice(text="The author changed this while you were reading. Changes are marked; please decide again.")


@blp.get("")
@needs("console:read")
def home() -> Answer:
    """Go to the queue."""
    return redirect(url_for("console.queue"), code=303)


@blp.get("/queue")
@needs("console:read")
def queue() -> Response:
    """Show a queue and a card."""
    asked = QueueForm().load(request.args.to_dict())
    case_id = read("case", asked["case"]) if asked.get("case") else None
    with context().runtime.database.reading() as session:
        notice = _said(session, asked)
    past = read("case", asked["past"]) if asked.get("past") else None
    return work(asked["tab"], case_id, notice=notice, past=past)


@blp.get("/queue/news")
@needs("console:read")
def news() -> Response:
    """Say how many cases came since the queue was shown."""
    asked = NewsForm().load(request.args.to_dict())
    with context().runtime.database.reading() as session:
        count = desk.newer(session, principal().site_id, since=asked["since"], **_question(asked["tab"]))
    return page("news.html", count=count, tab=asked["tab"])


@blp.post("/cases/<case_id>/claim")
@needs("console:decide")
def claim(case_id: str) -> Response:
    """Take the case whose card lies open, or keep it; says who else has it."""
    runtime = context().runtime
    number, me, site_id = read("case", case_id), user_id(), principal().site_id

    def act(session: Session) -> None:
        review.claim(session, site_id, number, user_id=me, now=runtime.clock.now())
        desk.put_down(session, site_id, me, but=number)

    try:
        runtime.database.transact(act)
    except Conflict as conflict:
        return page("claimed.html", text=conflict.detail)
    return page("claimed.html", text="")


@blp.post("/cases/<case_id>/decision")
@needs("console:decide")
def decide(case_id: str) -> Answer:
    """Approve or reject the revision that was read."""
    asked = form(DecideForm())
    runtime = context().runtime
    site_id, number = principal().site_id, read("case", case_id)
    reason = asked.get("reason")
    verdict = Verdict.REJECT if reason else Verdict.APPROVE

    def act(session: Session) -> Decision:
        found = review.case(session, site_id, number, now=runtime.clock.now())
        return review.decide(
            session,
            site_id,
            read("comment", found.comment.id),
            verdict=verdict,
            revision=asked["revision"],
            decision_seq=asked["decision_seq"],
            reason=reason,
            note=asked["note"],
            user_id=user_id(),
            cause=_cause(asked["once"]),
            now=runtime.clock.now(),
        )

    try:
        decision = runtime.database.transact(act)
    except Refused as refused:
        return work(asked["tab"], number, notice=Notice(text=refused.detail), status=422, note=asked["note"])
    except Conflict as conflict:
        return _slower(conflict, asked, number, verdict)
    return _back(asked["tab"], done=public_id("decision", decision.id), past=case_id if asked["passed"] else None)


@blp.post("/cases/<case_id>/escalate")
@needs("console:decide")
def escalate(case_id: str) -> Answer:
    """Hand the case to the editors."""
    asked = form(CardForm())
    runtime = context().runtime
    number = read("case", case_id)
    try:
        runtime.database.transact(
            lambda session: review.escalate(session, principal().site_id, number, user_id=user_id(), now=runtime.clock.now())
        )
    except Conflict as conflict:
        return work(asked["tab"], number, notice=Notice(text=conflict.detail), status=409)
    return _back(asked["tab"], done="escalated", past=case_id if asked["passed"] else None)


@blp.post("/cases/<case_id>/notes")
@needs("console:decide")
def keep_note(case_id: str) -> Answer:
    """Keep a note for colleagues without deciding."""
    asked = form(NoteForm())
    runtime = context().runtime
    number = read("case", case_id)
    try:
        runtime.database.transact(
            lambda session: desk.keep_note(
                session, principal().site_id, number, body=asked["note"], user_id=user_id(), now=runtime.clock.now()
            )
        )
    except Refused as refused:
        return work(asked["tab"], number, notice=Notice(text=refused.detail), status=422)
    return _back(asked["tab"], case=case_id)


@blp.post("/decisions/<decision_id>/undo")
@needs("console:decide")
def undo(decision_id: str) -> Answer:
    """Take a decision back; the card of its comment lies open again."""
    asked = form(OnceForm())
    runtime = context().runtime
    site_id, number = principal().site_id, read("decision", decision_id)
    try:
        decision = runtime.database.transact(
            lambda session: review.undo(
                session, site_id, number, user_id=user_id(), cause=_cause(asked["once"]), now=runtime.clock.now()
            )
        )
    except NotUndoable as late:
        return work(asked["tab"], None, notice=Notice(text=f"Not undone. {late.detail}"), status=409)
    with runtime.database.reading() as session:
        place = desk.place(session, site_id, decision.comment_id)
    case = public_id("case", place.case_id) if place.case_id else None
    return _back(asked["tab"], case=case, undone=public_id("decision", decision.id))


def work(
    tab: str,
    case_id: UUID | None,
    *,
    notice: Notice | None = None,
    status: int = 200,
    note: str = "",
    words: str = "",
    seen: int | None = None,
    past: UUID | None = None,
) -> Response:
    """Return the queue with a card: the case asked for, else the next behind ``past``, else the first; see ``windows``."""
    runtime = context().runtime
    now = runtime.clock.now()
    site_id = principal().site_id
    with runtime.database.reading() as session:
        listed = windows.window(
            session, site_id, case_id=case_id, past=past, user_id=principal().user_id, question=_question(tab), now=now
        )
        card = cards.card(session, site_id, listed.chosen, now=now) if listed.chosen is not None else None
        before = cards.text_of(session, site_id, card.comment_id, seen) if card is not None and seen is not None else None
        values: dict[str, Any] = {
            "waiting": desk.waiting(session, site_id),
            "burst": bursts.find(session, site_id, now=now),
            "burst_until": now + HOLD_NEWCOMERS,
            "last": desk.last_of(session, site_id, user_id(), now=now),
            "today": desk.today(session, site_id, time_zone=signed_in().time_zone, now=now),
        }
    changes = show.changes(before, card.case.comment.body or "") if card is not None and before is not None else None
    return page(
        "queue.html",
        place="queue",
        status=status,
        tab=tab,
        tabs=TABS,
        listed=listed,
        card=card,
        notice=notice,
        note=note,
        words=words,
        changes=changes,
        since=_since(now),
        **values,
    )


def _slower(conflict: Conflict, asked: dict[str, Any], case_id: UUID, verdict: Verdict) -> Response:
    """Say what happened meanwhile, with the card as it is now; nothing was applied."""
    runtime = context().runtime
    with runtime.database.reading() as session:
        card = cards.card(session, principal().site_id, case_id, now=runtime.clock.now())
    mine = "approval" if verdict is Verdict.APPROVE else "rejection"
    notice = Notice(text=f"{conflict.detail} Your {mine} was not applied.")
    seen = None
    if isinstance(conflict, StaleRevision):
        notice = EDITED
        seen = asked["revision"]
    elif isinstance(conflict, AlreadyDecided) and card.last is not None:
        notice = Notice(
            text=f"{_what_happened(card, runtime.clock.now())} Your {mine} was not applied.",
            keep=True,
            wanted={**asked, "changed": "approved" if verdict is Verdict.APPROVE else "rejected"},
        )
    elif isinstance(conflict, ClaimedByAnother):
        notice = Notice(text=f"{conflict.detail} Your {mine} was not applied.")
    return work(asked["tab"], case_id, notice=notice, status=409, note=asked["note"], seen=seen)


def _what_happened(card: Card, now: datetime) -> str:
    last = card.last
    if last is None:
        return ""
    why = f" ({show.reason(last.reason)})" if last.reason else ""
    return f"{last.who} {show.VERDICTS[last.what]} this {show.ago(last.at, now)}{why}."


def _said(session: Session, asked: dict[str, Any]) -> Notice | None:
    """Return what to say about the act that led here."""
    if asked.get("done") in SAID:
        return Notice(text=SAID[asked["done"]], good=True)
    if asked.get("batch"):
        return _said_of_a_wave(session, asked)
    site_id = principal().site_id
    if asked.get("undone"):
        place = desk.place(session, site_id, desk.decision(session, site_id, read("decision", asked["undone"])).comment_id)
        where = "Undone. It is public again on the blog." if place.public else "Undone. It waits for a decision again."
        behind = "Undone here. The blog has not confirmed yet; we keep trying."
        return Notice(text=behind if place.blog_behind else where, good=True)
    if not asked.get("done"):
        return None
    decided = desk.decision(session, site_id, read("decision", asked["done"]))
    if decided.user_id != principal().user_id or not desk.still_newest(session, decided):
        return None
    text = "Approved." if decided.verdict == Verdict.APPROVE else f"Rejected: {show.reason(decided.reason)}."
    return Notice(text=text, good=True, undo=public_id("decision", decided.id))


def _said_of_a_wave(session: Session, asked: dict[str, Any]) -> Notice | None:
    left = f", {asked['left']} left out (a colleague was faster)" if asked["left"] else ""
    if "back" in asked:
        return Notice(text=f"{asked['back']} undone{left}.", good=True)
    now = context().runtime.clock.now()
    ids = waves.decided(session, principal().site_id, user_id=user_id(), batch=asked["batch"], now=now)
    if not ids:
        return Notice(text=f"Nothing was decided{left}.")
    approved = desk.decision(session, principal().site_id, ids[0]).verdict == Verdict.APPROVE
    text = f"{len(ids)} {'approved' if approved else 'rejected'}{left}."
    return Notice(text=text, good=True, batch=asked["batch"])


def _question(tab: str) -> dict[str, Any]:
    """Return what to ask the queue for; the random audit has its own tab, so that it never stands before what waits."""
    if tab in set(CaseKind):
        return {"kind": CaseKind(tab)}
    if tab == "escalated":
        return {"escalated": True}
    return {"but": CaseKind.AUDIT, "newcomers": tab == "newcomers"}


def _since(now: datetime) -> str:
    return now.isoformat()


def _back(
    tab: str, *, case: str | None = None, done: str | None = None, undone: str | None = None, past: str | None = None
) -> Answer:
    shown = tab if tab != "all" else None
    return redirect(url_for("console.queue", tab=shown, case=case, done=done, undone=undone, past=past), code=303)


def _cause(once: str) -> str:
    return f"console:{principal().key_id.hex}:{once}"


def user_id() -> UUID:
    """Return who is at work."""
    found = principal().user_id
    if found is None:
        raise NotFound("user", "")
    return found

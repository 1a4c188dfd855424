"""Acts on more than one comment, and on part of one: a wave decided at once, words taken out, comments drawn for the audit."""

from typing import Any
from uuid import UUID

from flask import redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as Answer

from api.auth import needs, principal
from api.console import desk as counter
from api.console.door import blp, form
from api.console.forms import BatchForm, RedactionForm, TabForm, WaveForm
from api.context import context
from api.errors import Problem
from moderation.errors import Conflict, Refused, StaleRevision
from moderation.ids import read
from moderation.models import Comment
from moderation.policy.verdict import Verdict
from moderation.services import desk, redaction, waves

CHECKED = 5
"""Comments drawn for the audit at once."""


@blp.post("/waves")
@needs("console:decide")
def decide_wave() -> Answer:
    """Decide all copies that were ticked."""
    asked = form(WaveForm())
    batch, left = decide_picked(asked)
    return redirect(url_for("console.queue", tab=asked["tab"], batch=batch, left=left), code=303)


def decide_picked(asked: dict[str, Any]) -> tuple[str, int]:
    """Decide what the form at hand has ticked; returns the act's name, by which it is undone, and how many were left out.

    Raises Refused where a rejection lacks what its reason needs; nothing is decided then.
    """
    runtime = context().runtime
    batch = f"console:{principal().key_id.hex}:{asked['once']}:"
    outcome = waves.decide(
        runtime.database,
        principal().site_id,
        [_picked(each) for each in request.form.getlist("pick")[: waves.MOST]],
        verdict=Verdict.REJECT if asked.get("reason") else Verdict.APPROVE,
        reason=asked.get("reason"),
        note=asked["note"],
        user_id=counter.user_id(),
        batch=batch,
        now=runtime.clock.now(),
    )
    return batch, outcome.left


@blp.post("/waves/undo")
@needs("console:decide")
def undo_wave() -> Answer:
    """Take a wave's decisions back."""
    asked = form(BatchForm())
    runtime = context().runtime
    user_id, now = counter.user_id(), runtime.clock.now()
    if not asked["batch"].startswith("console:") or asked["batch"].count(":") != 3:
        raise Problem(404, "not-found", "There is no such act.")
    outcome = waves.undo(runtime.database, principal().site_id, user_id=user_id, batch=asked["batch"], now=now)
    where = url_for("console.queue", tab=asked["tab"], batch=asked["batch"], left=outcome.left, back=outcome.done)
    return redirect(where, code=303)


@blp.post("/cases/<case_id>/redaction")
@needs("console:decide")
def redact(case_id: str) -> Answer:
    """Take words out of the comment; what is left waits for a decision."""
    asked = form(RedactionForm())
    runtime = context().runtime
    number, user_id = read("case", case_id), counter.user_id()

    def act(session: Session) -> Comment:
        return redaction.redact(
            session,
            principal().site_id,
            number,
            words=asked["words"],
            revision=asked["revision"],
            user_id=user_id,
            now=runtime.clock.now(),
        )

    try:
        runtime.database.transact(act)
    except Refused as refused:
        return counter.work(asked["tab"], number, notice=counter.Notice(text=refused.detail), status=422, words=asked["words"])
    except StaleRevision:
        return counter.work(asked["tab"], number, notice=counter.EDITED, status=409, seen=asked["revision"])
    except Conflict as conflict:
        return counter.work(asked["tab"], number, notice=counter.Notice(text=conflict.detail), status=409)
    return redirect(url_for("console.queue", tab=asked["tab"], case=case_id, done="redacted"), code=303)


@blp.post("/audit")
@needs("console:decide")
def draw() -> Answer:
    """Draw comments that the machine let through."""
    form(TabForm())
    runtime = context().runtime
    runtime.database.transact(
        lambda session: desk.draw_audit(session, principal().site_id, count=CHECKED, now=runtime.clock.now())
    )
    return redirect(url_for("console.queue", tab="audit"), code=303)


def _picked(said: str) -> tuple[UUID, int, int]:
    """Read what a tick says: the case, the revision and the decision number that were shown."""
    case_id, _, numbers = said.partition(":")
    revision, _, seq = numbers.partition(":")
    if not all(each.isascii() and each.isdecimal() and len(each) < 9 for each in (revision, seq)):
        raise Problem(422, "invalid", "This page is out of date. Please load it again; nothing was changed.")
    return read("case", case_id), int(revision), int(seq)

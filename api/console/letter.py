"""The page behind the link in a moderator's letter: one comment as it is now, decided about once, without signing in.

The link says who asks, so there is no session and no cookie. Opening it changes nothing, because mail scanners open links; and
whoever has a second factor proves it here, too: a mailbox alone decides nothing for them.
"""

from typing import Any

from flask import Response, redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as Answer

from api import limits
from api.auth import PUBLIC, needs
from api.console import show
from api.console.door import address, blp, form, page
from api.console.forms import LetterForm, TokenForm
from api.context import context
from moderation.errors import Conflict, Refused, StaleRevision
from moderation.policy.verdict import Verdict
from moderation.services import cards, letter_links, passwords
from moderation.services.letter_links import BadLink, Opened


@blp.get("/letter")
@needs(PUBLIC)
def letter() -> Answer:
    """Show the comment that a letter is about."""
    token = TokenForm().load(request.args.to_dict())["token"]
    try:
        return _letter(token)
    except BadLink as bad:
        return _refused(bad)


@blp.post("/letter")
@needs(PUBLIC)
def answer_letter() -> Answer:
    """Decide about the revision that was read, and spend the link."""
    asked = form(LetterForm())
    try:
        return _answered(asked)
    except BadLink as bad:
        return _refused(bad)


def _answered(asked: dict[str, Any]) -> Answer:
    try:
        _decide(asked)
    except passwords.TooSoon as early:
        answer = _letter(asked["token"], status=429, problem=str(early), note=asked["note"])
        answer.headers["Retry-After"] = str(early.seconds)
        return answer
    except passwords.NotLetIn:
        return _letter(asked["token"], status=403, problem="That code did not match.", note=asked["note"])
    except Refused as refused:
        return _letter(asked["token"], status=422, problem=refused.detail, note=asked["note"])
    except StaleRevision:
        said = "The author changed this while you were reading. Changes are marked; please decide again."
        return _letter(asked["token"], status=409, problem=said, note=asked["note"], seen=asked["revision"])
    except Conflict as conflict:
        mine = "rejection" if asked.get("reason") else "approval"
        return _letter(asked["token"], status=409, problem=f"{conflict.detail} Your {mine} was not applied.", note=asked["note"])
    return redirect(url_for("console.letter", token=asked["token"]), code=303)


def _decide(asked: dict[str, Any]) -> None:
    runtime = context().runtime
    secret, caller, now = runtime.settings.secret, address(), runtime.clock.now()
    token, reason = asked["token"], asked.get("reason")

    def count(session: Session) -> str | None:
        """Guessing the code of somebody whose letter one has is slowed down like guessing a password."""
        user = letter_links.opened(session, token, secret=secret, now=now).user
        if user.code_salt is None:
            return None
        passwords.attempt(session, user.email, caller, secret=secret, now=now)
        return user.email

    email = runtime.database.transact(count)

    def act(session: Session) -> None:
        user = letter_links.opened(session, token, secret=secret, now=now).user
        passwords.spend_code(session, user.id, asked["code"], secret=secret, now=now)
        if email is not None:
            passwords.succeeded(session, email, caller, secret=secret)
        letter_links.decide(
            session,
            token,
            verdict=Verdict.REJECT if reason else Verdict.APPROVE,
            revision=asked["revision"],
            reason=reason,
            note=asked["note"],
            secret=secret,
            now=now,
        )

    runtime.database.transact(act)


def _letter(token: str, *, status: int = 200, problem: str = "", note: str = "", seen: int | None = None) -> Response:
    runtime = context().runtime
    now = runtime.clock.now()
    with runtime.database.reading() as session:
        found = letter_links.opened(session, token, secret=runtime.settings.secret, now=now)
        seen = seen or (found.message.revision if found.revised else None)
        before = cards.text_of(session, found.site.id, found.comment.id, seen) if seen is not None else None
        return page(
            "letter.html",
            status=status,
            found=found,
            token=token,
            problem=problem or _said(found),
            note=note,
            changes=show.changes(before, found.body) if before is not None and found.body is not None else None,
        )


def _said(found: Opened) -> str:
    """Return what there is to know before one reads: what became of it, or that it is not what the letter was about."""
    if found.body is None:
        return "Its author took it back. There is nothing to decide any more."
    now = context().runtime.clock.now()
    decision = found.mine or (found.newest if found.case is None else None)
    if decision is not None:
        who = "You" if found.mine is not None else found.newest_by or "The automatic check"
        why = f" ({show.reason(decision.reason)})" if decision.reason else ""
        return f"{who} {show.VERDICTS[decision.verdict]} this {show.ago(decision.created_at, now)}{why}."
    return "The author changed this since the mail was sent. Changes are marked." if found.revised else ""


def _refused(bad: BadLink) -> Answer:
    here = context()
    here.limits.spend(limits.STRANGER, here.limits.caller())
    return page("letter.html", status=403, found=None, problem=str(bad))

"""What those who look after the site are told by mail, and when; whether mail works; and the letters that were given up."""

from collections.abc import Mapping
from typing import Any

from flask import Response, request
from marshmallow import ValidationError
from werkzeug.wrappers import Response as Answer

from api import limits
from api.auth import by, needs, principal
from api.console.desk import user_id
from api.console.door import back, blp, form, page, refusal, said, signed_in
from api.console.forms import ChoiceForm, Form, PlanForm
from api.context import context
from moderation.ids import new_id, read
from moderation.ids import show as public_id
from moderation.models import ChatKind, DeliveryState
from moderation.outbound.mail import ADVICE, Letter, Mailer
from moderation.services import chats, messages, notices
from moderation.services.notices import Choice

KINDS = {
    "urgent": "a threat or private information, and what was handed to the editors",
    "waiting": "what waits too long",
    "digest": "the digest",
}
CHATS = {
    ChatKind.SLACK: "Slack, Mattermost",
    ChatKind.DISCORD: "Discord",
    ChatKind.TELEGRAM: "Telegram",
}


@blp.get("/notices")
@needs("console:decide")
def told() -> Response:
    """Show who is told what, and when."""
    return notices_page()


@blp.post("/notices/mine")
@needs("console:decide")
def choose() -> Answer:
    """Note what one wants to be told."""
    asked = form(ChoiceForm())
    runtime = context().runtime
    runtime.database.transact(
        lambda session: notices.choose(session, principal().site_id, user_id(), Choice(**asked), by=by(), now=runtime.clock.now())
    )
    return back("told", "notices")


@blp.post("/notices/plan")
@needs("console:lead")
def plan() -> Answer:
    """Set the hours of the digest, and when waiting is an alarm."""
    try:
        asked = form(PlanForm())
    except ValidationError as invalid:
        return notices_page(problem=said(invalid), written=request.form)
    hours, minutes, now = asked["digest_hours"], asked["waiting_hours"] * 60, context().runtime.clock.now()
    problem = refusal(
        lambda session: notices.set_plan(
            session, principal().site_id, digest_hours=hours, waiting_minutes=minutes, by=by(), now=now
        )
    )
    if problem:
        return notices_page(problem=problem, written=request.form)
    return back("told", "notices")


@blp.post("/notices/test")
@needs("console:decide")
def send_test() -> Answer:
    """Mail oneself a few words, and say what the mail server made of it."""
    form(Form())
    here = context()
    here.limits.spend(limits.AUTHOR, f"test mail:{user_id().hex}")
    mailer = Mailer.from_settings(here.runtime.settings)
    if mailer is None:
        return notices_page(problem="There is no mail server.")
    site = signed_in().site_title
    letter = Letter(
        id=public_id("message", new_id()),
        to=signed_in().email,
        subject=f"[{site}] A test",
        text="If you read this, mail about comments reaches you.\n",
    )
    # No transaction is open: a slow server holds up this page alone.
    reply = mailer.send(letter, now=here.runtime.clock.now())
    if not reply.ok:
        return notices_page(problem=f"Not sent: {ADVICE[reply.error or 'protocol']}.")
    return back("told", "test-mail")


@blp.post("/notices/<message_id>/retry")
@needs("console:lead")
def retry_letter(message_id: str) -> Answer:
    """Send a letter again that was given up."""
    number = read("message", message_id)
    runtime = context().runtime
    runtime.database.transact(
        lambda session: messages.retry(session, principal().site_id, number, by=by(), now=runtime.clock.now()).id
    )
    return back("told", "replayed")


def notices_page(*, problem: str = "", written: Mapping[str, str] | None = None) -> Response:
    """Return the page, with what went wrong and what was written into the form that it went wrong with."""
    site_id = principal().site_id
    settings = context().runtime.settings
    with context().runtime.database.reading() as session:
        people = notices.choices(session, site_id)
        values: dict[str, Any] = {
            "plan": notices.plan(session, site_id),
            "dead": messages.page(session, site_id, state=DeliveryState.DEAD),
            "rooms": (rooms := chats.page(session, site_id)),
            "names": {user.id: user.name for user, _, _ in people} | {room.id: room.name for room in rooms},
        }
    return page(
        "notices.html",
        status=422 if problem else 200,
        place="told",
        people=people,
        mine=next((choice for user, _, choice in people if user.id == user_id()), None),
        kinds=KINDS,
        chats=CHATS,
        written=written or {},
        mails=settings.mail_from if settings.smtp_url is not None else None,
        problem=problem,
        **values,
    )

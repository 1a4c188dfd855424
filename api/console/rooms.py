"""The chat rooms that are told what people are told: added, tried and removed on the page of notices."""

from flask import request
from werkzeug.wrappers import Response as Answer

from api import limits
from api.auth import by, needs, principal
from api.console.desk import user_id
from api.console.door import back, blp, form, refusal
from api.console.forms import RoomActForm, RoomForm
from api.console.notices import notices_page
from api.context import context
from moderation.ids import read
from moderation.models import ChatKind
from moderation.outbound.http import Client
from moderation.services import chats


@blp.post("/notices/rooms")
@needs("console:admin")
def add_room() -> Answer:
    """Add a room; its address is a secret and is not shown again."""
    asked = form(RoomForm())
    here = context()
    kind = ChatKind(asked["kind"])
    secret, now = here.runtime.settings.secret, here.runtime.clock.now()
    problem = refusal(
        lambda session: chats.add(
            session,
            principal().site_id,
            kind,
            name=asked["name"] or kind.capitalize(),
            address=asked["address"],
            room=asked["room"],
            guard=here.guard,
            secret=secret,
            by=by(),
            now=now,
        )
    )
    return notices_page(problem=problem, written=request.form) if problem else back("told", "room")


@blp.post("/notices/rooms/<chat_id>")
@needs("console:admin")
def act_on_room(chat_id: str) -> Answer:
    """Write a few words into a room, or tell it nothing more."""
    number = read("chat", chat_id)
    asked = form(RoomActForm())["act"]
    runtime = context().runtime
    site_id, now = principal().site_id, runtime.clock.now()
    if asked == "remove":
        runtime.database.transact(lambda session: chats.remove(session, site_id, number, by=by(), now=now))
        return back("told", "room-removed")
    context().limits.spend(limits.AUTHOR, f"test room:{user_id().hex}")
    with runtime.database.reading() as session:
        found = chats.find(session, site_id, number)
    # No transaction is open: a slow room holds up this page alone.
    reply = chats.send(Client.from_settings(runtime.settings), found, [chats.TEST], secret=runtime.settings.secret)
    if not reply.ok:
        return notices_page(problem=f"The room did not take it: {reply.error}.")
    return back("told", "room-test")

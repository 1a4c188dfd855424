"""Who looks after the site, what opens its API, and what of its events arrived."""

from typing import Any
from uuid import UUID

import orjson
from flask import Response, request
from werkzeug.wrappers import Response as Answer

from api.auth import by, needs, principal
from api.console.door import back, blp, form, page, refusal
from api.console.forms import DeliveriesQuery, EndpointForm, KeyForm, MemberForm, PublisherForm
from api.context import context
from moderation.errors import NotFound, Refused
from moderation.ids import read
from moderation.models import DeliveryState, KeyKind, Role
from moderation.services import cards, endpoints, keys, passwords, publishing, signing_in, sites

ROLES = {
    Role.ADMIN: "everything, people and keys too",
    Role.EDITOR: "decides, and sets posts, words and thresholds",
    Role.MODERATOR: "decides",
    Role.AUDITOR: "reads",
}
KINDS = {
    KeyKind.SECRET: "the blog's server",
    KeyKind.PUBLISHABLE: "the comment section in readers' browsers",
    KeyKind.DOOR: "WordPress, Discourse and other clients of Akismet",
}
LISTED = 100
"""Deliveries shown."""


@blp.get("/people")
@needs("console:admin")
def people() -> Response:
    """Show people and keys."""
    return _people()


@blp.post("/people")
@needs("console:admin")
def add_member() -> Answer:
    """Give somebody a role, with a link to come in by; shown this once."""
    asked = form(MemberForm())
    runtime = context().runtime
    now = runtime.clock.now()

    def act(session: Any) -> tuple[str, str]:
        role = Role(asked["role"])
        email = asked["email"].strip().casefold()
        known = {user.email: user for user, _ in sites.members(session, principal().site_id)}
        if email in known:
            _refuse_losing_the_last(session, known[email].id, role)
        user = sites.add_member(
            session,
            principal().site_id,
            email=email,
            name=asked["name"] or email.partition("@")[0],
            role=role,
            by=by(),
            now=now,
        )
        return user.name, signing_in.offer(session, principal().site_id, user.id, by=by(), now=now)

    try:
        name, token = runtime.database.transact(act)
    except Refused as refused:
        return _people(problem=refused.detail, written=asked)
    return _people(link=(name, signing_in.address(runtime.settings.public_url, token)))


@blp.post("/people/<user_id>/link")
@needs("console:admin")
def offer_link(user_id: str) -> Answer:
    """Make a new link for a member; shown this once."""
    number = read("user", user_id)
    runtime = context().runtime

    def act(session: Any) -> tuple[str, str]:
        name = _member(session, number)
        return name, signing_in.offer(session, principal().site_id, number, by=by(), now=runtime.clock.now())

    name, token = runtime.database.transact(act)
    return _people(link=(name, signing_in.address(runtime.settings.public_url, token)))


@blp.post("/people/<user_id>/codes")
@needs("console:admin")
def reset_codes(user_id: str) -> Answer:
    """Take the second factor off somebody who lost their phone."""
    number = read("user", user_id)
    runtime = context().runtime

    def act(session: Any) -> None:
        _member(session, number)
        passwords.turn_codes_off(session, principal().site_id, number, by=by(), now=runtime.clock.now())

    runtime.database.transact(act)
    return back("people", "no-code")


@blp.post("/people/<user_id>/remove")
@needs("console:admin")
def remove_member(user_id: str) -> Answer:
    """End somebody's role."""
    number = read("user", user_id)
    runtime = context().runtime

    def act(session: Any) -> None:
        _member(session, number)
        _refuse_losing_the_last(session, number, None)
        sites.remove_member(session, principal().site_id, number, by=by(), now=runtime.clock.now())

    if problem := refusal(act):
        return _people(problem=problem)
    return back("people", "removed")


@blp.post("/keys")
@needs("console:admin")
def make_key() -> Answer:
    """Make a key; shown this once."""
    asked = form(KeyForm())
    runtime = context().runtime
    made = runtime.database.transact(
        lambda session: keys.create(
            session,
            principal().site_id,
            KeyKind(asked["kind"]),
            name=asked["name"] or "made in the console",
            secret=runtime.settings.secret,
            by=by(),
            now=runtime.clock.now(),
        )
    )
    return _people(made=made.shown)


@blp.post("/keys/<key_id>/revoke")
@needs("console:admin")
def revoke_key(key_id: str) -> Answer:
    """End a key."""
    number = read("key", key_id)
    runtime = context().runtime
    runtime.database.transact(lambda session: keys.revoke(session, principal().site_id, number, by=by(), now=runtime.clock.now()))
    return back("people", "key")


@blp.get("/deliveries")
@needs("console:admin")
def outgoing() -> Response:
    """Show who is told, and what of it arrived."""
    state = DeliveriesQuery().load(request.args.to_dict())["state"]
    site_id = principal().site_id
    with context().runtime.database.reading() as session:
        found = endpoints.page(session, site_id)
        listed = endpoints.deliveries(session, site_id, state=DeliveryState(state) if state else None, limit=LISTED)
        blogs = publishing.page(session, site_id)
        cases = cards.cases_of(session, site_id, [each.comment_id for each in listed if each.comment_id])
    urls = {each.id: each.url for each in found}
    return page(
        "outgoing.html",
        place="outgoing",
        endpoints=found,
        deliveries=listed,
        urls=urls,
        types={each.id: orjson.loads(each.body)["type"] for each in listed},
        cases=cases,
        state=state,
        states=DeliveryState,
        blogs=blogs,
    )


@blp.post("/endpoints/<endpoint_id>")
@needs("console:admin")
def act_on_endpoint(endpoint_id: str) -> Answer:
    """Pause an endpoint, send to it again, test it, or send it all that it never got."""
    number = read("endpoint", endpoint_id)
    asked = form(EndpointForm())["act"]
    runtime = context().runtime
    site_id, now = principal().site_id, runtime.clock.now()

    def act(session: Any) -> None:
        if asked == "pause":
            endpoints.pause(session, site_id, number, by=by(), now=now)
        elif asked == "resume":
            endpoints.resume(session, site_id, number, by=by(), now=now)
        elif asked == "test":
            endpoints.test(session, site_id, number, now=now)
        else:
            endpoints.replay_many(session, site_id, by=by(), now=now, endpoint_id=number)

    runtime.database.transact(act)
    return back("outgoing", {"test": "test", "replay": "replayed"}.get(asked, "endpoint"))


@blp.post("/publishers/<publisher_id>")
@needs("console:admin")
def act_on_publisher(publisher_id: str) -> Answer:
    """Pause keeping a blog up to date, or go on with all that it missed."""
    number = read("publisher", publisher_id)
    asked = form(PublisherForm())["act"]
    runtime = context().runtime
    site_id, now = principal().site_id, runtime.clock.now()

    def act(session: Any) -> None:
        if asked == "pause":
            publishing.pause(session, site_id, number, by=by(), now=now)
        else:
            publishing.resume(session, site_id, number, by=by(), now=now)

    runtime.database.transact(act)
    return back("outgoing", "endpoint" if asked == "pause" else "replayed")


@blp.post("/deliveries/<delivery_id>/replay")
@needs("console:admin")
def replay_delivery(delivery_id: str) -> Answer:
    """Send a delivery again."""
    number = read("delivery", delivery_id)
    runtime = context().runtime
    runtime.database.transact(
        lambda session: endpoints.replay(session, principal().site_id, number, by=by(), now=runtime.clock.now())
    )
    return back("outgoing", "replayed")


def _people(
    *,
    problem: str | None = None,
    link: tuple[str, str] | None = None,
    made: str | None = None,
    written: dict[str, str] | None = None,
) -> Response:
    with context().runtime.database.reading() as session:
        members = sites.members(session, principal().site_id)
        listed = keys.page(session, principal().site_id)
    return page(
        "people.html",
        status=422 if problem else 200,
        place="people",
        members=members,
        roles=ROLES,
        keys=[key for key in listed if key.revoked_at is None],
        kinds=KINDS,
        problem=problem,
        link=link,
        made=made,
        written=written or {"role": Role.MODERATOR},
        me=principal().user_id,
    )


def _member(session: Any, user_id: UUID) -> str:
    found = next((user.name for user, _ in sites.members(session, principal().site_id) if user.id == user_id), None)
    if found is None:
        raise NotFound("member", user_id)
    return str(found)


def _refuse_losing_the_last(session: Any, user_id: UUID, role: Role | None) -> None:
    admins = {user.id for user, given in sites.members(session, principal().site_id) if given is Role.ADMIN}
    if admins == {user_id} and role is not Role.ADMIN:
        raise Refused("last-admin", "This is the only admin; make somebody else one first.", "/role")

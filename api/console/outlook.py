"""The overview: how the site is doing, the comments behind each number, and letting the machine decide, or no longer."""

from typing import Any

from flask import Response, request
from werkzeug.wrappers import Response as Answer

from api.auth import by, needs, principal
from api.console import show
from api.console.door import back, blp, form, page, signed_in
from api.console.forms import BehindForm, PolicyForm
from api.context import context
from api.errors import Problem
from moderation.errors import NotFound
from moderation.models import Subject
from moderation.services import cards, comments, overview, policies, trial

LISTED = 50
"""Comments shown behind a number, the newest ones."""

NAMES = {
    "agreed": "Decided as the policy would have",
    "missed": "It would have published these, and a person rejected them",
    "held": "It would have held these, and a person approved them",
    "refused": "It would have rejected these, and a person approved them",
    "audit": "Published by the machine, drawn for the audit, and found bad",
    "appeals": "Published after a second look",
    "removed": "Public before a person took them down",
    "unscored": "Without a score",
    "machine": "Held by the machine",
    "newcomers": "Newcomers' comments that were held",
    "regulars": "Regulars' comments that were held",
}
PREFIXES = {
    "approved": "Rule “{}” would have stopped these, and a person approved them",
    "rejected": "Rule “{}” would have stopped these, and a person rejected them",
    "rule": "Held by rule “{}”, approved by a person",
    "language": "Held, in language {}",
    "term": "Held, and naming a group: {}",
    "reversed": "Rejections that another decision reversed: {}",
    "reason": "It would have published these, and a person rejected them: {}",
    "post": "Cases under one post",
}


@blp.get("/overview")
@needs("console:read")
def outlook() -> Response:
    """Show the figures."""
    return page("overview.html", place="outlook", **_figures())


@blp.get("/overview/comments")
@needs("console:read")
def behind() -> Response:
    """Show the comments behind a number."""
    of = BehindForm().load(request.args.to_dict())["of"]
    figures = _figures()
    found = figures["trial"].comments_behind(of)
    if found is None:
        found = figures["figures"].comments_behind(of)
    if found is None:
        raise Problem(404, "no-such-figure", "Nothing is behind this number any more.")
    site_id = principal().site_id
    with context().runtime.database.reading() as session:
        listed = comments.some(session, site_id, found[:LISTED])
        cases = cards.cases_of(session, site_id, [comment_id for comment_id, _ in listed])
    return page("behind.html", place="outlook", title=_title(of), total=len(found), listed=listed, cases=cases)


@blp.post("/policy/activate")
@needs("console:lead")
def activate() -> Answer:
    """Put a policy of the site into force."""
    name, _, number = form(PolicyForm())["policy"].rpartition("@")
    runtime = context().runtime
    if not number.isdecimal() or not number.isascii():
        raise NotFound("policy", number)

    def act(session: Any) -> None:
        version = policies.find_version(session, principal().site_id, Subject.POLICY, name, int(number))
        policies.activate(session, version, by=by(), now=runtime.clock.now())

    runtime.database.transact(act)
    return back("outlook", "policy")


def _figures() -> dict[str, Any]:
    runtime = context().runtime
    site_id, now = principal().site_id, runtime.clock.now()
    with runtime.database.reading() as session:
        in_force = policies.in_force(session, site_id)
        return {
            "in_force": in_force,
            "trial": trial.trial(session, site_id, now=now),
            "figures": overview.overview(session, site_id, time_zone=signed_in().time_zone, now=now),
        }


def _title(of: str) -> str:
    if of in NAMES:
        return NAMES[of]
    prefix, _, rest = of.partition(":")
    if prefix in {"reversed", "reason"} and rest.isdecimal():
        rest = show.reason(int(rest))
    return PREFIXES.get(prefix, "{}").format(rest)

"""A page of what waits and has something in common, to be decided at once."""

from flask import Response, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from api.auth import needs, principal
from api.console.door import blp, form, page
from api.console.forms import SweepForm, SweepQuery
from api.console.several import decide_picked
from api.context import context
from moderation.errors import Refused
from moderation.ids import read
from moderation.services import sweeps, waves


@blp.get("/sweep")
@needs("console:read")
def sweep() -> Response:
    """Show what waits with the same words, or by the author of a case."""
    return _page(SweepQuery().load(request.args.to_dict()))


@blp.post("/sweep")
@needs("console:decide")
def decide_sweep() -> Answer:
    """Decide all that were ticked."""
    asked = form(SweepForm())
    if not request.form.getlist("pick"):
        return _page(asked, problem="Nothing is ticked.")
    try:
        batch, left = decide_picked(asked)
    except Refused as refused:
        return _page(asked, problem=refused.detail)
    return redirect(url_for("console.queue", tab=asked["tab"], batch=batch, left=left), code=303)


def _page(asked: dict[str, str], *, problem: str | None = None) -> Response:
    site_id, found = principal().site_id, None
    with context().runtime.database.reading() as session:
        if asked.get("case"):
            found = sweeps.by_author(session, site_id, read("case", asked["case"]))
        elif asked["words"].strip():
            found = sweeps.with_words(session, site_id, asked["words"])
    return page(
        "sweep.html",
        status=422 if problem else 200,
        place="queue",
        asked=asked,
        sweep=found,
        most=waves.MOST,
        ticked=set(request.form.getlist("pick")),
        problem=problem,
    )

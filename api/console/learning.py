"""What the site learnt from its people: from how many decisions, whether it is used and why, and beginning anew."""

from flask import Response
from werkzeug.wrappers import Response as Answer

from api.auth import by, needs, principal
from api.console.door import back, blp, form, page
from api.console.forms import LayerForm
from api.context import context
from moderation.models import Subject
from moderation.services import learning, learnt


@blp.get("/learning")
@needs("console:read")
def what_was_learnt() -> Response:
    """Show what each layer learnt."""
    with context().runtime.database.reading() as session:
        layers = learning.standing(session, principal().site_id)
    return page("learning.html", place="outlook", layers=layers, told=learnt.told, names=learnt.NAMES)


@blp.post("/learning/reset")
@needs("console:lead")
def forget_learnt() -> Answer:
    """Make a layer forget, after a second press."""
    subject = Subject(form(LayerForm())["layer"])
    runtime = context().runtime
    runtime.database.transact(
        lambda session: learning.reset(session, principal().site_id, subject, by=by(), now=runtime.clock.now())
    )
    return back("what_was_learnt", "forgotten")

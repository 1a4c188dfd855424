"""What WordPress tells beyond Akismet's protocol: its moderators' decisions, by our must-use plugin.

Akismet's plugin reports spam and what was none. Approving what waited, taking an approval back and the trash are told here, under
the same key. What our own publisher did there comes back the same way and teaches nothing.
"""

from flask import Blueprint, Response

from api.auth import needs
from api.context import context
from api.doors import WORDPRESS
from api.doors.akismet import known
from api.doors.akismet_request import Unusable, checked_as, fields_sent, key_of, submission_of
from api.doors.entrance import enter
from api.errors import Problem
from moderation.errors import NotFound
from moderation.ids import new_id
from moderation.policy.shipped import SPAM
from moderation.policy.verdict import Verdict
from moderation.services import feedback
from moderation.services.keys import Principal

blp = Blueprint(WORDPRESS, __name__)

OTHER = 9
NOTE = "The blog's moderators took it down."
MEANING = {
    "approved": (Verdict.APPROVE, 0),
    "hold": (Verdict.FLAG, 0),
    "spam": (Verdict.REJECT, SPAM),
    "trash": (Verdict.REJECT, OTHER),
}
"""WordPress's words for where its moderators put a comment, as a verdict and the reason of a rejection."""


@blp.post("/wordpress/moderated")
@needs("door:akismet")
def moderated() -> Response:
    """Take a decision of the blog's moderators as one of the site's."""
    try:
        sent = fields_sent()
    except Unusable as error:
        raise Problem(422, "unusable", str(error)) from error
    holder = enter(key_of(sent))
    if sent.get("status") not in MEANING:
        raise Problem(422, "unusable", f"The status is none of {', '.join(MEANING)}.")
    verdict, reason = MEANING[sent["status"]]
    here = context()
    with here.runtime.database.reading() as session:
        if feedback.is_echo(session, holder.site_id, sent.get("reporter", "")):
            return Response("echo", content_type="text/plain; charset=utf-8")
        found = feedback.find(
            session, holder.site_id, comment_id=checked_as(sent, "tidegate_id"), external_ids=_names(holder, sent)
        )
    if found is None:
        raise NotFound("comment", "of WordPress")
    comment_id, cause, now = found.id, f"{WORDPRESS}:{new_id().hex}", here.runtime.clock.now()
    note = NOTE if reason == OTHER else ""
    here.runtime.database.transact(
        lambda session: feedback.tell(
            session, holder.site_id, comment_id, verdict=verdict, cause=cause, now=now, reason=reason, note=note
        )
    )
    return Response("taken", content_type="text/plain; charset=utf-8")


def _names(holder: Principal, sent: dict[str, str]) -> list[str]:
    """Return what the comment may be known by: its number in WordPress after an import, or page, author and text."""
    names = [f"wordpress:{sent['comment_ID']}"] if sent.get("comment_ID", "").isdigit() else []
    try:
        checked = known(holder, submission_of(sent)).external_id
    except Unusable:
        return names
    return [*names, checked] if checked else names

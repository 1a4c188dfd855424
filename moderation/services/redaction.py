"""Taking words out of a comment, so that the rest can be published: a phone number is no reason to lose an argument.

What is left is a new revision made by a moderator; the author's own stays as it was sent. It waits in the queue like any other
and is approved or rejected there. The blog may send the author's text again without bringing the words back: the new revision
keeps that text's hash, and whatever else follows goes to a human (``human_rejected``).
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.errors import Conflict, NotFound, Refused, StaleRevision
from moderation.ids import new_id, show
from moderation.models import Case, Comment, Revision, Status
from moderation.services import audit, decisions, events, review

MARK = "[…]"
"""What stands where words were."""
BY = "redacted_by"
"""Key of a revision's context that names who took words out."""


def redact(session: Session, site_id: UUID, case_id: UUID, *, words: str, revision: int, user_id: UUID, now: datetime) -> Comment:
    """Take words out of the comment of an open case, wherever they stand in it.

    Raises NotFound; Conflict for a closed case, ClaimedByAnother; StaleRevision where the author was faster; Refused for words
    that are not in the comment, and where nothing would be left.
    """
    case = session.scalars(select(Case).where(Case.site_id == site_id, Case.id == case_id)).first()
    if case is None:
        raise NotFound("case", show("case", case_id))
    comment = decisions.lock(session, site_id, case.comment_id)
    if comment is None or case.closed_at is not None or comment.status in {Status.WITHDRAWN, Status.ERASED}:
        raise Conflict("The case is closed.", case=show("case", case_id))
    review.claim(session, site_id, case_id, user_id=user_id, now=now)
    if comment.current_revision != revision:
        raise StaleRevision("The author changed the comment; please read it again.", comment=show("comment", comment.id))
    current = session.scalars(select(Revision).where(Revision.comment_id == comment.id, Revision.number == revision)).one()
    # A browser's selection and its forms write line breaks their own way.
    wanted = words.replace("\r\n", "\n").strip()
    body = current.body.replace("\r\n", "\n")
    if not wanted or wanted not in body:
        raise Refused("words", "These words are not in the comment. Select them in its text, or write them exactly.", "/words")
    left = body.replace(wanted, MARK)
    if not left.replace(MARK, "").strip():
        raise Refused("words", "Nothing would be left; reject the comment instead.", "/words")
    session.add(
        Revision(
            id=new_id(),
            created_at=now,
            site_id=site_id,
            comment_id=comment.id,
            number=revision + 1,
            body=left,
            language=current.language,
            text_hash=current.text_hash,
            address_hash=current.address_hash,
            user_agent_hash=current.user_agent_hash,
            context={**current.context, BY: show("user", user_id)},
        )
    )
    decisions.set_status(
        session,
        comment,
        Status.FLAGGED,
        now=now,
        event=events.REVISED,
        current_revision=revision + 1,
        human_rejected=True,
    )
    case.revision = revision + 1
    audit.record(
        session,
        site_id=site_id,
        actor=show("user", user_id),
        action="comment.redacted",
        subject=show("comment", comment.id),
        now=now,
        revision=revision + 1,
    )
    session.flush()
    return comment

"""Several comments at once, and a part of one: waves with their undo, and words taken out."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from moderation.errors import Conflict, Refused, StaleRevision
from moderation.ids import read
from moderation.models import Audit, Case, Comment, Revision
from moderation.policy.verdict import Verdict
from moderation.services import cards, redaction, waves
from tests.moderation.services.conftest import ABUSIVE

COPY = f"{ABUSIVE} And everything that you have written under this article is a lie."
CALL = "Ring me at +1 202 555 0143 if you dare, you stupid, worthless idiot."


def card_of(blog: Any, comment: Any) -> cards.Card:
    with blog.database.reading() as session:
        case_id = cards.cases_of(session, blog.site_id, [read("comment", comment.id)])[read("comment", comment.id)]
        return cards.card(session, blog.site_id, case_id, now=datetime.now(UTC))


def decide(blog: Any, copies: list[waves.Copy], batch: str = "console:k:1:", **changes: Any) -> waves.Outcome:
    usual = {"verdict": Verdict.REJECT, "reason": 5, "note": "", "user_id": blog.moderator_id, "now": datetime.now(UTC)}
    picked = [(copy.case_id, copy.revision, copy.decision_seq) for copy in copies]
    return waves.decide(blog.database, blog.site_id, picked, batch=batch, **{**usual, **changes})


def test_a_wave_is_decided_at_once_but_for_what_somebody_was_faster_with(blog: Any) -> None:
    comments = [blog.judged(COPY) for _ in range(4)]
    copies = card_of(blog, comments[0]).wave
    assert {copy.comment_id for copy in copies} == {read("comment", comment.id) for comment in comments}
    blog.decide(comments[1], user_id=blog.editor_id)
    assert decide(blog, copies) == waves.Outcome(3, 1)
    assert [blog.view(comment.id).status for comment in comments] == ["rejected", "approved", "rejected", "rejected"]
    assert decide(blog, copies) == waves.Outcome(3, 1), "the same act again changes nothing"
    blog.decide(blog.view(comments[0].id), user_id=blog.editor_id, decision_seq=2)
    undone = waves.undo(blog.database, blog.site_id, user_id=blog.moderator_id, batch="console:k:1:", now=datetime.now(UTC))
    assert undone == waves.Outcome(2, 1)
    assert [blog.view(comment.id).status for comment in comments] == ["approved", "approved", "flagged", "flagged"]


def test_a_wave_is_rejected_for_a_reason_or_not_at_all(blog: Any) -> None:
    comments = [blog.judged(COPY) for _ in range(2)]
    with pytest.raises(Refused):
        decide(blog, card_of(blog, comments[0]).wave, reason=None)
    assert {blog.view(comment.id).status for comment in comments} == {"flagged"}


def test_nobody_takes_back_what_another_decided(blog: Any) -> None:
    comments = [blog.judged(COPY) for _ in range(2)]
    decide(blog, card_of(blog, comments[0]).wave)
    other = waves.undo(blog.database, blog.site_id, user_id=blog.editor_id, batch="console:k:1:", now=datetime.now(UTC))
    assert other == waves.Outcome(0, 0)
    assert {blog.view(comment.id).status for comment in comments} == {"rejected"}


def test_a_comment_alone_is_no_wave(blog: Any) -> None:
    assert card_of(blog, blog.judged(COPY)).wave == []


def redact(blog: Any, comment: Any, words: str, revision: int = 1) -> None:
    case_id = card_of(blog, comment).case.id
    blog.database.transact(
        lambda session: redaction.redact(
            session, blog.site_id, case_id, words=words, revision=revision, user_id=blog.moderator_id, now=datetime.now(UTC)
        )
    )


def test_words_taken_out_stay_out_and_the_rest_is_published(blog: Any) -> None:
    comment = blog.judged(CALL, external_id="7")
    redact(blog, comment, "+1 202 555 0143")
    card = card_of(blog, comment)
    assert (card.redacted, card.case.comment.body) == (True, CALL.replace("+1 202 555 0143", redaction.MARK))
    blog.decide(blog.view(comment.id))
    after = blog.view(comment.id)
    assert (after.status, after.visible_revision, "555" in (after.body or "")) == ("approved", 2, False)
    # The blog sends what its author wrote again, as blogs do.
    blog.submit(CALL, external_id="7")
    assert blog.view(comment.id).revision == 2
    # Whatever else follows is read by a person, and is the author's own again.
    blog.revise(after, "A calm and friendly sentence about the treaty, thank you.")
    blog.worker().drain()
    assert blog.view(comment.id).status == "flagged"
    assert not card_of(blog, comment).redacted
    with blog.database.reading() as session:
        assert session.scalars(select(Revision.body).order_by(Revision.number)).first() == CALL
        audited = session.scalars(select(Audit).where(Audit.action == "comment.redacted")).one()
    assert (audited.subject, audited.detail) == (comment.id, {"revision": 2})


@pytest.mark.parametrize("words", ["", " ", "not there", CALL])
def test_words_that_are_not_there_or_are_all_there_is_are_refused(sqlite_blog: Any, words: str) -> None:
    comment = sqlite_blog.judged(CALL)
    with pytest.raises(Refused):
        redact(sqlite_blog, comment, words)
    assert sqlite_blog.view(comment.id).revision == 1


def test_who_was_faster_is_not_overwritten_by_taking_words_out(blog: Any) -> None:
    comment = blog.judged(CALL)
    blog.revise(comment, f"{CALL} Really.")
    with pytest.raises(StaleRevision):
        redact(blog, comment, "+1 202 555 0143")
    blog.worker().drain()
    blog.decide(blog.view(comment.id))
    with pytest.raises(Conflict):
        redact(blog, comment, "+1 202 555 0143", revision=2)
    with blog.database.reading() as session:
        assert session.scalar(select(Case.closed_at)) is not None
        assert session.scalars(select(Comment.current_revision)).one() == 2

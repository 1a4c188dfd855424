"""Moderators: claiming, deciding about what was read, being faster or slower than others, undoing."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from moderation.errors import (
    AlreadyDecided,
    ClaimedByAnother,
    Conflict,
    NotFound,
    NotUndoable,
    Refused,
    StaleRevision,
    TidegateError,
)
from moderation.ids import new_id, read
from moderation.models import Case, Decision, Event
from moderation.policy.verdict import Verdict
from moderation.services import review
from tests.moderation.services.conftest import ABUSIVE, CIVIL


def claim(blog: Any, case_id: UUID, user: UUID, *, later: timedelta = timedelta()) -> review.CaseView:
    with blog.database.transaction() as session:
        return review.claim(session, blog.site_id, case_id, user_id=user, now=blog.start + later)


def test_an_approval_publishes_and_closes_the_case(blog: Any) -> None:
    view = blog.judged(ABUSIVE)
    decision = blog.decide(view, Verdict.APPROVE)
    after = blog.view(view.id)
    assert (after.status, after.visible_revision, after.decision["by"]) == ("approved", 1, "moderator")
    assert (decision.seq, blog.queue()) == (2, [])


def test_a_rejection_takes_the_comment_down_with_its_reason(blog: Any) -> None:
    view = blog.judged(CIVIL)
    blog.decide(view, Verdict.REJECT, reason=7)
    after = blog.view(view.id)
    assert (after.status, after.visible_revision, after.decision["reason"]) == ("rejected", None, 7)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"verdict": Verdict.REJECT, "reason": None}, "reason-required"),
        ({"verdict": Verdict.REJECT, "reason": 10}, "reason-required"),
        ({"verdict": Verdict.REJECT, "reason": 9, "note": "  "}, "note-required"),
        ({"verdict": Verdict.FLAG}, "verdict"),
    ],
)
def test_a_decision_without_what_its_author_must_be_told_is_refused(blog: Any, options: dict[str, Any], code: str) -> None:
    view = blog.judged(ABUSIVE)
    with pytest.raises(Refused) as refused:
        blog.decide(view, **options)
    assert refused.value.code == code
    assert blog.view(view.id).decision_seq == 1


def test_a_decision_about_a_revision_that_changed_is_refused_with_the_present_state(blog: Any) -> None:
    view = blog.judged(ABUSIVE)
    blog.revise(view, CIVIL)
    with pytest.raises(StaleRevision) as stale:
        blog.decide(view, Verdict.REJECT)
    assert (stale.value.state["revision"], stale.value.state["status"]) == (2, "pending")


def test_the_slower_of_two_moderators_is_told_what_the_faster_one_decided(blog: Any) -> None:
    view = blog.judged(ABUSIVE)
    blog.decide(view, Verdict.REJECT)
    with pytest.raises(AlreadyDecided) as late:
        blog.decide(view, Verdict.APPROVE, user_id=blog.editor_id)
    assert late.value.state["decision"]["reason"] == 1
    assert blog.view(view.id).status == "rejected"


def test_of_moderators_deciding_at_once_one_wins(blog: Any) -> None:
    view = blog.judged(ABUSIVE)

    def attempt(number: int) -> Decision | TidegateError:
        try:
            decision: Decision = blog.decide(view, Verdict.REJECT, cause=f"at-once:{number}", decision_seq=view.decision_seq)
        except TidegateError as error:
            return error
        return decision

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(attempt, range(6)))
    assert sorted(type(result).__name__ for result in results) == ["AlreadyDecided"] * 5 + ["Decision"]


def test_a_resent_request_gives_the_decision_that_it_made(blog: Any) -> None:
    view = blog.judged(ABUSIVE)
    first = blog.decide(view, Verdict.APPROVE, cause="request:same")
    assert blog.decide(view, Verdict.APPROVE, cause="request:same").id == first.id
    assert blog.view(view.id).decision_seq == 2


def test_a_decision_can_be_changed_by_who_has_seen_it(blog: Any) -> None:
    view = blog.judged(ABUSIVE)
    blog.decide(view, Verdict.REJECT)
    seen = blog.view(view.id)
    blog.decide(seen, Verdict.APPROVE, decision_seq=seen.decision_seq, user_id=blog.editor_id)
    assert blog.view(view.id).status == "approved"


def test_an_undo_restores_what_was_replaced_and_opens_the_case_again(blog: Any) -> None:
    view = blog.judged(ABUSIVE)
    decision = blog.decide(view, Verdict.REJECT)
    undone = blog.undo(decision)
    after = blog.view(view.id)
    assert (after.status, after.visible_revision, after.decision_seq) == ("flagged", None, 3)
    assert (undone.undoes, [case.comment.id for case in blog.queue()]) == (decision.id, [view.id])
    with blog.database.reading() as session:
        types = session.scalars(select(Event.type).order_by(Event.seq)).all()
    assert types == ["comment.submitted", "comment.flagged", "comment.rejected", "comment.reopened"]


def test_an_undone_rejection_makes_an_approved_comment_public_again(blog: Any) -> None:
    view = blog.judged(CIVIL)
    decision = blog.decide(view, Verdict.REJECT)
    blog.undo(decision)
    after = blog.view(view.id)
    assert (after.status, after.visible_revision) == ("approved", 1)
    blog.revise(after, "Another civil thought about the treaty.")
    blog.worker().drain()
    assert blog.view(view.id).status == "approved"


def test_only_the_newest_decision_of_a_moderator_can_be_undone_and_only_once(blog: Any) -> None:
    view = blog.judged(ABUSIVE)
    first = blog.decide(view, Verdict.REJECT)
    undone = blog.undo(first)
    for decision in (first, undone):
        with pytest.raises(NotUndoable):
            blog.undo(decision)
    with blog.database.reading() as session:
        machine = session.scalars(select(Decision).where(Decision.seq == 1)).one()
    with pytest.raises(NotUndoable):
        blog.undo(machine)


def test_an_undo_after_a_new_revision_is_refused(blog: Any) -> None:
    view = blog.judged(ABUSIVE)
    decision = blog.decide(view, Verdict.REJECT)
    blog.revise(blog.view(view.id), CIVIL)
    with pytest.raises(NotUndoable):
        blog.undo(decision)


def test_a_claimed_case_is_not_given_to_a_colleague_until_the_claim_runs_out(blog: Any) -> None:
    view = blog.judged(ABUSIVE)
    (case,) = blog.queue()
    claim(blog, case.id, blog.moderator_id)
    with pytest.raises(ClaimedByAnother):
        claim(blog, case.id, blog.editor_id)
    with pytest.raises(ClaimedByAnother):
        blog.decide(view, Verdict.APPROVE, user_id=blog.editor_id, now=blog.start)
    taken = claim(blog, case.id, blog.editor_id, later=review.CLAIM + timedelta(seconds=1))
    assert taken.claimed_by_name == "Edith"


def test_a_released_case_is_free_and_a_colleagues_claim_stays(blog: Any) -> None:
    blog.judged(ABUSIVE)
    (case,) = blog.queue()
    claim(blog, case.id, blog.moderator_id)
    with blog.database.transaction() as session:
        held = review.release(session, blog.site_id, case.id, user_id=blog.editor_id, now=blog.start)
        assert held.claimed_by == blog.moderator_id
        assert review.release(session, blog.site_id, case.id, user_id=blog.moderator_id, now=blog.start).claimed_by is None


def test_an_escalated_case_moves_to_the_editors_queue(blog: Any) -> None:
    blog.judged(ABUSIVE)
    (case,) = blog.queue()
    with blog.database.transaction() as session:
        review.escalate(session, blog.site_id, case.id, user_id=blog.moderator_id, now=blog.start)
    assert blog.queue() == []
    assert [found.id for found in blog.queue(escalated=True)] == [case.id]


def test_pages_of_the_queue_show_each_case_once(blog: Any) -> None:
    for number in range(7):
        blog.submit(f"{ABUSIVE} Number {number} of seven, and it will not be the last one.")
    blog.worker().drain()
    seen, after = [], None
    while True:
        with blog.database.reading() as session:
            page = review.queue(session, blog.site_id, now=blog.start, after=after, limit=3)
        seen += [case.id for case in page.items]
        assert page.waiting == 7
        if (after := page.next) is None:
            break
    assert len(seen) == len(set(seen)) == 7


def test_withdrawing_closes_the_case_and_ends_the_deciding(blog: Any) -> None:
    view = blog.judged(ABUSIVE)
    blog.withdraw(view)
    assert blog.queue() == []
    with pytest.raises(Conflict):
        blog.decide(view, Verdict.APPROVE)


def test_another_sites_case_does_not_exist(blog: Any) -> None:
    blog.judged(ABUSIVE)
    (case,) = blog.queue()
    with blog.database.transaction() as session:
        for act in (review.claim, review.release, review.escalate):
            with pytest.raises(NotFound):
                act(session, new_id(), case.id, user_id=blog.moderator_id, now=blog.start)
        assert session.get_one(Case, case.id).claimed_by is None
    with pytest.raises(NotFound):
        blog.database.transact(
            lambda session: review.decide(
                session,
                new_id(),
                read("comment", case.comment.id),
                verdict=Verdict.APPROVE,
                revision=1,
                user_id=None,
                cause="x",
                now=blog.start,
            )
        )

"""From the job to the decision: what the policy sees, what is stored, and what a fault of ours leads to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from moderation import queue
from moderation.errors import NotFound
from moderation.models import Assessment, Decision, Job, JobKind, LinkDomain, Mode, NearCopy, Score
from moderation.policy.verdict import Verdict
from moderation.scoring.choice import SiteModels
from moderation.services import assessment
from moderation.services.asking import Beside, Scored
from moderation.services.assessment import CheckRequest
from moderation.services.authors import AuthorClaim
from moderation.services.posts import PostReference
from tests.moderation.services.conftest import ABUSIVE, CIVIL, SECRET, THREAT


def depth(blog: Any) -> int:
    with blog.database.reading() as session:
        return queue.depth(session, JobKind.MODERATE)


def test_a_civil_comment_is_published_and_its_evidence_kept(blog: Any) -> None:
    view = blog.judged(CIVIL)
    assert (view.status, view.visible_revision, view.decision["by"], view.decision["verdict"]) == (
        "approved",
        1,
        "machine",
        "approve",
    )
    assert view.decision["policy"] == "standard@1"
    assert 0 <= view.scores["toxicity"] < 0.3
    assert view.signals["author_verified"] is True
    assert depth(blog) == 0


def test_an_abusive_comment_waits_for_a_moderator_with_its_reasons(blog: Any) -> None:
    view = blog.judged(ABUSIVE)
    (case,) = blog.queue()
    assert (view.status, view.visible_revision) == ("flagged", None)
    assert case.comment.id == view.id
    assert "attack" in {reason["rule"] for reason in case.reasons}


def test_a_threat_stands_before_an_insult_in_the_queue(blog: Any) -> None:
    blog.judged(ABUSIVE)
    threat = blog.judged(THREAT)
    assert blog.queue()[0].comment.id == threat.id
    assert blog.queue()[0].alert


FOREIGN = "Das ist doch alles gelogen und kein Mensch glaubt euch noch ein Wort."


def test_a_language_that_the_model_does_not_know_has_no_toxicity_score_anywhere_and_waits_for_a_human(blog: Any) -> None:
    view = blog.judged(FOREIGN)
    (case,) = blog.queue()
    assert (view.status, view.visible_revision) == ("flagged", None)
    assert [reason["reason"] for reason in case.reasons] == ["language"]
    assert set(view.scores) == {"spam"}
    assert "toxicity" not in view.signals
    assert "attack" in view.not_evaluated
    with blog.database.reading() as session:
        assert [set(score.values) for score in session.scalars(select(Score))] == [{"spam"}]


@pytest.mark.parametrize(("beside", "kept"), [("multilingual+0a1b2c3d", True), ("unbiased+0a1b2c3d", False)])
def test_the_model_beside_keeps_its_scores_only_of_a_language_that_it_knows(blog: Any, beside: str, *, kept: bool) -> None:
    blog.submit("C'est vraiment n'importe quoi, cet article est une honte pour ce journal.")
    second = Beside({"toxicity": 0.7}, beside, "onnx")
    blog.worker(score=lambda *_: Scored({"toxicity": 0.01}, 0.01, "bundled-3+0a1b2c3d", beside=second)).drain()
    with blog.database.reading() as session:
        shadows = [score.values for score in session.scalars(select(Score).where(Score.mode == Mode.SHADOW))]
    assert shadows == ([{"toxicity": 0.7}] if kept else [])


def test_what_fails_to_be_scored_goes_to_a_human(blog: Any) -> None:
    receipt = blog.submit(CIVIL)
    blog.worker(score=lambda *_: Scored(None, None, "broken")).drain()
    view = blog.view(receipt.comment_id)
    assert view.status == "flagged"
    assert "not_scored" in {reason["reason"] for reason in view.decision["reasons"]}


def test_a_fault_of_ours_is_tried_again_and_then_a_human_gets_the_comment(blog: Any) -> None:
    receipt = blog.submit(CIVIL)

    def broken(*_: object) -> Scored:
        raise ZeroDivisionError

    for attempt in range(1, 4):
        assert blog.worker(score=broken).drain() == 1
        with blog.database.transaction() as session:
            job = session.scalars(select(Job)).one()
            assert (job.attempts, job.last_error) == (attempt, "ZeroDivisionError")
            assert job.run_at > datetime.now(UTC)
            session.execute(update(Job).values(run_at=datetime.now(UTC)))
    blog.worker(score=broken).drain()
    view = blog.view(receipt.comment_id)
    assert (view.status, view.decision["reasons"][0]["reason"]) == ("flagged", "not_scored")
    assert len(blog.queue()) == 1


def test_a_worker_whose_lease_ran_out_stores_nothing(blog: Any) -> None:
    receipt = blog.submit(CIVIL)

    def slow(text: str, models: SiteModels) -> Scored:
        # Another worker took over while this one was at it.
        with blog.database.transaction() as session:
            session.execute(update(Job).values(fence=Job.fence + 1, lease_until=datetime.now(UTC) + timedelta(minutes=1)))
        found: Scored = blog.score(text, models)
        return found

    blog.worker(score=slow).drain(lambda: False)
    assert blog.view(receipt.comment_id).status == "pending"
    with blog.database.reading() as session:
        for model in (Decision, Assessment, Score, NearCopy):
            assert session.scalar(select(func.count()).select_from(model)) == 0


def test_the_job_of_a_superseded_revision_ends_without_a_decision(blog: Any) -> None:
    view = blog.view(blog.submit(ABUSIVE).comment_id)
    blog.revise(view, CIVIL)
    assert blog.worker().drain() == 2
    view = blog.view(view.id)
    assert (view.status, view.revision, view.decision["seq"], view.decision["revision"]) == ("approved", 2, 1, 2)


def test_a_machine_never_overwrites_a_human(blog: Any) -> None:
    view = blog.view(blog.submit(ABUSIVE).comment_id)
    blog.decide(view, Verdict.APPROVE)
    blog.worker().drain()
    view = blog.view(view.id)
    assert (view.status, view.decision["by"], view.decision_seq) == ("approved", "moderator", 1)
    assert depth(blog) == 0


def test_after_a_human_rejected_any_revision_a_later_one_goes_to_a_human(blog: Any) -> None:
    view = blog.judged(ABUSIVE)
    blog.decide(view, Verdict.REJECT)
    blog.revise(blog.view(view.id), CIVIL)
    blog.worker().drain()
    view = blog.view(view.id)
    assert (view.status, view.visible_revision) == ("flagged", None)
    assert "rejected_before" in {reason["reason"] for reason in view.decision["reasons"]}


def test_a_flagged_revision_leaves_the_approved_one_before_it_in_public(blog: Any) -> None:
    view = blog.judged(CIVIL)
    blog.revise(view, ABUSIVE)
    blog.worker().drain()
    view = blog.view(view.id)
    assert (view.status, view.revision, view.visible_revision) == ("flagged", 2, 1)


def test_copies_by_different_authors_become_a_wave(blog: Any) -> None:
    text = "Everyone must read this page about the new miracle treatment before the weekend comes."
    statuses = [blog.judged(text).status for _ in range(3)]
    assert statuses == ["approved", "approved", "flagged"]
    assert blog.view(blog.queue()[0].comment.id).signals["near_copies"] == 3


def test_six_comments_in_five_minutes_are_a_flood_and_five_are_none(blog: Any) -> None:
    author = AuthorClaim(id="7", name="Ann")
    views = [blog.judged(f"{CIVIL} Point {number} of my list is a new one.", author=author) for number in range(6)]
    assert [view.signals["author_recent"] for view in views] == [1, 2, 3, 4, 5, 6]
    assert "flood" in {reason["rule"] for reason in views[5].decision["reasons"]}
    assert "flood" not in {reason["rule"] for reason in views[4].decision["reasons"]}


def test_a_domain_rejected_as_spam_is_known_the_next_time(blog: Any) -> None:
    first = blog.judged("Have a look at https://pills.example.com/now for more.")
    blog.decide(first, Verdict.REJECT, reason=5)
    again = blog.judged("More on this at https://pills.example.com/other in detail.")
    assert again.signals["link_rejected_before"] is True
    with blog.database.reading() as session:
        assert set(session.scalars(select(LinkDomain.domain))) == {"pills.example.com"}


def test_a_name_of_the_staff_is_flagged_when_a_stranger_uses_it(blog: Any) -> None:
    view = blog.judged(author=AuthorClaim(name="Mоna ", email="x@example.org"), vouched=False)
    assert view.signals["reserved_name"] is True
    assert view.status == "flagged"


def test_the_shadow_policy_is_stored_beside_the_one_that_decides(blog: Any) -> None:
    blog.activate("watch", minutes=1)
    view = blog.judged(CIVIL)
    assert view.status == "flagged"
    with blog.database.reading() as session:
        stored = {row.mode: (row.policy, row.verdict) for row in session.scalars(select(Assessment))}
    assert stored == {Mode.LIVE: ("watch@1", "flag"), Mode.SHADOW: ("standard@1", "approve")}


def test_a_second_caller_in_the_process_is_turned_away(blog: Any) -> None:
    blog.submit(CIVIL)
    worker = blog.worker()

    def nested(text: str) -> Scored:
        assert worker.drain() == 0
        found: Scored = blog.score(text)
        return found

    worker.score = nested
    assert worker.drain() == 1


def test_a_check_judges_without_storing_and_lists_what_it_could_not_judge(blog: Any) -> None:
    found = assessment.check(
        blog.database, blog.score, blog.site_id, CheckRequest(body=ABUSIVE), secret=SECRET, now=datetime.now(UTC)
    )
    assert (found.verdict, found.publish, found.policy) == ("flag", False, "standard@1")
    assert 1 in found.reasons
    assert "attack by a newcomer" in found.not_evaluated
    assert found.scores["toxicity"] > 0.5
    with blog.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Assessment)) == 0


def test_a_check_with_an_author_and_a_post_uses_their_record(blog: Any) -> None:
    blog.judged(CIVIL, author=AuthorClaim(id="7", name="Ann"))
    found = assessment.check(
        blog.database,
        blog.score,
        blog.site_id,
        CheckRequest(
            body=CIVIL,
            author=AuthorClaim(id="7"),
            vouched=True,
            post=PostReference(id="p1", url="https://blog.example/arms", title="Arms"),
        ),
        secret=SECRET,
        now=datetime.now(UTC),
    )
    assert found.signals["author_approved"] == 1
    assert found.signals["post_closed"] is False


def test_a_site_without_a_policy_is_an_error_and_not_an_approval(blog: Any) -> None:
    with blog.database.transaction() as session:
        from moderation.ids import new_id
        from moderation.models import Site

        bare = Site(id=new_id(), created_at=blog.start, name="bare", title="Bare")
        session.add(bare)
    with pytest.raises(NotFound):
        assessment.check(blog.database, blog.score, bare.id, CheckRequest(body=CIVIL), secret=SECRET, now=blog.start)

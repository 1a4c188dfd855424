"""Explaining in the background: after all judging, for what was held or rejected, and without any effect on the decision."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from moderation.ids import read
from moderation.models import Comment, Explanation, Job, JobKind, Revision, Score, Status
from moderation.policy.verdict import Verdict
from moderation.scoring.explain import in_words
from moderation.services import decisions, events, explaining, moderating
from moderation.services.asking import Explained, Question
from moderation.services.explaining import MOST_ATTEMPTS, OVERDUE, Explainer
from moderation.services.posts import PostReference
from tests.moderation.services.conftest import ABUSIVE, CIVIL, Blog


class Watched:
    """The real models, with something done before each reading."""

    def __init__(self, blog: Blog, before: Callable[[], None]) -> None:
        self.models: Any = blog.score
        self.before = before

    def explain(self, asked: Question, before_each: Callable[[], None] = lambda: None) -> Explained:
        def both() -> None:
            self.before()
            before_each()

        found: Explained = self.models.explain(asked, both)
        return found


def explainer(blog: Blog, models: Any = None, name: str = "one") -> Explainer:
    asked: Any = models or blog.score
    return Explainer(blog.database, asked, name, blog.worker().settle)


def make_due(blog: Blog) -> None:
    """Let the rest between a decision and its explanation, or between two tries, be over."""
    with blog.database.transaction() as session:
        session.execute(update(Job).where(Job.kind == JobKind.EXPLAIN).values(run_at=datetime.now(UTC) - timedelta(seconds=1)))


def explain(blog: Blog, models: Any = None) -> int:
    make_due(blog)
    return explainer(blog, models).drain()


def kept(blog: Blog) -> list[Explanation]:
    with blog.database.reading() as session:
        return list(session.scalars(select(Explanation)))


def jobs(blog: Blog) -> list[Job]:
    with blog.database.reading() as session:
        return list(session.scalars(select(Job).where(Job.kind == JobKind.EXPLAIN)))


def test_a_held_comment_is_explained_after_its_decision(blog: Blog) -> None:
    comment = blog.judged(ABUSIVE)
    assert comment.status == "flagged"
    (job,) = jobs(blog)
    assert job.run_at > job.created_at, "it rests for a moment"
    assert explain(blog) == 1
    assert jobs(blog) == []
    (row,) = kept(blog)
    assert row.model_version == comment.model
    found = in_words(row.found, ABUSIVE)
    insult = next(each for each in found["scores"] if each["attribute"] == "insult")
    assert insult["score"] == pytest.approx(comment.scores["insult"])
    assert {"idiot", "stupid"} & {word["text"] for word in insult["words"]}
    assert ABUSIVE not in str(row.found)
    assert "idiot" not in str(row.found), "the text of a comment has one home"
    assert explain(blog) == 0


def test_what_is_let_through_is_never_explained(blog: Blog) -> None:
    assert blog.judged(CIVIL).status == "approved"
    assert jobs(blog) == []


def test_what_is_held_for_another_reason_than_a_score_is_not_explained(blog: Blog) -> None:
    blog.activate("premoderate")
    assert blog.judged(CIVIL).status == "flagged"
    assert jobs(blog) == []


def test_what_a_moderator_let_through_meanwhile_is_not_explained(blog: Blog) -> None:
    blog.decide(blog.judged(ABUSIVE), Verdict.APPROVE)
    assert explain(blog) == 1
    assert (kept(blog), jobs(blog)) == ([], [])


def test_quotations_that_were_judged_apart_have_no_part_in_it(blog: Blog) -> None:
    title = "The minister: you are all stupid idiots and traitors"
    body = "“You are all stupid idiots and traitors” – what a pathetic, disgusting loser that man is."
    comment = blog.judged(body, post=PostReference(id="p2", url="https://blog.example/minister", title=title))
    assert comment.status == "flagged"
    explain(blog)
    (row,) = kept(blog)
    toxicity = next(each for each in row.found["scores"] if each["attribute"] == "toxicity")
    assert toxicity["score"] == pytest.approx(comment.scores["toxicity"])
    assert all(word["start"] > body.index("–") for each in row.found["scores"] for word in each["words"])


def test_comments_that_come_in_are_judged_before_the_next_reading(blog: Blog) -> None:
    blog.judged(ABUSIVE)
    came_in: list[Any] = []
    seen: list[str] = []

    def before() -> None:
        if came_in:
            seen.append(blog.view(came_in[-1]).status)
        if len(came_in) < 2:
            came_in.append(blog.submit(CIVIL).comment_id)

    assert explain(blog, Watched(blog, before)) == 1
    assert len(kept(blog)) == 1
    # Looked at before the third reading: both came in before the second one and were judged before it.
    assert set(seen) == {"approved"}
    assert len(seen) > 3


def test_explaining_does_not_begin_while_the_process_judges(blog: Blog) -> None:
    blog.judged(ABUSIVE)
    make_due(blog)
    busy = Explainer(blog.database, Watched(blog, lambda: pytest.fail("read")), "one", lambda _stop: False)
    assert busy.drain() == 0
    assert [job.attempts for job in jobs(blog)] == [0]


def test_explaining_begins_only_when_nothing_came_for_a_moment(blog: Blog, monkeypatch: pytest.MonkeyPatch) -> None:
    judges = blog.worker()
    assert judges.rests()
    blog.submit(ABUSIVE)
    judges.drain()
    make_due(blog)
    asked: Any = blog.score
    beside = Explainer(blog.database, asked, "one", judges.settle, busy=lambda: not judges.rests())
    monkeypatch.setattr(moderating, "REST", 3600.0)
    assert (beside.drain(), len(jobs(blog))) == (0, 1)
    monkeypatch.setattr(moderating, "REST", 0.0)
    assert (beside.drain(), jobs(blog)) == (1, [])


def test_a_search_that_is_interrupted_counts_for_nothing_and_is_made_again(blog: Blog) -> None:
    blog.judged(ABUSIVE)
    make_due(blog)
    readings = 0

    def before() -> None:
        nonlocal readings
        readings += 1

    assert explainer(blog, Watched(blog, before)).drain(lambda: readings > 2) == 1
    (job,) = jobs(blog)
    assert (job.attempts, job.lease_until, job.last_error) == (0, None, "interrupted")
    assert explain(blog) == 1
    assert len(kept(blog)) == 1


def test_a_worker_that_dies_in_the_middle_leaves_the_search_to_another(blog: Blog) -> None:
    class Died(BaseException):
        pass

    def die() -> None:
        raise Died

    comment = blog.judged(ABUSIVE)
    with pytest.raises(Died):
        explain(blog, Watched(blog, die))
    assert blog.view(comment.id) == comment
    assert explain(blog) == 0, "the lease of the dead one still runs"
    with blog.database.transaction() as session:
        session.execute(update(Job).values(lease_until=datetime.now(UTC) - timedelta(seconds=1)))
    assert explain(blog) == 1
    assert len(kept(blog)) == 1


def test_a_lease_that_ran_out_stores_nothing(blog: Blog) -> None:
    blog.judged(ABUSIVE)

    def lose() -> None:
        with blog.database.transaction() as session:
            session.execute(update(Job).where(Job.kind == JobKind.EXPLAIN).values(fence=Job.fence + 1))

    explain(blog, Watched(blog, lose))
    assert kept(blog) == []
    assert len(jobs(blog)) == 1


def test_scores_of_a_model_that_is_gone_stay_unexplained(blog: Blog) -> None:
    comment = blog.judged(ABUSIVE)
    with blog.database.transaction() as session:
        session.execute(update(Score).values(model_version="bundled-9+00000000 bundled-spam-1+d14e2156"))
    assert explain(blog) == 1
    assert (kept(blog), jobs(blog)) == ([], [])
    assert blog.view(comment.id).decision == comment.decision


def test_what_cannot_be_explained_is_given_up_and_the_decision_stands(blog: Blog) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    comment = blog.judged(ABUSIVE)
    for attempt in range(1, MOST_ATTEMPTS + 1):
        assert explain(blog, Watched(blog, fail)) == 1
        (job,) = jobs(blog)
        assert (job.attempts, job.last_error) == (attempt, "ZeroDivisionError")
        assert job.run_at > datetime.now(UTC) + timedelta(seconds=30)
    assert explain(blog, Watched(blog, fail)) == 1
    assert (kept(blog), jobs(blog)) == ([], [])
    assert blog.view(comment.id) == comment


def test_a_text_that_changes_while_its_words_are_looked_for_keeps_nothing_of_the_old_one(blog: Blog) -> None:
    comment = blog.judged(ABUSIVE)
    revised: list[Any] = []

    def revise() -> None:
        if not revised:
            revised.append(blog.revise(comment, CIVIL))

    explain(blog, Watched(blog, revise))
    assert kept(blog) == []
    assert blog.view(comment.id).status == "approved"


def test_another_text_or_none_forgets_the_explanation(blog: Blog) -> None:
    comments = [blog.judged(ABUSIVE), blog.judged(ABUSIVE + " All of you."), blog.judged(ABUSIVE + " Every single one.")]
    explain(blog)
    assert len(kept(blog)) == 3
    blog.revise(comments[0], CIVIL)
    assert len(kept(blog)) == 2
    blog.withdraw(comments[1])
    assert len(kept(blog)) == 1
    with blog.database.transaction() as session:
        erased = session.get_one(Comment, read("comment", comments[2].id))
        decisions.set_status(session, erased, Status.ERASED, now=datetime.now(UTC), event=events.ERASED)
    assert kept(blog) == []


def test_several_are_explained_one_by_one(blog: Blog) -> None:
    for place in range(3):
        blog.judged(f"{ABUSIVE} {place}.")
    assert explain(blog) == 3
    with blog.database.reading() as session:
        assert session.scalar(select(func.count(func.distinct(Revision.comment_id))).join(Explanation)) == 3


def test_a_second_caller_in_the_process_is_turned_away(blog: Blog) -> None:
    blog.judged(ABUSIVE)
    make_due(blog)
    inside: list[int] = []
    worker: Explainer

    def before() -> None:
        if not inside:
            inside.append(worker.drain())

    worker = explainer(blog, Watched(blog, before))
    assert worker.drain() == 1
    assert inside == [0]


def test_where_comments_never_pause_an_old_explanation_is_done_all_the_same_now_and_then(blog: Blog) -> None:
    for place in range(2):
        blog.judged(f"{ABUSIVE} {place}.")
    make_due(blog)
    judged: list[bool] = []

    def never_done(stop: Callable[[], bool]) -> bool:
        judged.append(stop())
        return False

    asked: Any = blog.score
    busy = Explainer(blog.database, asked, "one", never_done, busy=lambda: True)
    assert (busy.drain(), busy.catch_up()) == (0, 0), "nothing waits for long"
    with blog.database.transaction() as session:
        session.execute(update(Job).values(created_at=datetime.now(UTC) - OVERDUE))
    assert busy.catch_up() == 0, "it looks now and then"
    busy = Explainer(blog.database, asked, "two", never_done, busy=lambda: True)
    assert (busy.catch_up(), busy.catch_up()) == (1, 0)
    assert (len(kept(blog)), len(jobs(blog))) == (1, 1)


def test_an_overdue_explanation_takes_turns_with_the_comments(blog: Blog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "SHARE", 0.0)
    blog.judged(ABUSIVE)
    make_due(blog)
    with blog.database.transaction() as session:
        session.execute(update(Job).values(created_at=datetime.now(UTC) - OVERDUE))
    read: list[str] = []

    def comments(stop: Callable[[], bool]) -> bool:
        read.append("comments")
        assert stop(), "their share of the time ends too"
        return False

    asked: Any = Watched(blog, lambda: read.append("text"))
    assert Explainer(blog.database, asked, "one", comments).catch_up() == 1
    assert read[:4] == ["text", "comments", "text", "comments"]
    assert len(kept(blog)) == 1


def test_an_overdue_explanation_ends_with_its_process(blog: Blog) -> None:
    blog.judged(ABUSIVE)
    make_due(blog)
    with blog.database.transaction() as session:
        session.execute(update(Job).values(created_at=datetime.now(UTC) - OVERDUE))
    assert explainer(blog).catch_up(lambda: True) == 1
    (job,) = jobs(blog)
    assert (job.attempts, job.last_error, kept(blog)) == (0, "interrupted", [])


def test_an_overdue_explanation_that_takes_too_long_is_given_back_and_given_up_in_the_end(
    blog: Blog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explaining, "LONGEST", 0.0)
    blog.judged(ABUSIVE)
    for attempt in range(1, MOST_ATTEMPTS + 2):
        make_due(blog)
        with blog.database.transaction() as session:
            session.execute(update(Job).values(created_at=datetime.now(UTC) - OVERDUE))
        assert explainer(blog).catch_up() == 1
        assert [job.attempts for job in jobs(blog)] == ([attempt] if attempt <= MOST_ATTEMPTS else [])
    assert kept(blog) == []

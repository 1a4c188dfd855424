"""Comments that are judged and stored a few at a time: none depends on what becomes of the others."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, select, update
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from moderation.models import Decision, Job, JobKind
from moderation.queue import BATCH
from moderation.scoring.choice import SiteModels
from moderation.services import decisions
from moderation.services.asking import Scored
from moderation.services.moderating import GROUP, Moderator
from moderation.services.posts import PostReference
from tests.moderation.services.conftest import ABUSIVE, CIVIL

WAVE = "Everyone must read this page about the new miracle treatment before the weekend comes."


TEXTS = (
    CIVIL,
    "The map beside the second paragraph shows the old border, I think.",
    "Has anybody read what the parliament in Oslo decided last autumn?",
    "My grandfather built ships in that harbour, so this was a joy to read.",
    "Could the author say where the figures about wheat come from?",
    "I would rather see the money go into schools and railways.",
    "Thanks, this is the first time that I understand how the fund works.",
    "The photograph was taken in winter, and the vote was in June.",
    "A calm and useful text; please write about the other countries as well.",
    "We moved to the coast in the same year and the ferry still ran twice a day.",
    "Is there a longer version of the interview with the minister?",
    "The second table adds up to more than one hundred per cent, please check.",
    "Trains here have been on time since the new timetable, to my surprise.",
    "What does the treaty say about fishing rights north of the islands?",
    "My daughter studies law and explained the ruling to us at breakfast.",
    "Good to see a report that quotes both unions and the employers.",
    "I doubt that the bridge will be open before the end of next year.",
)


def several(blog: Any, count: int) -> list[Any]:
    return [blog.submit(text).comment_id for text in TEXTS[:count]]


def statuses(blog: Any, comments: list[Any]) -> list[str]:
    return [blog.view(comment).status for comment in comments]


@pytest.mark.parametrize("count", [1, GROUP, GROUP + 1, 2 * GROUP + 1])
def test_all_of_a_batch_are_judged_whatever_groups_it_makes(blog: Any, count: int) -> None:
    comments = several(blog, count)
    blog.worker().drain()
    assert statuses(blog, comments) == ["approved"] * count
    with blog.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Decision)) == count
        assert session.scalar(select(func.count()).select_from(Job).where(Job.kind == JobKind.MODERATE)) == 0


def test_comments_decided_together_ask_for_their_posts_in_one_question(blog: Any) -> None:
    comments = [
        blog.submit(text, post=PostReference(url=f"https://blog.example/{number}")).comment_id
        for number, text in enumerate(TEXTS[:GROUP])
    ]
    asked: list[str] = []
    event.listen(blog.database.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    blog.worker().drain()
    assert statuses(blog, comments) == ["approved"] * GROUP
    assert sum("FROM post " in statement.replace("\n", " ") and "JOIN" not in statement for statement in asked) == 1


def test_copies_that_are_judged_in_one_batch_are_a_wave_as_well(blog: Any) -> None:
    comments = [blog.submit(WAVE).comment_id for _ in range(4)]
    blog.worker().drain()
    assert statuses(blog, comments) == ["approved", "approved", "flagged", "flagged"]
    assert blog.view(comments[3]).signals["near_copies"] == 4


def test_copies_in_a_batch_that_is_not_stored_yet_are_a_wave_as_well(blog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    several(blog, BATCH - 2)
    comments = [blog.submit(WAVE).comment_id for _ in range(4)]
    read = threading.Event()
    prepare, store = Moderator._prepare, Moderator._store

    def prepared(self: Moderator, claims: Any, before: Any) -> Any:
        found = prepare(self, claims, before)
        if before:
            read.set()
        return found

    def stored(self: Moderator, judged: Any) -> None:
        # Nothing of the first batch is stored before all of the second is read.
        assert read.wait(30)
        store(self, judged)

    monkeypatch.setattr(Moderator, "_prepare", prepared)
    monkeypatch.setattr(Moderator, "_store", stored)
    blog.worker().drain()
    assert statuses(blog, comments) == ["approved", "approved", "flagged", "flagged"]
    assert blog.view(comments[3]).signals["near_copies"] == 4


def test_copies_of_one_author_in_a_batch_are_no_wave(blog: Any) -> None:
    author = blog.submission().author
    comments = [blog.submit(WAVE, author=author).comment_id for _ in range(4)]
    blog.worker().drain()
    assert [blog.view(comment).signals["near_copies"] for comment in comments] == [1] * 4


def test_a_text_that_breaks_the_models_holds_up_no_other(blog: Any) -> None:
    comments = several(blog, 3)
    broken = blog.submit(ABUSIVE).comment_id

    def score(text: str, models: SiteModels) -> Scored:
        if text == ABUSIVE:
            raise ZeroDivisionError
        found: Scored = blog.score(text, models)
        return found

    blog.worker(score=score).drain()
    assert statuses(blog, comments) == ["approved"] * 3
    assert blog.view(broken).status == "pending"
    with blog.database.reading() as session:
        job = session.scalars(select(Job).where(Job.kind == JobKind.MODERATE)).one()
        assert (job.subject_id, job.attempts, job.last_error) == (broken, 1, "ZeroDivisionError")


def test_what_was_judged_is_stored_before_what_may_have_ended_a_worker_is_judged(
    blog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A comment that kills the worker took the one before it along, attempt by attempt, until a human had to read both."""
    good, suspect = several(blog, 2)
    with blog.database.transaction() as session:
        session.execute(update(Job).values(attempts=1, lease_until=datetime.now(UTC) - timedelta(seconds=1)))
    judged, seen = threading.Event(), []
    store = Moderator._store

    def after_the_next_was_judged(self: Moderator, work: Any) -> None:
        judged.wait(0.5)
        store(self, work)

    def score(text: str, models: SiteModels) -> Scored:
        if text == TEXTS[1]:
            seen.append(blog.view(good).status)
            judged.set()
        return blog.score(text, models)  # type: ignore[no-any-return]

    monkeypatch.setattr(Moderator, "_store", after_the_next_was_judged)
    blog.worker(score=score).drain()
    assert seen == ["approved"]
    assert statuses(blog, [good, suspect]) == ["approved", "approved"]


def test_a_lease_that_was_lost_takes_no_other_with_it(blog: Any) -> None:
    comments = several(blog, 3)
    taken = comments[1]

    def score(text: str, models: SiteModels) -> Scored:
        with blog.database.transaction() as session:
            session.execute(
                update(Job)
                .where(Job.subject_id == taken, Job.kind == JobKind.MODERATE)
                .values(fence=Job.fence + 1, lease_until=datetime.now(UTC) + timedelta(minutes=1))
            )
        found: Scored = blog.score(text, models)
        return found

    blog.worker(score=score).drain()
    assert statuses(blog, comments) == ["approved", "pending", "approved"]


def test_what_cannot_be_stored_together_is_stored_one_by_one(blog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    comments = several(blog, 3)
    cursed = comments[0]
    decide = decisions.decide

    def broken(session: Any, comment: Any, outcome: Any, **named: Any) -> Decision:
        if comment.id == cursed:
            raise ZeroDivisionError
        return decide(session, comment, outcome, **named)

    monkeypatch.setattr(decisions, "decide", broken)
    blog.worker().drain()
    assert statuses(blog, comments) == ["pending", "approved", "approved"]
    with blog.database.reading() as session:
        job = session.scalars(select(Job).where(Job.kind == JobKind.MODERATE)).one()
        assert (job.subject_id, job.last_error) == (cursed, "ZeroDivisionError")


def test_what_could_not_be_stored_is_told_although_the_next_claim_fails_too(blog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    several(blog, 1)
    worker = blog.worker()
    claim = worker._claim
    times = iter([claim])

    def once() -> Any:
        found = next(times, None)
        if found is None:
            raise DBAPIError("SELECT", {}, Exception("the claim"))
        return found()

    def gone(*_: Any, **__: Any) -> None:
        raise DBAPIError("UPDATE", {}, Exception("the store"))

    monkeypatch.setattr(worker, "_claim", once)
    monkeypatch.setattr(decisions, "decide", gone)
    with capture_logs() as logs, pytest.raises(DBAPIError, match="the claim"):
        worker.drain()
    assert [(entry["event"], entry["comments"], entry["error"]) for entry in logs] == [("not_stored", 1, "DBAPIError")]


def test_a_database_that_is_gone_while_a_group_is_stored_ends_the_drain_and_loses_nothing(
    blog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    comments = several(blog, 2 * GROUP)

    def gone(*_: Any, **__: Any) -> None:
        raise DBAPIError("UPDATE", {}, Exception("gone"))

    # The logs are caught because showing what was raised takes longer than a lease lasts.
    with monkeypatch.context() as patch, capture_logs():
        patch.setattr(decisions, "decide", gone)
        with pytest.raises(DBAPIError):
            blog.worker().drain()
    assert statuses(blog, comments) == ["pending"] * len(comments)
    with blog.database.transaction() as session:
        # The leases ran out.
        session.execute(update(Job).values(lease_until=datetime.now(UTC) - timedelta(seconds=1)))
    blog.worker(name="two").drain()
    assert statuses(blog, comments) == ["approved"] * len(comments)

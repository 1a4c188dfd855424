"""Comments of a blog that cannot call us: each comes here once, whatever breaks off between, and none is lost for it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from moderation.database import Database
from moderation.errors import Refused
from moderation.models import Author, Comment, Job, JobKind, Post, Publisher, Revision
from moderation.services import connecting, publishing, pulling
from tests.moderation.outbound.publishers.blogs import BloggerBlog, GhostBlog, WordPressBlog, Written
from tests.moderation.outbound.receiver import Got, status
from tests.moderation.services.outgoing import GUARD, SECRET, Outgoing, outgoing

EVERY = timedelta(minutes=5)
Listing = WordPressBlog | BloggerBlog
SYSTEMS = (WordPressBlog, BloggerBlog)


@pytest.fixture
def out(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outgoing]:
    with outgoing(database, tmp_path, monkeypatch) as world:
        yield world


@pytest.fixture(params=SYSTEMS, ids=lambda kind: kind.kind)
def blog(request: pytest.FixtureRequest, out: Outgoing) -> Listing:
    made: Listing = request.param(f"http://127.0.0.1:{out.receiver.port}")
    out.receiver.answer = made.answer
    return made


@pytest.fixture
def publisher(out: Outgoing, blog: Listing) -> Publisher:
    return connected(out, blog)


def connected(out: Outgoing, blog: Any) -> Publisher:
    with out.database.transaction() as session:
        made = connecting.add(
            session, out.site_id, blog.kind, blog.config(), guard=GUARD, secret=SECRET, by="test", now=out.clock.now()
        )
        return made.publisher


def follow(out: Outgoing, publisher: Publisher, *, every: timedelta | None = EVERY, since: timedelta | None = None) -> None:
    with out.database.transaction() as session:
        here = connecting.find(session, out.site_id, publisher.id)
        begin = out.clock.now() - since if since else None
        pulling.follow(session, here, every=every, since=begin, by="test", now=out.clock.now())


def write(out: Outgoing, blog: Listing, *numbers: int, ago: float = 0, **changes: Any) -> None:
    at = out.clock.now() - timedelta(seconds=ago)
    blog.written += [Written(number, at + timedelta(milliseconds=number), f"The text {number}.", **changes) for number in numbers]


def stored(out: Outgoing) -> dict[str, Comment]:
    with out.database.reading() as session:
        return {str(each.external_id).rpartition(":")[2].rpartition("/")[2]: each for each in session.scalars(select(Comment))}


def progress(out: Outgoing, publisher: Publisher) -> dict[str, Any]:
    with out.database.reading() as session:
        found: dict[str, Any] = session.get_one(Publisher, publisher.id).config["pulling"]
        return found


def pull_jobs(out: Outgoing) -> list[Job]:
    return [job for job in out.jobs() if job.kind is JobKind.PUBLISH and job.revision == pulling.JOB]


def listed(got: Got) -> bool:
    # The stand-in for WordPress has plain permalinks, so that the first form of the address leads nowhere.
    return "startDate=" in got.path or (got.path.startswith("/index.php") and "after=" in got.path)


def test_a_comment_comes_with_its_page_its_author_and_a_job_to_judge_it(
    out: Outgoing, blog: Listing, publisher: Publisher
) -> None:
    write(out, blog, 11)
    follow(out, publisher)
    out.drain()
    with out.database.reading() as session:
        (comment,) = session.scalars(select(Comment))
        post, author = session.get_one(Post, comment.post_id), session.get_one(Author, comment.author_id)
        revision = session.scalars(select(Revision)).one()
        jobs = session.scalars(select(Job).where(Job.kind == JobKind.MODERATE)).all()
    assert comment.external_id in {"wordpress:11", "blogger:5/11"}
    assert post.url.startswith(f"{blog.base}/arms")
    assert (post.title, author.name, revision.body) == ("Arms & the treaty", "Ann", "The text 11.")
    assert [job.subject_id for job in jobs] == [comment.id]
    assert revision.address_hash is not None or isinstance(blog, BloggerBlog)


def test_pages_are_walked_to_the_end_and_each_comment_is_taken_once(out: Outgoing, blog: Listing, publisher: Publisher) -> None:
    numbers = list(range(1, 58))
    # All of them in one second: no cursor by time alone gets past that.
    write(out, blog, *numbers)
    write(out, blog, 99, ago=60, waiting=False)
    follow(out, publisher, since=timedelta(hours=1))
    out.drain()
    assert set(stored(out)) == {*map(str, numbers), "99"}
    assert progress(out, publisher)["taken"] == {"new": 58, "known": 0, "bad": 0}
    (job,) = pull_jobs(out)
    assert job.run_at - out.clock.now() == EVERY
    out.clock.move(EVERY.total_seconds())
    write(out, blog, 100)
    out.drain()
    assert len(stored(out)) == 59
    assert progress(out, publisher)["taken"] == {"new": 59, "known": 58, "bad": 0}


def test_a_walk_that_broke_off_goes_on_where_it_was(out: Outgoing, blog: Listing, publisher: Publisher) -> None:
    write(out, blog, *range(1, 46))
    answered = 0

    def sometimes(handler: Any, got: Got) -> None:
        nonlocal answered
        answered += listed(got)
        (status(503, Retry_After="900") if answered == 2 and listed(got) else blog.answer)(handler, got)

    out.receiver.answer = sometimes
    follow(out, publisher)
    out.drain()
    assert len(stored(out)) in {10, 20}, "one page, as long as the system's pages are"
    assert (progress(out, publisher)["failures"], progress(out, publisher)["error"]) == (1, "http_503")
    (job,) = pull_jobs(out)
    assert job.run_at - out.clock.now() == timedelta(seconds=900), "as long as the blog asks for, and than twice the pause"
    out.clock.move(900)
    out.drain()
    assert len(stored(out)) == 45
    assert progress(out, publisher)["taken"] == {"new": 45, "known": 0, "bad": 0}
    assert progress(out, publisher)["failures"] == 0


def test_a_blog_that_stays_away_is_asked_ever_more_rarely_and_nothing_is_left_out(
    out: Outgoing, blog: Listing, publisher: Publisher
) -> None:
    out.receiver.answer = status(500)
    follow(out, publisher)
    pauses = []
    for _ in range(12):
        out.drain()
        (job,) = pull_jobs(out)
        pauses.append(job.run_at - out.clock.now())
        out.clock.move(pauses[-1].total_seconds())
    assert pauses[:3] == [2 * EVERY, 4 * EVERY, 8 * EVERY]
    assert pauses[-1] == pulling.LONGEST
    write(out, blog, 1, ago=3 * 86_400)
    out.receiver.answer = blog.answer
    out.drain()
    assert set(stored(out)) == {"1"}


def test_an_attempt_that_is_repeated_after_a_kill_takes_nothing_twice(
    out: Outgoing, blog: Listing, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(out, blog, 1, 2)
    follow(out, publisher)
    conclude = pulling.Pulling.conclude

    def killed(*_arguments: Any, **_options: Any) -> None:
        monkeypatch.setattr(pulling.Pulling, "conclude", conclude)
        raise RuntimeError("the process ends here")

    monkeypatch.setattr(pulling.Pulling, "conclude", killed)
    out.drain()
    assert stored(out) == {}
    out.clock.move(120)
    out.drain()
    assert set(stored(out)) == {"1", "2"}


def test_a_place_that_the_blog_no_longer_knows_begins_the_walk_anew(out: Outgoing) -> None:
    blog = BloggerBlog(f"http://127.0.0.1:{out.receiver.port}")
    out.receiver.answer = blog.answer
    publisher = connected(out, blog)
    write(out, blog, 1)
    follow(out, publisher)
    with out.database.transaction() as session:
        here = connecting.find(session, out.site_id, publisher.id)
        here.config = {**here.config, "pulling": {**here.config["pulling"], "place": "forgotten"}}
    out.drain()
    assert stored(out) == {}
    out.clock.move(3600)
    out.drain()
    assert set(stored(out)) == {"1"}


def test_a_blog_too_slow_for_a_whole_page_in_one_attempt_comes_to_its_end(out: Outgoing) -> None:
    blog = BloggerBlog(f"http://127.0.0.1:{out.receiver.port}")

    def slowly(handler: Any, got: Got) -> None:
        if "/posts/" in got.path:
            out.receiver.closing.wait(0.4)
        blog.answer(handler, got)

    out.receiver.answer = slowly
    publisher = connected(out, blog)
    for number in range(6):
        write(out, blog, number, post=20 + number)
    follow(out, publisher)
    hasty = out.another(timeout=1.0)
    hasty.drain(lambda: False)
    hasty.close()
    assert set(stored(out)) == {str(number) for number in range(6)}
    assert (progress(out, publisher)["failures"], progress(out, publisher)["taken"]["new"]) == (0, 6)


def test_a_blog_that_answers_for_no_post_in_time_has_failed(out: Outgoing) -> None:
    blog = BloggerBlog(f"http://127.0.0.1:{out.receiver.port}")

    def never(handler: Any, got: Got) -> None:
        if "/posts/" in got.path:
            out.receiver.closing.wait(10)
        blog.answer(handler, got)

    out.receiver.answer = never
    publisher = connected(out, blog)
    write(out, blog, 1, post=31)
    follow(out, publisher)
    hasty = out.another(timeout=0.5)
    hasty.drain(lambda: False)
    hasty.close()
    assert (progress(out, publisher)["failures"], progress(out, publisher)["error"]) == (1, "timeout")


def test_what_a_worker_noted_while_somebody_pulled_by_hand_is_kept(out: Outgoing) -> None:
    blog = WordPressBlog(f"http://127.0.0.1:{out.receiver.port}")
    out.receiver.answer = blog.answer
    publisher = connected(out, blog)
    write(out, blog, 1)
    follow(out, publisher)
    with out.database.reading() as session:
        here = connecting.find(session, out.site_id, publisher.id)
    out.drain()
    with out.database.transaction() as session:
        # As it was read before the worker stored what it took.
        session.add(here)
        pulling.finished(session, here, since=publisher.created_at, began=out.clock.now())
    assert progress(out, publisher)["taken"]["new"] == 1


def test_who_pulled_the_last_hour_by_hand_has_left_nothing_out_that_the_schedule_has_yet_to_ask_for(out: Outgoing) -> None:
    blog = WordPressBlog(f"http://127.0.0.1:{out.receiver.port}")
    publisher = connected(out, blog)
    out.receiver.answer = status(500)
    follow(out, publisher, since=timedelta(days=3))
    out.drain()
    write(out, blog, 1, ago=2 * 86_400)
    out.receiver.answer = blog.answer
    now = out.clock.now()
    with out.database.transaction() as session:
        here = connecting.find(session, out.site_id, publisher.id)
        pulling.finished(session, here, since=now - timedelta(hours=1), began=now)
    out.clock.move(3600)
    out.drain()
    assert set(stored(out)) == {"1"}


def test_a_reply_comes_under_what_it_answers_and_alone_where_that_is_not_here(
    out: Outgoing, blog: Listing, publisher: Publisher
) -> None:
    write(out, blog, 1, ago=60)
    follow(out, publisher, since=timedelta(hours=1))
    out.drain()
    write(out, blog, 2, parent=1)
    write(out, blog, 3, parent=77)
    out.clock.move(EVERY.total_seconds())
    out.drain()
    found = stored(out)
    assert found["2"].parent_id == found["1"].id
    assert found["3"].parent_id is None


def test_what_cannot_be_used_is_counted_and_holds_nobody_up(out: Outgoing, blog: Listing, publisher: Publisher) -> None:
    write(out, blog, 1, 3)
    blog.written.append(Written(2, out.clock.now(), ""))
    follow(out, publisher)
    out.drain()
    assert set(stored(out)) == {"1", "3"}
    assert progress(out, publisher)["taken"] == {"new": 2, "known": 0, "bad": 1}


def test_it_stops_when_told_when_paused_and_when_removed_and_goes_on_when_resumed(
    out: Outgoing, blog: Listing, publisher: Publisher
) -> None:
    follow(out, publisher)
    out.drain()
    with out.database.transaction() as session:
        publishing.pause(session, out.site_id, publisher.id, by="test", now=out.clock.now())
    assert pull_jobs(out) == []
    with out.database.transaction() as session:
        publishing.resume(session, out.site_id, publisher.id, by="test", now=out.clock.now())
    write(out, blog, 1)
    out.drain()
    assert set(stored(out)) == {"1"}
    follow(out, publisher, every=None)
    assert pull_jobs(out) == []
    follow(out, publisher)
    with out.database.transaction() as session:
        publishing.delete(session, out.site_id, publisher.id, by="test", now=out.clock.now())
    assert pull_jobs(out) == []


def test_only_what_can_be_pulled_is_and_not_more_often_than_once_a_minute(
    out: Outgoing, blog: Listing, publisher: Publisher
) -> None:
    with pytest.raises(Refused, match="cannot be asked"):
        follow(out, connected(out, GhostBlog(blog.base)))
    for every in (timedelta(seconds=59), timedelta(days=2)):
        with pytest.raises(Refused, match="one minute"):
            follow(out, publisher, every=every)

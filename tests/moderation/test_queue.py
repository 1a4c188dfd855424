"""The job table on real databases of both kinds: leases, fences, order and fairness."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from moderation import queue
from moderation.database import Database
from moderation.errors import LeaseLost
from moderation.ids import new_id
from moderation.models import JobKind, Priority, Site

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LEASE = timedelta(seconds=30)


def add_site(session: Session, name: str) -> UUID:
    site = Site(id=new_id(), created_at=NOW, name=name, title=name)
    session.add(site)
    session.flush()
    return site.id


def add_job(session: Session, site: UUID, *, subject: UUID | None = None, priority: Priority = Priority.INTERACTIVE) -> UUID:
    subject = subject or new_id()
    queue.enqueue(session, JobKind.MODERATE, site_id=site, subject_id=subject, now=NOW, priority=priority)
    return subject


def take(session: Session, *sites: UUID, at: datetime = NOW, worker: str = "one", limit: int = 16) -> list[queue.Claim]:
    return queue.claim(session, JobKind.MODERATE, worker=worker, now=at, lease=LEASE, sites=sites, limit=limit)


def test_a_claimed_job_is_not_given_to_a_second_worker(database: Database) -> None:
    with database.transaction() as session:
        site = add_site(session, "news")
        add_job(session, site)
        assert len(take(session, site)) == 1
        assert take(session, site, worker="two") == []


def test_the_same_work_enqueued_twice_is_one_job(database: Database) -> None:
    with database.transaction() as session:
        site = add_site(session, "news")
        subject = add_job(session, site)
        add_job(session, site, subject=subject)
        assert queue.depth(session, JobKind.MODERATE) == 1


def test_a_worker_whose_lease_ran_out_can_neither_finish_nor_fail(database: Database) -> None:
    with database.transaction() as session:
        site = add_site(session, "news")
        add_job(session, site)
        (held,) = take(session, site)
    late = NOW + LEASE + timedelta(seconds=1)
    with pytest.raises(LeaseLost), database.transaction() as session:
        queue.finish(session, held, now=late)
    with pytest.raises(LeaseLost), database.transaction() as session:
        queue.fail(session, held, now=late, run_at=late, error="late")
    with database.reading() as session:
        assert queue.depth(session, JobKind.MODERATE) == 1


def test_a_taken_over_job_answers_to_the_newer_fence_alone(database: Database) -> None:
    with database.transaction() as session:
        site = add_site(session, "news")
        add_job(session, site)
        (zombie,) = take(session, site)
        later = NOW + LEASE + timedelta(seconds=1)
        (owner,) = take(session, site, at=later, worker="two")
        assert (owner.fence, owner.attempts) == (zombie.fence + 1, 2)
        with pytest.raises(LeaseLost):
            queue.finish(session, zombie, now=later)
        queue.finish(session, owner, now=later)
        assert queue.depth(session, JobKind.MODERATE) == 0


def test_a_job_whose_lease_expired_is_claimed_alone(database: Database) -> None:
    """It may have killed its worker: the fifteen beside it must not suffer for it again."""
    with database.transaction() as session:
        site = add_site(session, "news")
        poison = add_job(session, site)
        take(session, site, limit=1)
        for _ in range(5):
            add_job(session, site)
        later = NOW + LEASE + timedelta(seconds=1)
        assert [held.subject_id for held in take(session, site, at=later)] == [poison]
        assert len(take(session, site, at=later)) == 5


def test_a_batch_ends_where_its_estimated_work_would_exceed_the_budget(database: Database) -> None:
    with database.transaction() as session:
        site = add_site(session, "news")
        for _ in range(4):
            queue.enqueue(session, JobKind.MODERATE, site_id=site, subject_id=new_id(), now=NOW, cost_ms=queue.BATCH_MS * 0.4)
        assert len(take(session, site)) == 2


def test_only_the_lowest_number_of_an_order_can_be_claimed(database: Database) -> None:
    with database.transaction() as session:
        site = add_site(session, "news")
        first, second = new_id(), new_id()
        for number, subject in ((2, second), (1, first)):
            queue.enqueue(session, JobKind.NOTIFY, site_id=site, subject_id=subject, now=NOW, order=("endpoint", number))

        def take_notice() -> list[queue.Claim]:
            return queue.claim(session, JobKind.NOTIFY, worker="one", now=NOW, lease=LEASE, sites=[site])

        (held,) = take_notice()
        assert held.subject_id == first
        assert take_notice() == []
        queue.finish(session, held, now=NOW)
        assert [held.subject_id for held in take_notice()] == [second]


def test_a_flood_at_one_site_leaves_the_other_its_share(database: Database) -> None:
    with database.transaction() as session:
        loud, quiet = add_site(session, "loud"), add_site(session, "quiet")
        for _ in range(40):
            add_job(session, loud)
        wanted = add_job(session, quiet)
        sites = queue.sites_with_work(session, JobKind.MODERATE, now=NOW)
        assert set(sites) == {loud, quiet}
        assert wanted in {held.subject_id for held in take(session, *queue.rotate(sites, None))}


def test_a_site_with_an_import_waits_for_one_with_a_reader(database: Database) -> None:
    with database.transaction() as session:
        importing, live = add_site(session, "importing"), add_site(session, "live")
        add_job(session, importing, priority=Priority.IMPORT)
        add_job(session, live)
        assert queue.sites_with_work(session, JobKind.MODERATE, now=NOW) == [live]


def test_a_failed_job_comes_back_at_its_time_and_behind_the_fresh_ones(database: Database) -> None:
    with database.transaction() as session:
        site = add_site(session, "news")
        failed = add_job(session, site)
        (held,) = take(session, site)
        again = NOW + timedelta(seconds=5)
        queue.fail(session, held, now=NOW, run_at=again, error="TimeoutError")
        assert take(session, site) == []
        fresh = add_job(session, site)
        assert [held.subject_id for held in take(session, site, at=again)] == [fresh, failed]


def test_the_bell_rings_after_the_commit_and_not_after_a_roll_back(database: Database) -> None:
    rung: list[str] = []
    database.ring = rung.append
    with database.transaction() as session:
        site = add_site(session, "news")
        add_job(session, site)
        assert rung == []
    assert rung == ["moderate"]

    def add_and_fail() -> None:
        with database.transaction() as session:
            add_job(session, site)
            raise RuntimeError("the caller changed its mind")

    with pytest.raises(RuntimeError, match="changed its mind"):
        add_and_fail()
    assert rung == ["moderate"]


def test_a_condition_that_comes_again_is_made_into_a_statement_once() -> None:
    elsewhere = ~queue.to_receiver(new_id())
    assert queue._candidates(JobKind.NOTIFY, elsewhere) is queue._candidates(JobKind.NOTIFY, elsewhere)
    assert queue._candidates(JobKind.NOTIFY, elsewhere) is not queue._candidates(JobKind.NOTIFY, ~queue.to_receiver(new_id()))

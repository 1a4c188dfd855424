"""What has had its time is deleted, and nothing else; processes that fall silent are gone."""

from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from moderation.models import HashingKey, Idempotency, NearCopy
from moderation.services import housekeeping, processes
from moderation.services.privacy import address_hashes, address_keys
from moderation.services.submission import Once

SECRET = b"s" * 32


def tidy(blog: Any, *, after: timedelta) -> None:
    with blog.database.transaction() as session:
        housekeeping.tidy(session, now=blog.start + after)


def count(blog: Any, model: type[Any]) -> int:
    with blog.database.reading() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_fingerprints_and_idempotency_records_go_when_their_time_has_come(blog: Any) -> None:
    blog.submit(once=Once(scope="s", key="k", fingerprint=b"f"))
    blog.worker().drain()
    tidy(blog, after=timedelta(days=2))
    assert (count(blog, NearCopy) > 0, count(blog, Idempotency)) == (True, 1)
    tidy(blog, after=timedelta(days=4))
    assert (count(blog, NearCopy) > 0, count(blog, Idempotency)) == (True, 0)
    tidy(blog, after=timedelta(days=15))
    assert count(blog, NearCopy) == 0


def test_two_address_keys_overlap_and_the_older_one_is_deleted(blog: Any) -> None:
    hashes = []
    for day in (0, 31, 62):
        tidy(blog, after=timedelta(days=day))
        with blog.database.reading() as session:
            hashes.append(address_hashes(address_keys(session, SECRET), blog.site_id, "203.0.113.7"))
    assert [len(found) for found in hashes] == [1, 2, 2]
    assert hashes[1][1] == hashes[0][0]
    assert hashes[2][1] == hashes[1][0]
    assert count(blog, HashingKey) == 2


def test_a_process_is_alive_until_it_falls_silent_or_leaves(blog: Any) -> None:
    with blog.database.transaction() as session:
        for name in ("one", "two"):
            processes.beat(session, name, "relay", started_at=blog.start, now=blog.start)
        processes.beat(session, "two", "relay", started_at=blog.start, now=blog.start + timedelta(seconds=30))
        assert [found.process for found in processes.alive(session, now=blog.start + timedelta(seconds=31))] == ["two"]
        processes.leave(session, "two")
        assert [found.process for found in processes.alive(session, now=blog.start)] == ["one"]

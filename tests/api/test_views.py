"""Counting readers: who is one, what is handed over, and what becomes of a count that the database does not take."""

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from api import views
from api.views import Views
from moderation.ids import new_id
from moderation.models import Post, PostViews
from tests.api.conftest import CIVIL, ORIGIN

NOW = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)


def counted(door: Any) -> int:
    door.context.views.hand_over()
    with door.runtime.database.reading() as session:
        return session.scalar(select(func.sum(PostViews.views))) or 0


def a_post(door: Any) -> Post:
    with door.runtime.database.reading() as session:
        found: Post = session.scalars(select(Post)).one()
    return found


def read(door: Any, query: str = "post=p1", *, key: str = "publishable", **headers: str) -> Any:
    return door.get(f"/v1/threads?{query}", key=key, headers={"Origin": ORIGIN, **headers})


def test_whoever_opens_a_thread_is_counted_once_also_when_nothing_changed(door: Any) -> None:
    door.decided(CIVIL)
    tag = read(door).headers["ETag"]
    assert read(door, **{"If-None-Match": tag}).status_code == 304
    assert counted(door) == 2
    assert door.client.get("/s/blog/comments?post=p1").status_code == 200
    assert counted(door) == 3


def test_a_further_page_an_unknown_post_a_fragment_and_the_blogs_server_are_no_readers(door: Any) -> None:
    comment = door.decided(CIVIL)["id"]
    assert read(door, f"post=p1&after={comment}").status_code == 200
    assert read(door, "post=unknown").status_code == 200
    assert read(door, key="secret").status_code == 200
    assert door.client.get("/s/blog/fragment?post=p1").status_code == 200
    assert door.client.get("/s/blog/comments?post=unknown&url=https://blog.example/new").status_code == 200
    assert counted(door) == 0


def test_a_count_that_the_database_does_not_take_is_kept_for_the_next_time(
    sqlite_door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite_door.decided(CIVIL)
    read(sqlite_door)
    database = sqlite_door.runtime.database

    def away(_: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("the disk is full"))

    with monkeypatch.context() as broken:
        broken.setattr(database, "transact", away)
        sqlite_door.context.views.hand_over()
    read(sqlite_door)
    assert counted(sqlite_door) == 2


def test_what_does_not_fit_is_not_counted_and_what_is_there_goes_on(sqlite_door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sqlite_door.decided(CIVIL)
    post = a_post(sqlite_door)
    monkeypatch.setattr(views, "MOST", 1)
    count = Views(sqlite_door.runtime.database)
    for post_id in (post.id, new_id(), post.id):
        count.count(post.site_id, post_id, now=NOW)
    count.end()
    with sqlite_door.runtime.database.reading() as session:
        (row,) = session.scalars(select(PostViews))
    assert (row.post_id, row.views, row.hour) == (post.id, 2, NOW.replace(minute=0))


def test_many_threads_lose_no_view_and_the_end_hands_the_rest_over(door: Any) -> None:
    door.decided(CIVIL)
    post = a_post(door)
    count = Views(door.runtime.database, every=0.01)

    def visit() -> None:
        for _ in range(500):
            count.count(post.site_id, post.id, now=NOW)

    readers = [threading.Thread(target=visit) for _ in range(8)]
    for each in readers:
        each.start()
    for each in readers:
        each.join()
    count.end()
    assert counted(door) == 4000

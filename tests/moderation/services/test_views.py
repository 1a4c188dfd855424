"""Views by the hour: added up by whoever counted them, and of an hour only the part that a span shares."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from moderation.models import PostViews
from moderation.services import housekeeping, posts, views
from moderation.services.posts import PostReference
from moderation.services.views import Seen, Span

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def post(blog: Any) -> UUID:
    with blog.database.transaction() as session:
        return posts.register(session, blog.site_id, PostReference(id="p1", url="https://blog.example/arms"), now=NOON).id


def add(blog: Any, post: UUID, **hours: int) -> None:
    """Add views by the hour of the day: ``h13=4``."""
    counted = {Seen(blog.site_id, post, NOON.replace(hour=int(hour[1:]))): number for hour, number in hours.items()}
    with blog.database.transaction() as session:
        views.add(session, counted)


def during(blog: Any, post: UUID, since: timedelta, until: timedelta) -> float:
    with blog.database.reading() as session:
        (found,) = views.during(session, blog.site_id, [Span(post, NOON + since, NOON + until)])
    return found


def test_views_of_several_processes_are_added_up(blog: Any, post: UUID) -> None:
    add(blog, post, h12=3, h13=1)
    add(blog, post, h12=4)
    add(blog, post)
    hour = timedelta(hours=1)
    assert (during(blog, post, 0 * hour, hour), during(blog, post, 0 * hour, 2 * hour)) == (7, 8)


def test_of_an_hour_the_part_counts_that_is_shared(blog: Any, post: UUID) -> None:
    add(blog, post, h11=60, h12=60, h13=60)
    minute = timedelta(minutes=1)
    assert during(blog, post, 15 * minute, 30 * minute) == 15
    assert during(blog, post, -10 * minute, 70 * minute) == 80
    assert during(blog, post, 180 * minute, 240 * minute) == 0
    assert during(blog, post, 15 * minute, 15 * minute) == 0


def test_another_posts_views_are_not_counted(blog: Any, post: UUID) -> None:
    with blog.database.transaction() as session:
        other = posts.register(session, blog.site_id, PostReference(url="https://blog.example/other"), now=NOON).id
    add(blog, post, h12=5)
    add(blog, other, h12=7)
    with blog.database.reading() as session:
        spans = [Span(each, NOON, NOON + timedelta(hours=1)) for each in (other, post, other)]
        assert views.during(session, blog.site_id, spans) == [7, 5, 7]
        assert views.during(session, blog.site_id, []) == []


def test_views_are_not_kept_for_longer_than_a_figure_needs_them(blog: Any, post: UUID) -> None:
    add(blog, post, h12=5)
    with blog.database.transaction() as session:
        housekeeping.tidy(session, now=NOON + views.KEPT)
        assert session.scalar(select(func.count()).select_from(PostViews)) == 1
        housekeeping.tidy(session, now=NOON + views.KEPT + timedelta(seconds=1))
        assert session.scalar(select(func.count()).select_from(PostViews)) == 0


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 (the strategy adds the zone)
def test_every_moment_is_in_its_hour(moment: datetime) -> None:
    assert timedelta() <= moment - views.hour_of(moment) < views.HOUR

"""What posts accept: the site's rule closes them by themselves, and an editor's word goes before it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from moderation.errors import NotFound, Refused
from moderation.ids import new_id
from moderation.models import Openness, Post
from moderation.services import openness, policies, posts
from moderation.services.posts import PostReference
from tests.moderation.services.conftest import CIVIL

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
OLD = PostReference(id="old", url="https://blog.example/old", published_at=NOW - timedelta(days=14))


def close_after(blog: Any, days: int | None) -> None:
    with blog.database.transaction() as session:
        openness.close_after(session, blog.site_id, days, by="test", now=NOW)


def accepts(blog: Any, key: str = "old", *, at: datetime = NOW) -> str:
    with blog.database.reading() as session:
        return str(openness.now_at(session, posts.find(session, blog.site_id, key), now=at))


def set_post(blog: Any, word: Openness | None, *, until: datetime | None = None, now: datetime = NOW) -> None:
    with blog.database.transaction() as session:
        post = posts.find(session, blog.site_id, "old")
        openness.set_post(session, blog.site_id, post.id, word, until=until, by="test", now=now)


@pytest.fixture
def old(blog: Any) -> Any:
    """A blog with a post that came out fourteen days ago, at this very moment."""
    with blog.database.transaction() as session:
        posts.register(session, blog.site_id, OLD, now=NOW - timedelta(days=1))
    return blog


def test_a_post_is_closed_to_the_moment_and_never_without_a_rule(old: Any) -> None:
    assert accepts(old, at=NOW + timedelta(days=9000)) == "open"
    close_after(old, 14)
    assert (accepts(old), accepts(old, at=NOW - timedelta(microseconds=1))) == ("closed", "open")
    close_after(old, 15)
    assert accepts(old) == "open"
    close_after(old, None)
    assert accepts(old, at=NOW + timedelta(days=9000)) == "open"


def test_without_a_date_of_the_blog_the_day_counts_on_which_the_post_was_first_seen(old: Any) -> None:
    with old.database.transaction() as session:
        posts.register(session, old.site_id, PostReference(id="p2", url="https://blog.example/two"), now=NOW)
    close_after(old, 2)
    later = NOW + timedelta(days=2)
    assert (accepts(old, "p2", at=later - timedelta(seconds=1)), accepts(old, "p2", at=later)) == ("open", "closed")


def test_a_readers_browser_does_not_say_when_a_page_came_out(sqlite_blog: Any) -> None:
    close_after(sqlite_blog, 1)
    told = PostReference(url="https://blog.example/new", published_at=NOW - timedelta(days=900), vouched=False)
    with sqlite_blog.database.transaction() as session:
        assert posts.resolve(session, sqlite_blog.site_id, told, now=NOW).published_at is None


@pytest.mark.parametrize("word", list(Openness))
def test_an_editors_word_goes_before_the_rule_until_its_time_is_over(old: Any, word: Openness) -> None:
    close_after(old, 14)
    hour = NOW + timedelta(hours=1)
    set_post(old, word, until=hour)
    assert accepts(old) == word
    assert accepts(old, at=hour) == "closed", "then the rule holds again"
    set_post(old, word)
    assert accepts(old, at=NOW + timedelta(days=900)) == word
    set_post(old, None)
    assert accepts(old) == "closed"


def test_the_rule_rejects_what_came_too_late_and_lets_what_came_in_time_be_read(blog: Any) -> None:
    first = blog.submit(CIVIL)
    with blog.database.transaction() as session:
        # Fourteen days old between the two comments.
        session.scalars(select(Post)).one().published_at = datetime.now(UTC) - timedelta(days=14)
    close_after(blog, 14)
    second = blog.submit(f"{CIVIL} Late.")
    blog.worker().drain()
    in_time, late = blog.view(first.comment_id), blog.view(second.comment_id)
    assert (in_time.status, late.status) == ("approved", "rejected")
    assert [why["reason"] for why in late.decision["reasons"] if why["verdict"] == "reject"] == ["closed"]


def test_the_rule_is_a_version_of_the_settings_beside_the_others(sqlite_blog: Any) -> None:
    close_after(sqlite_blog, 14)
    close_after(sqlite_blog, 30)
    with sqlite_blog.database.reading() as session:
        in_force = policies.in_force(session, sqlite_blog.site_id)
        assert (in_force.settings, in_force.versions["settings"]) == ({"close_after_days": 30}, "settings@2")
        assert policies.settings(session, sqlite_blog.site_id) == in_force.settings


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_a_number_of_days_that_there_is_not_is_refused(sqlite_blog: Any, days: int) -> None:
    with pytest.raises(Refused):
        close_after(sqlite_blog, days)


def test_a_post_of_another_site_is_not_set(sqlite_blog: Any) -> None:
    with sqlite_blog.database.transaction() as session:
        post = posts.register(session, sqlite_blog.site_id, OLD, now=NOW)
        for site_id, post_id in ((new_id(), post.id), (sqlite_blog.site_id, new_id())):
            with pytest.raises(NotFound):
                openness.set_post(session, site_id, post_id, Openness.CLOSED, until=None, by="test", now=NOW)

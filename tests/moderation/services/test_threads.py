"""The public thread: nothing of what waits or was taken down, and answers keep their place."""

from datetime import UTC, datetime
from typing import Any

from moderation.models import Comment
from moderation.policy.verdict import Verdict
from moderation.services import posts, threads
from tests.moderation.services.conftest import ABUSIVE


def thread(blog: Any, **question: Any) -> threads.Thread:
    with blog.database.reading() as session:
        return threads.thread(session, blog.site_id, "p1", now=datetime.now(UTC), **question)


def etag(blog: Any) -> str:
    with blog.database.reading() as session:
        return threads.etag(session, posts.find(session, blog.site_id, "p1"), now=datetime.now(UTC))


THOUGHTS = (
    "The minister explained the budget for rail travel rather well this time.",
    "My grandmother grew up beside that river and loved its old bridge.",
    "Could the newsroom publish the figures as a table as well, please?",
    "Winter tyres would have helped more than another speed limit, I think.",
    "Reading this over breakfast made me hungry for pancakes and maple syrup.",
)


def say(blog: Any, number: int, **changes: Any) -> Any:
    """Post one of five civil comments that have nothing in common, so that none is taken for a copy."""
    return blog.judged(THOUGHTS[number % len(THOUGHTS)], **changes)


def test_only_what_was_approved_is_shown(blog: Any) -> None:
    shown = say(blog, 1)
    blog.judged(ABUSIVE)
    blog.submit("Still pending, nobody looked at it.")
    page = thread(blog)
    assert [(comment.id, comment.body) for comment in page.comments] == [(shown.id, shown.body)]
    assert page.total == 1


def test_replies_stand_under_their_parents(blog: Any) -> None:
    one, two = say(blog, 1), say(blog, 2)
    reply = say(blog, 3, parent_id=one.id)
    deeper = say(blog, 4, parent_id=reply.id)
    assert [(comment.id, comment.depth) for comment in thread(blog).comments] == [
        (one.id, 0),
        (reply.id, 1),
        (deeper.id, 2),
        (two.id, 0),
    ]


def test_a_reply_waits_until_its_parent_is_public(blog: Any) -> None:
    parent = blog.judged(ABUSIVE)
    say(blog, 1, parent_id=parent.id)
    assert thread(blog).comments == []
    blog.decide(parent, Verdict.APPROVE)
    assert len(thread(blog).comments) == 2


def test_a_parent_taken_down_leaves_a_placeholder_without_text_or_name(blog: Any) -> None:
    parent = say(blog, 1)
    reply = say(blog, 2, parent_id=parent.id)
    blog.decide(blog.view(parent.id), Verdict.REJECT)
    first, second = thread(blog).comments
    assert (first.id, first.removed, first.body, first.author_name) == (parent.id, True, None, None)
    assert (second.id, second.depth) == (reply.id, 1)
    assert thread(blog).total == 1


def test_one_taken_down_without_replies_leaves_nothing(blog: Any) -> None:
    blog.decide(say(blog, 1), Verdict.REJECT)
    assert thread(blog).comments == []


def test_the_tag_changes_with_what_is_shown_and_not_otherwise(blog: Any) -> None:
    view = say(blog, 1)
    before = etag(blog)
    assert etag(blog) == before
    blog.decide(view, Verdict.REJECT)
    assert etag(blog) != before


def test_pages_show_each_conversation_once_in_both_directions(blog: Any) -> None:
    roots = [say(blog, number).id for number in range(5)]
    for sort, wanted in (("oldest", roots), ("newest", roots[::-1])):
        seen: list[str] = []
        after = None
        while True:
            page = thread(blog, sort=sort, limit=2, after=after)
            seen += [comment.id for comment in page.comments]
            if (after := page.next) is None:
                break
        assert seen == wanted


def test_counts_come_for_many_posts_at_once(blog: Any) -> None:
    say(blog, 1)
    blog.judged(ABUSIVE)
    with blog.database.reading() as session:
        assert threads.counts(session, blog.site_id, ["p1", "http://blog.example/arms/?utm_medium=x", "unknown"]) == {
            "p1": 1,
            "http://blog.example/arms/?utm_medium=x": 1,
            "unknown": 0,
        }


def test_a_comment_shows_the_revision_that_was_approved(blog: Any) -> None:
    view = say(blog, 1)
    blog.revise(view, ABUSIVE)
    blog.worker().drain()
    (shown,) = thread(blog).comments
    assert (shown.body, shown.revision) == (view.body, 1)
    with blog.database.reading() as session:
        assert session.get_one(Comment, blog.id_of(view.id)).current_revision == 2

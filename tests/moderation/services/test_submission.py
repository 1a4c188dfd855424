"""Taking comments in: one transaction, one comment per request, one thread per page."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select

from moderation import queue
from moderation.errors import IdempotencyMismatch, Refused, TidegateError
from moderation.models import Author, Comment, Event, HashingKey, IdentityKind, Job, JobKind, Post, Revision
from moderation.services import submission
from moderation.services.authors import AuthorClaim
from moderation.services.posts import PostReference
from moderation.services.submission import Once, Receipt


def once(key: str = "k1", fingerprint: bytes = b"f") -> Once:
    return Once(scope="site/comments", key=key, fingerprint=fingerprint)


def count(blog: Any, model: type[Any]) -> int:
    with blog.database.reading() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_a_comment_its_revision_its_event_and_its_job_are_stored_together(blog: Any) -> None:
    receipt = blog.submit()
    assert receipt.created
    with blog.database.reading() as session:
        comment = session.get_one(Comment, receipt.comment_id)
        assert (comment.status, comment.version, comment.current_revision, comment.visible_revision) == ("pending", 1, 1, None)
        event = session.scalars(select(Event)).one()
        assert (event.type, event.comment_id, event.seq) == ("comment.submitted", comment.id, 1)
        job = session.scalars(select(Job)).one()
        assert (job.kind, job.subject_id, job.revision) == (JobKind.MODERATE, comment.id, 1)
        assert session.scalars(select(Revision)).one().body.startswith("I disagree")


def test_the_same_request_again_gives_the_same_comment(blog: Any) -> None:
    first = blog.submit(once=once())
    again = blog.submit(once=once())
    assert (again.comment_id, again.created) == (first.comment_id, False)
    assert count(blog, Comment) == 1


def test_a_key_used_for_another_request_is_refused_and_stores_nothing(blog: Any) -> None:
    blog.submit(once=once())
    with pytest.raises(IdempotencyMismatch):
        blog.submit("Something else", once=once(fingerprint=b"g"))
    assert count(blog, Comment) == 1


def test_fifty_twins_at_once_are_one_comment(blog: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        receipts: list[Receipt] = list(pool.map(lambda _: blog.submit(once=once()), range(50)))
    assert len({receipt.comment_id for receipt in receipts}) == 1
    assert sum(receipt.created for receipt in receipts) == 1
    assert (count(blog, Comment), count(blog, Job), count(blog, Event)) == (1, 1, 1)


def test_a_known_external_id_with_the_same_text_is_the_same_comment(blog: Any) -> None:
    first = blog.submit(external_id="wp-7")
    again = blog.submit(external_id="wp-7")
    assert again == Receipt(comment_id=first.comment_id)
    assert count(blog, Revision) == 1


def test_a_known_external_id_with_another_text_is_a_new_revision(blog: Any) -> None:
    first = blog.submit(external_id="wp-7")
    blog.worker().drain()
    blog.submit("Changed my mind about the treaty.", external_id="wp-7")
    view = blog.view(first.comment_id)
    assert (view.revision, view.status, view.visible_revision, view.decision) == (2, "pending", 1, None)


def test_one_page_is_one_thread_however_its_address_is_written(blog: Any) -> None:
    for url in ("https://blog.example/arms", "http://www.blog.example/arms/?utm_source=x", "https://blog.example/arms/amp#c"):
        blog.submit(post=PostReference(url=url, title="Arms"))
    assert count(blog, Post) == 1


def test_a_reply_names_its_parent_by_our_id_or_by_the_blogs(blog: Any) -> None:
    parent = blog.submit(external_id="wp-1")
    by_ours = blog.submit("A reply", parent_id=blog.view(parent.comment_id).id)
    by_theirs = blog.submit("Another reply", parent_id="wp-1")
    assert blog.row(by_ours.comment_id).parent_id == blog.row(by_theirs.comment_id).parent_id == parent.comment_id


@pytest.mark.parametrize(
    ("parent", "code"), [("cmt_" + "0" * 32, "unknown-parent"), ("nobody", "unknown-parent"), ("elsewhere", "parent-elsewhere")]
)
def test_a_parent_that_is_unknown_or_elsewhere_is_refused(blog: Any, parent: str, code: str) -> None:
    blog.submit(external_id="elsewhere", post=PostReference(url="https://blog.example/other", title="Other"))
    with pytest.raises(Refused) as refused:
        blog.submit("A reply", parent_id=parent)
    assert (refused.value.code, refused.value.field) == (code, "/parent_id")


def test_only_the_blogs_server_vouches_for_an_author(blog: Any) -> None:
    blog.submit(author=AuthorClaim(id="7", name="Ann"))
    blog.submit(author=AuthorClaim(id="7", name="Ann"), vouched=False)
    blog.submit(author=AuthorClaim(name="Ann", email=" Ann@Example.org "), vouched=False)
    blog.submit(author=AuthorClaim(name="Ann", email="ann@example.org"), vouched=False)
    with blog.database.reading() as session:
        kinds = [author.identity_kind for author in session.scalars(select(Author).order_by(Author.id))]
    assert kinds == [IdentityKind.VERIFIED, IdentityKind.ANONYMOUS, IdentityKind.CLAIMED]


def test_strangers_without_any_trace_are_different_authors(blog: Any) -> None:
    for _ in range(3):
        blog.submit(author=AuthorClaim(name="Guest"), vouched=False)
    assert count(blog, Author) == 3


def test_no_address_is_stored_in_clear(blog: Any) -> None:
    blog.submit(author=AuthorClaim(name="Ann", email="ann@secret.example", address="203.0.113.77", user_agent="Lynx 9"))
    with blog.database.reading() as session:
        revision = session.scalars(select(Revision)).one()
        stored = repr([revision.context, session.scalars(select(Author.identity_key)).all()])
        assert revision.address_hash is not None
        assert len(session.scalars(select(HashingKey)).all()) == 1
    assert "secret.example" not in stored
    assert "203.0.113" not in stored
    assert "Lynx" not in stored


def test_the_item_of_a_batch_that_is_refused_does_not_hold_up_the_others(blog: Any) -> None:
    items = [blog.submission("One"), blog.submission("Two", parent_id="nobody"), blog.submission("Three")]

    def send() -> list[Receipt | TidegateError]:
        sent: list[Receipt | TidegateError] = blog.database.transact(
            lambda session: submission.submit_many(
                session, blog.site_id, items, vouched=True, secret=b"s" * 32, once=once(), now=blog.start
            )
        )
        return sent

    first, again = send(), send()
    assert [type(result) for result in first] == [Receipt, Refused, Receipt]
    assert [result.comment_id for result in again if isinstance(result, Receipt)] == [
        result.comment_id for result in first if isinstance(result, Receipt)
    ]
    assert count(blog, Comment) == 2


def test_a_withdrawn_comment_leaves_the_public_and_takes_no_new_text(blog: Any) -> None:
    view = blog.judged()
    assert view.visible_revision == 1
    gone = blog.withdraw(view)
    assert (gone.status, gone.visible_revision) == ("withdrawn", None)
    assert blog.withdraw(view).version == gone.version
    with pytest.raises(Refused):
        blog.revise(gone, "I am back.")


def test_the_same_text_again_is_no_revision(blog: Any) -> None:
    view = blog.judged()
    assert blog.revise(view, view.body).revision == 1
    with blog.database.reading() as session:
        assert queue.depth(session, JobKind.MODERATE) == 0


def test_what_a_receipt_shows_of_a_new_comment_is_what_is_read_back(blog: Any) -> None:
    first = blog.submit(author=AuthorClaim(id="one", name="One"), external_id="x1")
    asked = [
        first,
        blog.submit(author=AuthorClaim(id="one", name="One, renamed"), parent_id="x1", language="de"),
        blog.submit(author=AuthorClaim(email="two@example.org", name="Two", url="https://two.example"), vouched=False),
        blog.submit(author=AuthorClaim(address="192.0.2.7")),
        blog.submit(author=AuthorClaim()),
    ]
    for receipt in asked[1:]:
        assert receipt.made == blog.view(receipt.comment_id)
    assert first.made is not None
    # Its author has got another name in the meantime, which the revision's own does not follow.
    assert first.made == blog.view(first.comment_id)

"""What every publisher does, whatever it writes to: the newest state, as often as one likes, and nothing of it unseen."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest

from moderation.embedded import free_port
from moderation.outbound.http import Client, Guard, Reply
from moderation.outbound.publishers import KINDS, CommentState, Publisher, Sending
from moderation.outbound.publishers.words import because
from tests.moderation.outbound.publishers.blogs import BLOGS, Blog, BloggerBlog, DiscourseBlog, GhostBlog, WordPressBlog
from tests.moderation.outbound.receiver import Receiver, listening, status

GUARD = Guard(("127.0.0.0/8",))
NOW = datetime.now(UTC)


class Written:
    """A blog, and the publisher that writes to it."""

    def __init__(self, blog: Blog, receiver: Receiver) -> None:
        self.blog = blog
        self.receiver = receiver
        self.way = self.made()

    def made(self, **changes: str) -> Publisher:
        return KINDS[self.blog.kind].make({**self.blog.config(), **changes})

    def sending(self, *, timeout: float = 5.0) -> Sending:
        return Sending(client=Client(GUARD, timeout=timeout), message_id="pub_1_1", secrets=(b"s",), now=NOW)

    def publish(self, state: CommentState, way: Publisher | None = None) -> Reply:
        return (way or self.way).publish(state, self.sending())

    def looked(self, state: CommentState) -> bool | None:
        (seen,) = self.way.look([state], self.sending())
        assert seen.id == state.id
        return seen.visible


@pytest.fixture(params=BLOGS, ids=lambda kind: kind.kind)
def written(request: pytest.FixtureRequest) -> Iterator[Written]:
    with listening() as receiver:
        blog = request.param(f"http://127.0.0.1:{receiver.port}")
        receiver.answer = blog.answer
        yield Written(blog, receiver)


def state(blog: Blog, word: str, *, external_id: str | None = None, **changes: Any) -> CommentState:
    visible = word == "approved"
    return CommentState(
        id="cmt_" + "0" * 32,
        external_id=external_id or blog.known,
        version=3,
        status=word,
        visible=visible,
        revision=1 if visible else None,
        body="the text" if visible else None,
        author_name="Ann" if visible else None,
        author_url=None,
        parent_id=None,
        post_id=None,
        post_url="https://blog.example/1",
        created_at=NOW,
        recognises=lambda author, text: (author, text) == ("u-1", "the text"),
        **changes,
    )


def test_an_approved_comment_is_shown_once_however_often_it_is_sent(written: Written) -> None:
    approved = state(written.blog, "approved")
    for _ in range(3):
        assert written.publish(approved).ok
        assert written.blog.visible
    assert written.blog.changes == 1
    assert written.looked(approved) is True


def test_what_has_to_wait_again_is_hidden_and_shown_with_its_text_when_it_is_approved(written: Written) -> None:
    approved, held = state(written.blog, "approved"), state(written.blog, "flagged")
    for each, visible in ((approved, True), (held, False), (held, False), (approved, True)):
        assert written.publish(each).ok
        assert written.blog.visible is visible
        assert written.looked(each) is visible


@pytest.mark.parametrize("spam", [True, False])
def test_a_rejected_comment_is_hidden_and_an_undone_rejection_shows_it_where_the_blog_can(
    written: Written, *, spam: bool
) -> None:
    approved, rejected = state(written.blog, "approved"), state(written.blog, "rejected", spam=spam)
    for _ in range(2):
        assert written.publish(rejected).ok
        assert not written.blog.visible
    assert written.publish(approved).ok
    assert written.publish(rejected).ok
    assert not written.blog.visible
    assert written.looked(rejected) is False
    # A blog that destroys what it takes down says so: the publication fails in a state with a name.
    assert written.publish(approved).ok is written.blog.keeps_rejected


def test_what_its_author_took_back_is_gone(written: Written) -> None:
    assert written.publish(state(written.blog, "approved")).ok
    withdrawn = state(written.blog, "withdrawn")
    for _ in range(2):
        assert written.publish(withdrawn).ok
        assert not written.blog.visible


def test_a_comment_that_is_not_there_is_a_failure_only_where_it_should_be_seen(written: Written) -> None:
    for name in (written.blog.unknown, "akismet:00ff", "elsewhere:1"):
        assert not written.publish(state(written.blog, "approved", external_id=name)).ok
        assert written.publish(state(written.blog, "rejected", external_id=name)).ok
        assert written.looked(state(written.blog, "approved", external_id=name)) is False
    assert written.blog.changes == 0


def test_wrong_credentials_change_nothing_and_are_named(written: Written) -> None:
    wrong = written.made(**written.blog.wrong)
    assert not written.publish(state(written.blog, "approved"), wrong).ok
    assert written.blog.changes == 0
    (said,) = wrong.missing(written.sending())
    assert said.endswith(".")
    assert not any(secret in said for secret in written.blog.wrong.values())
    assert written.way.missing(written.sending()) == []


def test_a_blog_in_trouble_is_a_failure_and_not_a_difference(written: Written) -> None:
    approved = state(written.blog, "approved")
    for trouble in (500, 503, 429):
        written.receiver.answer = status(trouble, body=b"<html>sorry</html>")
        assert not written.publish(approved).ok
        assert written.looked(approved) is None
        assert written.way.missing(written.sending()) != []
    # Not JSON, and with a friendly status: no service of these answers so.
    written.receiver.answer = status(200, body=b"<html>welcome</html>")
    (seen,) = written.way.look([approved], written.sending())
    assert seen.visible is not True


def test_nothing_that_a_blog_says_steers_a_terminal(written: Written) -> None:
    hostile = r"\u001b[2J"
    said = f'{{"error": "{hostile}", "errors": [{{"extensions": {{"code": "{hostile}"}}}}], "data": {{}}}}'
    written.receiver.answer = status(400, body=said.encode(), Content_Type="application/json")
    # With credentials of their own: a token that was given before would be remembered.
    way = written.made(**{name: f"{value} once" for name, value in written.blog.wrong.items()})
    reply = written.publish(state(written.blog, "approved"), way)
    assert reply.excerpt.isprintable()
    assert all(line.isprintable() for line in way.missing(written.sending()))


def test_an_attempt_takes_no_longer_than_one_request_may_however_many_it_needs(written: Written) -> None:
    def hang(_handler: Any, _got: Any) -> None:
        written.receiver.closing.wait(10)

    written.receiver.answer = hang
    reply = written.way.publish(state(written.blog, "approved"), written.sending(timeout=0.3))
    assert reply.trouble == "timeout"
    late = replace(written.sending(timeout=0.3), began=written.sending().began - 1)
    assert written.way.publish(state(written.blog, "approved"), late).trouble == "timeout"


def test_no_address_of_a_request_holds_a_secret_but_those_of_disqus_which_wants_it_so(written: Written) -> None:
    assert written.publish(state(written.blog, "approved")).ok
    secrets = {setting.name for setting in KINDS[written.blog.kind].settings if setting.secret}
    values = [quote(value) for name, value in written.blog.config().items() if name in secrets]
    asked = [got.path for got in written.receiver.got if f"api_key={written.blog.config().get('api_key')}" not in got.path]
    assert not [path for path in asked for value in values if f"={value}" in path]


def test_the_guard_stands_before_every_publisher(written: Written) -> None:
    sending = Sending(client=Client(Guard(), timeout=5), message_id="x", secrets=(), now=NOW)
    assert written.made().publish(state(written.blog, "approved"), sending).trouble == "refused_address"
    assert written.blog.changes == 0
    assert written.receiver.got == []


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(trouble="connect"), "nothing listens there"),
        (Reply(trouble="refused_address"), "TIDEGATE_WEBHOOK_ALLOW"),
        (Reply(status=200), "something else answers there"),
        (Reply(status=301), "enter that one (status 301)"),
        (Reply(status=404), "nothing at that path (status 404)"),
        (Reply(status=418), "refuses the question (status 418)"),
        (Reply(status=503), "a fault of its own (status 503)"),
    ],
)
def test_what_went_wrong_is_said_in_words(reply: Reply, said: str) -> None:
    assert said in because(reply)


def test_nothing_listening_is_said_as_such_and_each_missing_thing_in_a_sentence(written: Written) -> None:
    names = {setting.name for setting in KINDS[written.blog.kind].settings if setting.address}
    gone = written.made(**{name: f"http://127.0.0.1:{free_port()}" for name in names})
    sentences = gone.missing(written.sending())
    assert sentences
    assert all(each.endswith(".") and each.count(". ") == 0 and "nothing listens there" in each for each in sentences)


@pytest.mark.parametrize(
    ("place", "word", "asked"),
    [
        ("waiting", "approved", "PUT /review/12/perform/disagree_and_restore?version=3"),
        ("hidden", "approved", "PUT /posts/7/unhide"),
        ("deleted", "approved", "PUT /posts/7/recover"),
        ("public", "rejected", "DELETE /posts/7.json"),
    ],
)
def test_discourse_is_asked_for_what_an_item_of_its_queue_takes_and_else_for_what_undoes_where_the_post_is(
    place: str, word: str, asked: str
) -> None:
    with listening() as receiver:
        blog = DiscourseBlog(f"http://127.0.0.1:{receiver.port}")
        blog.place = place
        receiver.answer = blog.answer
        assert Written(blog, receiver).publish(state(blog, word)).ok
        assert [f"{got.method} {got.path}" for got in receiver.got if got.method != "GET"] == [asked]


def test_a_ghost_without_a_list_of_comments_is_told_from_none_at_all() -> None:
    with listening() as receiver:
        blog = GhostBlog(f"http://127.0.0.1:{receiver.port}")
        blog.lists = False
        receiver.answer = blog.answer
        written = Written(blog, receiver)
        assert written.publish(state(blog, "approved")).ok
        assert written.looked(state(blog, "approved")) is None
        assert written.way.missing(written.sending()) == [
            "Ghost 5.130 has no list of comments: they are shown and hidden there, and cannot be compared."
        ]
        receiver.answer = status(404)
        (said,) = written.way.missing(written.sending())
        assert said.startswith("No Ghost answers")


def test_blogger_tells_a_client_that_is_none_from_a_token_that_ended_and_both_from_a_google_that_is_away() -> None:
    with listening() as receiver:
        blog = BloggerBlog(f"http://127.0.0.1:{receiver.port}")
        receiver.answer = blog.answer
        written = Written(blog, receiver)
        for wrong, word, advice in (
            ({"client_id": "them"}, "invalid_client", "enter client_id and client_secret"),
            ({"client_secret": "not it"}, "invalid_client", "enter client_id and client_secret"),
            ({"refresh_token": "ended"}, "invalid_grant", "sign in for a new refresh token"),
        ):
            (said,) = written.made(**wrong).missing(written.sending())
            assert word in said
            assert advice in said
        receiver.answer = status(500)
        (said,) = written.made(refresh_token="another").missing(written.sending())
        assert "refresh token" not in said


def test_wordpress_names_both_a_role_that_is_too_low_and_a_plugin_that_is_not_there() -> None:
    with listening() as receiver:
        blog = WordPressBlog(f"http://127.0.0.1:{receiver.port}")
        blog.may_moderate = blog.has_plugin = False
        receiver.answer = blog.answer
        role, plugin = KINDS["wordpress"].make(blog.config()).missing(Written(blog, receiver).sending())
    assert "role of an editor" in role
    assert "must-use plugin" in plugin

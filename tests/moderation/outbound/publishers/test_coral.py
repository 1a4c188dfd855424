"""The publisher for Coral, where Coral differs: a comment is found by what its phase asked about, and rejected with a reason."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from moderation.outbound.http import Client, Guard, Reply
from moderation.outbound.publishers import CommentState, Sending
from moderation.outbound.publishers.coral import Coral
from tests.moderation.outbound.publishers.blogs import CoralBlog, CoralComment
from tests.moderation.outbound.receiver import Receiver, listening, status

NOW = datetime.now(UTC)
ASKED = CommentState(
    id="cmt_" + "0" * 32,
    external_id="coral:00ff",
    version=2,
    status="flagged",
    visible=False,
    revision=None,
    body=None,
    author_name=None,
    author_url=None,
    parent_id=None,
    post_id="s-1",
    post_url="https://blog.example/1",
    created_at=NOW,
    recognises=lambda author, text: (author, text) == ("u-1", "the text"),
)
APPROVED = replace(ASKED, status="approved", visible=True, revision=1, body="the text")
REJECTED = replace(ASKED, status="rejected", coral_code="HATE_SPEECH")


class Talking:
    """A Coral, and the publisher that writes to it."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.blog = CoralBlog(f"http://127.0.0.1:{receiver.port}")
        receiver.answer = self.blog.answer
        self.learned: list[str] = []

    def publish(self, state: CommentState) -> Reply:
        return Coral.from_config(self.blog.config()).publish(state, self.sending())

    def looked(self, state: CommentState) -> tuple[bool | None, str]:
        (seen,) = Coral.from_config(self.blog.config()).look([state], self.sending())
        return seen.visible, seen.detail

    def missing(self) -> str:
        return " ".join(Coral.from_config(self.blog.config()).missing(self.sending()))

    def sending(self) -> Sending:
        client = Client(Guard(("127.0.0.0/8",)), timeout=5)
        return Sending(client=client, message_id="pub_1_1", secrets=(), now=NOW, learned=self.learned)


@pytest.fixture
def talking() -> Iterator[Talking]:
    with listening() as receiver:
        yield Talking(receiver)


def test_what_the_phase_asked_about_is_found_by_story_author_and_text_and_its_id_is_learned(talking: Talking) -> None:
    hour = timedelta(hours=1)
    talking.blog.comments += [
        CoralComment("c-9", "the text", author="u-2"),
        CoralComment("c-10", "another text"),
        CoralComment("c-11", "the text", written=NOW + hour),
    ]
    talking.blog.comments += [CoralComment(f"c-{at}", "before it", written=NOW - hour) for at in range(20, 25)]
    assert talking.publish(ASKED).status == 204
    assert (talking.learned, talking.blog.changes) == (["c-7"], 0)
    assert talking.looked(ASKED) == (False, "system_withheld")
    assert talking.publish(APPROVED).ok
    assert (talking.blog.visible, talking.blog.changes) == (True, 1)
    talking.receiver.got.clear()
    assert talking.publish(replace(APPROVED, remote_id="c-7")).ok
    assert len(talking.receiver.got) == 1


def test_it_is_looked_for_through_the_pages_of_a_busy_story_and_not_forever(talking: Talking) -> None:
    talking.blog.page = 2
    newer = [CoralComment(f"c-{at}", "other", written=NOW + timedelta(seconds=at)) for at in range(20, 25)]
    talking.blog.comments += newer
    assert talking.publish(ASKED).ok
    assert talking.learned == ["c-7"]
    talking.blog.comments += [CoralComment(f"c-{at}", "other", written=NOW + timedelta(seconds=at)) for at in range(30, 36)]
    assert talking.publish(APPROVED).status == 409
    assert talking.looked(ASKED) == (None, "http_409")


def test_of_two_that_nothing_tells_apart_neither_is_touched(talking: Talking) -> None:
    talking.blog.comments.append(CoralComment("c-9", "the text"))
    for state in (APPROVED, REJECTED):
        assert talking.publish(state).status == 409
    assert (talking.blog.changes, talking.learned) == (0, [])


def test_a_text_that_nobody_approved_here_is_not_approved_there(talking: Talking) -> None:
    talking.blog.comments[0].body = "changed meanwhile"
    assert not talking.publish(replace(APPROVED, remote_id="c-7")).ok
    assert talking.blog.changes == 0
    # To hide it needs no such care.
    assert talking.publish(replace(REJECTED, remote_id="c-7")).ok


def test_an_edit_between_the_look_and_the_approval_is_no_success(talking: Talking) -> None:
    changed = talking.blog._changed

    def edited(given: dict[str, str], status: str) -> object:
        answer = changed(given, status)
        answer["comment"]["revision"] = {"id": "r-2", "body": "changed meanwhile"}
        return answer

    talking.blog._changed = edited  # type: ignore[assignment, method-assign]
    assert talking.publish(APPROVED).status == 409


def test_a_rejection_takes_its_reason_along_where_coral_knows_reasons(talking: Talking) -> None:
    assert talking.publish(REJECTED).ok
    assert talking.blog.reasons == [{"code": "HATE_SPEECH"}]
    talking.blog.comments[0].status = "PREMOD"
    talking.blog.knows_reasons = False
    assert talking.publish(REJECTED).ok
    assert talking.blog.reasons[1:] == [None]
    assert talking.blog.comments[0].status == "REJECTED"


def test_what_a_token_lacks_is_said(talking: Talking) -> None:
    assert talking.missing() == ""
    talking.blog.role = "MODERATOR"
    assert "as an administrator" in talking.missing()
    talking.receiver.answer = status(200, body=b'{"data": {"viewer": null}}', Content_Type="application/json")
    assert "does not take this token" in talking.missing()
    talking.receiver.answer = status(200, body=b'{"data": {"viewer": {"id": "u", "role": "STAFF"}}}')
    assert "no administrator" in talking.missing()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b'{"errors": [{"message": "x", "extensions": {"code": "RATE_LIMIT_EXCEEDED"}}], "data": null}', 429),
        (b'{"errors": [{"message": "x", "extensions": {"code": "INTERNAL_ERROR"}}]}', 500),
        (b'{"errors": [{"message": "x"}]}', 400),
        (b'{"data": null}', None),
    ],
)
def test_an_error_of_corals_is_a_failure_however_friendly_its_status(talking: Talking, answer: bytes, said: int | None) -> None:
    talking.receiver.answer = status(200, body=answer)
    reply = talking.publish(APPROVED)
    assert (reply.ok, reply.status) == (False, said)
    assert talking.looked(APPROVED)[0] is None

"""A comment's ways through Tidegate, with real processes on both databases.

Each journey is seen from three sides, which must tell the same story: the API, the feed of events, and a receiver of webhooks
that verifies signatures by the standard's own library. One stack serves all journeys of a database.
"""

import json
from typing import Any

import pytest

from moderation.services.events import DEFAULT_TYPES
from tests.faults.stack import CIVIL, Broken

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

ABUSIVE = "You are a stupid, worthless idiot and everybody here hates you."
SPAM = (
    "Hello friends, I got my loan from Dr. Smith spell caster, email drsmith@gmail.com or WhatsApp +2348100000000 "
    "visit https://loans.example.com"
)


@pytest.fixture(scope="module")
def ann(stack: Broken) -> str:
    """A moderator's personal key."""
    return stack.moderator("Ann")


@pytest.fixture(scope="module")
def bob(stack: Broken) -> str:
    """A colleague's."""
    return stack.moderator("Bob")


def told(stack: Broken, comment: str) -> list[dict[str, Any]]:
    """Return what the feed says of a comment, in its order."""
    found, position = [], 0
    while (page := stack.call("GET", f"/v1/events?after={position}&limit=500"))["next"] != position:
        position = page["next"]
        found += [event for event in page["items"] if event["data"].get("comment", {}).get("id") == comment]
    return found


def heard(stack: Broken, comment: str) -> list[str]:
    """Return the ids of the webhooks that came about a comment, in the order of their arrival."""
    bodies = {name: json.loads(body) for name, body in dict(stack.inbox.seen).items()}
    return [name for name, body in bodies.items() if body["data"].get("comment", {}).get("id") == comment]


def all_tell(stack: Broken, comment: str, *happened: str) -> list[dict[str, Any]]:
    """Wait until the feed and the receiver tell of a comment what happened, in order and in the same words; return the feed."""
    expected = [f"comment.{each}" for each in happened]
    sent = [each for each in expected if each in DEFAULT_TYPES]
    stack.wait(f"{expected} in the feed", lambda: [event["type"] for event in told(stack, comment)] == expected)
    stack.wait(f"{sent} at the receiver", lambda: len(heard(stack, comment)) == len(sent))
    events = told(stack, comment)
    assert [event["data"]["seq"] for event in events] == list(range(1, len(expected) + 1))
    subscribed = [event for event in events if event["type"] in DEFAULT_TYPES]
    assert heard(stack, comment) == [event["id"] for event in subscribed]
    for event in subscribed:
        body = json.loads(stack.inbox.seen[event["id"]])
        assert (body["type"], body["data"]) == (event["type"], event["data"])
    assert stack.inbox.bad == []
    shown = stack.call("GET", f"/v1/comments/{comment}")
    last = events[-1]["data"]
    assert (shown["status"], shown["revision"]) == (last["comment"]["status"], last["comment"]["revision"])
    return events


def public(stack: Broken, post: str) -> dict[str, str]:
    """Return what readers of a post see: text by comment."""
    page = stack.call("GET", f"/v1/posts/{post}/comments")
    return {item["id"]: item["body"] for item in page["comments"]}


def waiting(stack: Broken, comment: str) -> dict[str, Any] | None:
    """Return the open case of a flagged comment; one of the published ones may be drawn for an audit."""
    cases = stack.call("GET", "/v1/cases?kind=flagged&limit=100")["items"]
    return next((case for case in cases if case["comment"]["id"] == comment), None)


def decide(stack: Broken, comment: str, verdict: str, key: str, **more: Any) -> tuple[int, Any]:
    return stack.ask("POST", f"/v1/comments/{comment}/decisions", {"verdict": verdict, "revision": 1, **more}, key=key)


def page(name: str) -> dict[str, Any]:
    return {"post": {"id": name, "url": f"https://blog.example/{name}", "title": "A page"}}


def test_a_civil_comment_is_approved_and_read_by_all(stack: Broken) -> None:
    shown = stack.decided(CIVIL[0], **page("approve"), external_id="blog-1")
    assert (shown["status"], shown["decision"]["by"], shown["decision"]["policy"]) == ("approved", "machine", "standard@1")
    assert 0 <= shown["scores"]["toxicity"] < 0.4
    assert public(stack, "approve") == {shown["id"]: CIVIL[0]}
    _, approved = all_tell(stack, shown["id"], "submitted", "approved")
    assert approved["data"]["decision"]["id"] == shown["decision"]["id"]
    assert approved["data"]["comment"]["external_id"] == "blog-1"
    assert stack.verdict() == []


def test_a_doubtful_comment_waits_for_a_human_who_approves_it(stack: Broken, ann: str, bob: str) -> None:
    shown = stack.decided(ABUSIVE, **page("human"))
    comment = shown["id"]
    assert (shown["status"], public(stack, "human")) == ("flagged", {})
    case = waiting(stack, comment)
    assert case is not None
    assert {reason["reason"] for reason in case["reasons"]} == {1}
    assert stack.ask("PUT", f"/v1/cases/{case['id']}/claim", key=ann)[0] == 200
    status, refusal = decide(stack, comment, "reject", bob, reason=1)
    assert (status, refusal["code"]) == (409, "claimed")
    status, approved = decide(stack, comment, "approve", ann)
    assert (status, approved["status"], approved["decision"]["by"]) == (201, "approved", "moderator")
    assert (public(stack, "human"), waiting(stack, comment)) == ({comment: ABUSIVE}, None)
    *_, last = all_tell(stack, comment, "submitted", "flagged", "approved")
    assert last["data"]["decision"]["by"] == "moderator"
    assert "ann" not in json.dumps(last).lower()
    assert stack.verdict() == []


def test_a_comment_is_rejected_by_the_machine_or_by_a_human_with_a_reason(stack: Broken, ann: str) -> None:
    spam = stack.decided(SPAM, **page("reject"), honeypot="filled in")
    assert (spam["status"], spam["decision"]["by"]) == ("rejected", "machine")
    assert waiting(stack, spam["id"]) is None
    all_tell(stack, spam["id"], "submitted", "rejected")

    abuse = stack.decided(ABUSIVE, **page("reject"))
    status, refusal = decide(stack, abuse["id"], "reject", ann)
    assert (status, refusal["errors"][0]["pointer"]) == (422, "/reason")
    status, rejected = decide(stack, abuse["id"], "reject", ann, reason=1, note="Please argue without insults.")
    assert (status, rejected["status"], rejected["decision"]["reason"]) == (201, "rejected", 1)
    *_, last = all_tell(stack, abuse["id"], "submitted", "flagged", "rejected")
    assert last["data"]["decision"]["reason"] == 1
    assert public(stack, "reject") == {}
    assert stack.verdict() == []


def test_an_edited_comment_is_judged_anew_and_its_approved_text_stays_meanwhile(stack: Broken) -> None:
    comment = stack.decided(CIVIL[1], **page("edit"))["id"]
    changed = stack.call("PATCH", f"/v1/comments/{comment}", {"body": ABUSIVE})
    assert changed["revision"] == 2
    all_tell(stack, comment, "submitted", "approved", "revised", "flagged")
    assert public(stack, "edit") == {comment: CIVIL[1]}
    assert waiting(stack, comment) is not None
    stack.call("PATCH", f"/v1/comments/{comment}", {"body": CIVIL[2]})
    events = all_tell(stack, comment, "submitted", "approved", "revised", "flagged", "revised", "approved")
    assert [event["data"]["comment"]["visible_revision"] for event in events] == [None, 1, 1, 1, 1, 3]
    assert public(stack, "edit") == {comment: CIVIL[2]}
    assert waiting(stack, comment) is None
    assert stack.verdict() == []


def test_a_withdrawn_comment_leaves_the_public_and_the_queue(stack: Broken, ann: str) -> None:
    approved = stack.decided(CIVIL[3], **page("withdraw"))["id"]
    flagged = stack.decided(ABUSIVE, **page("withdraw"))["id"]
    assert public(stack, "withdraw") == {approved: CIVIL[3]}
    assert waiting(stack, flagged) is not None
    for comment, before in ((approved, "approved"), (flagged, "flagged")):
        for _ in range(2):
            assert stack.call("DELETE", f"/v1/comments/{comment}")["status"] == "withdrawn"
        all_tell(stack, comment, "submitted", before, "withdrawn")
        assert stack.ask("PATCH", f"/v1/comments/{comment}", {"body": CIVIL[4]})[0] == 422
        assert decide(stack, comment, "approve", ann)[0] == 409
    assert (public(stack, "withdraw"), waiting(stack, flagged)) == ({}, None)
    assert stack.verdict() == []


def test_an_undone_decision_restores_what_it_replaced_and_opens_the_case_again(stack: Broken, ann: str) -> None:
    shown = stack.decided(ABUSIVE, **page("undo"))
    comment = shown["id"]
    status, refusal = stack.ask("POST", f"/v1/decisions/{shown['decision']['id']}/undo", key=ann)
    assert (status, refusal["code"]) == (409, "not-undoable")
    _, approved = decide(stack, comment, "approve", ann)
    assert public(stack, "undo") == {comment: ABUSIVE}
    status, undone = stack.ask("POST", f"/v1/decisions/{approved['decision']['id']}/undo", key=ann)
    assert (status, undone["undoes"]) == (201, approved["decision"]["id"])
    events = all_tell(stack, comment, "submitted", "flagged", "approved", "reopened")
    assert events[-1]["data"]["decision"]["undoes"] == approved["decision"]["id"]
    assert public(stack, "undo") == {}
    assert waiting(stack, comment) is not None
    assert decide(stack, comment, "reject", ann, reason=1)[0] == 201
    all_tell(stack, comment, "submitted", "flagged", "approved", "reopened", "rejected")
    assert stack.verdict() == []

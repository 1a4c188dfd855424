"""The Coral door: a signed question, an answer in Coral's words, and one transaction that stores and decides."""

import hmac
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from api.doors import coral
from moderation.models import Case, Decision, Job
from moderation.scoring.choice import Chosen
from moderation.services import choosing, signing, sites
from moderation.services.asking import Scored
from tests.api.conftest import ABUSIVE, CIVIL, ORIGIN
from tests.api.doors.coral_asking import SIGNED_WITH, Coral

SPAM = "BUY CHEAP VIAGRA NOW!!! Best price http://pills.example http://casino.example click here http://win.example"
STATUSES = {"NONE", "APPROVED", "REJECTED", "PREMOD", "SYSTEM_WITHHELD"}


@pytest.fixture
def asking(door: Any, monkeypatch: pytest.MonkeyPatch) -> Coral:
    """On either database, however slow the machine is."""
    monkeypatch.setattr(coral, "SCORED_BY", 60.0)
    monkeypatch.setattr(coral, "ANSWERED_BY", 60.0)
    return Coral(door)


@pytest.fixture
def lite(sqlite_door: Any, monkeypatch: pytest.MonkeyPatch) -> Coral:
    """The same on SQLite, for what no database can make a difference to."""
    monkeypatch.setattr(coral, "SCORED_BY", 60.0)
    monkeypatch.setattr(coral, "ANSWERED_BY", 60.0)
    return Coral(sqlite_door)


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> Callable[[Coral, Scored], None]:
    def use(asking: Coral, found: Scored) -> None:
        monkeypatch.setattr(type(asking.door.context.models), "within", lambda *_: found)

    return use


def test_a_civil_comment_is_published_by_coral_and_stored_with_its_decision(asking: Coral) -> None:
    answer = asking.ask()
    assert (answer.status_code, answer.json) == (200, {"status": "NONE"})
    stored = asking.only()
    assert (stored["status"], stored["decision_seq"], stored["visible_revision"]) == ("approved", 1, 1)
    assert (stored["author"]["id"], stored["author"]["identity"]) == ("u-1", "verified")
    assert (stored["post"]["id"], stored["post"]["url"]) == ("s-1", f"{ORIGIN}/arms")
    assert asking.count(Decision) == 1
    # No job was made for it.
    with asking.door.runtime.database.reading() as session:
        kinds = {str(kind) for kind in session.scalars(select(Job.kind))}
    assert "moderate" not in kinds


def test_a_flag_is_withheld_and_waits_in_our_queue(asking: Coral) -> None:
    answer = asking.ask(ABUSIVE)
    assert answer.json == {
        "actions": [{"actionType": "FLAG", "reason": "COMMENT_DETECTED_TOXIC"}],
        "status": "SYSTEM_WITHHELD",
    }
    assert asking.only()["status"] == "flagged"
    assert len(asking.door.get("/v1/cases").json["items"]) == 1


def test_a_rejection_has_corals_code_for_our_reason(asking: Coral, scored: Any) -> None:
    values = dict.fromkeys(
        ("toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack", "sexual_explicit"), 0.0
    )
    scored(asking, Scored(values, 0.999, "one"))
    for number in range(5):
        # Sure spam is what its content and its author's behaviour say.
        assert asking.ask(f"{SPAM} {number}").json["status"] == "SYSTEM_WITHHELD"
    answer = asking.ask(SPAM)
    assert answer.json["status"] == "REJECTED"
    assert answer.json["actions"] == [{"actionType": "FLAG", "reason": "COMMENT_DETECTED_SPAM"}]
    action = answer.json["moderationAction"]
    assert (action["status"], action["rejectionReason"]["code"]) == ("REJECTED", "SPAM")
    assert asking.stored()[0]["status"] == "rejected"


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (1, "ABUSIVE"), (2, "HATE_SPEECH"), (3, "ABUSIVE"), (4, "HARASSMENT_BULLYING"), (5, "SPAM"), (6, "OFFENSIVE"),
        (7, "IRRELEVANT_CONTENT"), (8, "ILLEGAL_CONTENT"), (9, "OTHER"),
    ],
)  # fmt: skip
def test_what_a_moderator_rejected_is_rejected_with_that_reasons_code(lite: Coral, reason: int, code: str) -> None:
    lite.ask(ABUSIVE)
    stored = lite.only()
    decided = lite.door.post(
        f"/v1/comments/{stored['id']}/decisions",
        {"verdict": "reject", "revision": 1, "reason": reason, "note": "Because it is so."},
        key="moderator",
    )
    assert decided.status_code < 300, decided.text
    again = lite.ask(ABUSIVE).json
    assert (again["status"], again["moderationAction"]["rejectionReason"]["code"]) == ("REJECTED", code)


def test_the_same_request_again_is_the_same_comment_and_decides_once(asking: Coral) -> None:
    assert asking.ask().json == asking.ask().json
    assert asking.only()["decision_seq"] == 1


def test_a_late_score_is_withheld_and_read_by_a_person(asking: Coral, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coral, "SCORED_BY", 0.0)
    assert asking.ask().json["status"] == "SYSTEM_WITHHELD"
    stored = asking.only()
    assert (stored["status"], stored["decision"]["reasons"][0]["reason"]) == ("flagged", "not_scored")
    assert asking.count(Case) == 1


def test_what_coral_was_told_before_it_was_judged_is_what_is_stored(asking: Coral, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coral, "ANSWERED_BY", 0.0)
    monkeypatch.setattr(coral._Answer, "take", lambda answer: answer.give_up() and False)
    assert asking.ask().json["status"] == "SYSTEM_WITHHELD"
    asking.door.context.behind.shutdown(wait=True)
    stored = asking.only()
    assert (stored["status"], stored["decision"]["reasons"][0]["reason"]) == ("flagged", "not_scored")


def test_whoever_speaks_first_is_believed() -> None:
    judged, late = coral._Answer(), coral._Answer()
    assert (judged.take(), judged.give_up(), judged.take()) == (True, False, True)
    assert (late.give_up(), late.take(), late.give_up()) == (True, False, True)


def test_too_many_at_once_are_withheld(lite: Coral, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coral, "_room", threading.BoundedSemaphore(1))
    assert coral._room.acquire(blocking=False)
    assert lite.ask().json == {"status": "SYSTEM_WITHHELD"}
    assert lite.stored() == []


def test_a_comment_without_words_is_none_of_our_business(lite: Coral) -> None:
    for empty in ("", "  \n", "\x00"):
        answer = lite.ask(empty)
        assert (answer.status_code, answer.data) == (204, b"")
    assert lite.stored() == []


def test_one_good_signature_of_several_is_enough(lite: Coral) -> None:
    assert lite.ask(secrets=("an older secret of that phase", SIGNED_WITH)).status_code == 200
    new = "ssec_fedcba9876543210fedcba9876543210"
    lite.keep("blog", new)
    assert lite.ask(secrets=(new,)).status_code == 200


def test_nothing_else_opens_the_door(lite: Coral) -> None:
    data = json.dumps(lite.asked(CIVIL)).encode()
    right = hmac.digest(SIGNED_WITH.encode(), data, "sha256").hex()
    for shown in ("", "sha256=", f"sha1={right}", right, f"sha256={right[:-1]}", "sha256=\u00e9", f"sha256={right}0"):
        assert lite.send(data, headers={"X-Coral-Signature": shown}).status_code == 401, shown
    assert lite.send(data + b" ", headers={"X-Coral-Signature": f"sha256={right}"}).status_code == 401
    for path in ("/coral/other", "/coral/nowhere", "/coral/blog/events"):
        answer = lite.ask(path=path, secrets=("another secret than theirs",))
        assert (answer.status_code, answer.json["code"]) == (401, "bad-signature")
    assert lite.send(data, headers={"X-Coral-Signature": f"sha256={right}"}).status_code == 200
    assert len(lite.stored()) == 1


def test_another_sites_secret_does_not_open_this_one(lite: Coral) -> None:
    other = "ssec_of_the_other_site_only"
    lite.keep("other", other)
    assert lite.ask(secrets=(other,)).status_code == 401
    assert lite.ask(path="/coral/other", secrets=(other,)).status_code == 200
    assert lite.stored() == []


def test_a_revoked_secret_opens_nothing_from_the_next_request_on(lite: Coral) -> None:
    new = "ssec_fedcba9876543210fedcba9876543210"
    row = lite.keep("blog", new)
    assert lite.ask(secrets=(new,)).status_code == 200
    with lite.door.runtime.database.transaction() as session:
        site = sites.find(session, "blog")
        signing.revoke(session, site.id, row, by="test", now=datetime.now(UTC))
    assert lite.ask(secrets=(new,)).status_code == 401
    assert lite.ask().status_code == 200


def test_secrets_are_not_in_the_database_as_they_are(lite: Coral) -> None:
    with lite.door.runtime.database.reading() as session:
        kept = signing.page(session, sites.find(session, "blog").id, door="coral")
    assert all(SIGNED_WITH not in row.sealed for row in kept)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"a":' * 5000, b"{}", b'{"comment": {"body": 7}}', b'{"comment": {"body": "x"}}']
)
def test_a_signed_body_that_is_no_request_of_corals_is_a_problem(lite: Coral, body: bytes) -> None:
    answer = lite.send(body)
    assert answer.status_code in {400, 422}
    assert answer.mimetype == "application/problem+json"


@pytest.mark.parametrize("change", [{"comment": {"body": "x" * 20_001}}, {"story": {"id": "s", "url": "nonsense"}}])
def test_what_we_cannot_take_in_is_withheld(lite: Coral, change: dict[str, Any]) -> None:
    assert lite.send({**lite.asked(CIVIL), **change}).json == {"status": "SYSTEM_WITHHELD"}
    assert lite.stored() == []


def test_a_failing_database_is_withheld(lite: Coral, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> Any:
        raise OSError("gone")

    monkeypatch.setattr(lite.door.runtime.database, "transact", away)
    answer = lite.ask()
    assert (answer.status_code, answer.json) == (200, {"status": "SYSTEM_WITHHELD"})
    monkeypatch.setattr(lite.door.runtime.database, "reading", away)
    assert lite.ask().json == {"status": "SYSTEM_WITHHELD"}


def test_a_comment_that_was_withdrawn_here_is_withheld(lite: Coral) -> None:
    lite.ask()
    lite.door.call("DELETE", f"/v1/comments/{lite.only()['id']}")
    assert lite.ask().json == {"status": "SYSTEM_WITHHELD"}


def test_an_edit_is_a_new_revision_of_the_authors_one_comment(asking: Coral) -> None:
    asking.ask()
    assert asking.ask(f"{CIVIL} Indeed.", action="EDIT").json == {"status": "NONE"}
    assert asking.ask(f"{CIVIL} Indeed.", action="EDIT").json == {"status": "NONE"}
    stored = asking.only()
    assert (stored["revision"], stored["visible_revision"], stored["decision_seq"]) == (2, 2, 2)
    assert asking.ask(ABUSIVE, action="EDIT").json["status"] == "SYSTEM_WITHHELD"
    assert asking.only()["revision"] == 3


def test_an_edit_of_nobody_knows_which_is_a_comment_of_its_own(lite: Coral) -> None:
    lite.ask()
    lite.ask("Another thought on the treaty and what it means.")
    lite.ask("A third thought on the treaty, which is new.", action="EDIT")
    assert [each["revision"] for each in lite.stored()] == [1, 1, 1]


def test_after_a_human_rejection_an_edit_goes_to_a_human(lite: Coral) -> None:
    lite.ask()
    stored = lite.only()
    lite.door.post(f"/v1/comments/{stored['id']}/decisions", {"verdict": "reject", "revision": 1, "reason": 7}, key="moderator")
    assert lite.ask(f"{CIVIL} Now better.", action="EDIT").json["status"] == "SYSTEM_WITHHELD"


def test_a_reply_knows_its_parent_once_coral_has_told_its_id(asking: Coral) -> None:
    asking.ask("The first word on this treaty is mine.")
    assert asking.ask("A reply to somebody whom we do not know.", author="u-2", parent="c-9").status_code == 200
    told = asking.tell("COMMENT_CREATED", "c-1", authorID="u-1", body="The first word on this treaty is mine.")
    assert told.json == {"joined": True}
    asking.ask("A reply to the very first word here.", author="u-3", parent="c-1")
    newest, unknown, first = asking.stored()
    assert (newest["parent_id"], unknown["parent_id"], first["external_id"]) == (first["id"], None, "c-1")


def test_what_corals_moderators_decide_is_a_human_decision_here(asking: Coral) -> None:
    asking.ask(ABUSIVE)
    entered = asking.tell("COMMENT_ENTERED_MODERATION_QUEUE", "c-1", authorID="u-1", body=ABUSIVE, status="SYSTEM_WITHHELD")
    assert entered.json == {"joined": True}
    assert asking.only()["status"] == "flagged"
    asking.tell("COMMENT_LEFT_MODERATION_QUEUE", "c-1", status="APPROVED")
    stored = asking.only()
    assert (stored["status"], stored["decision"]["by"]) == ("approved", "moderator")
    asking.tell("COMMENT_LEFT_MODERATION_QUEUE", "c-1", status="APPROVED")
    assert asking.only()["decision_seq"] == 2
    assert asking.door.get("/v1/cases").json["items"] == []


def test_an_event_is_joined_to_no_comment_but_the_one_with_that_story_author_and_text(lite: Coral) -> None:
    lite.ask()
    for wrong in ({"authorID": "u-2", "body": CIVIL}, {"authorID": "u-1", "body": "x"}, {"body": CIVIL}, {}):
        assert lite.tell("COMMENT_CREATED", "c-1", **wrong).json == {"joined": False}
    assert lite.tell("COMMENT_CREATED", "c-1", storyID="s-2", authorID="u-1", body=CIVIL).json == {"joined": False}
    assert lite.tell("STORY_CREATED", "c-1").status_code == 204
    assert lite.only()["external_id"].startswith("coral:")
    assert lite.send(b"{}", path="/coral/blog/events").status_code == 204
    assert lite.send({"type": "COMMENT_CREATED"}, path="/coral/blog/events").status_code == 422


def test_every_answer_fits_corals_own_schema(lite: Coral) -> None:
    for text in (CIVIL, ABUSIVE, SPAM, "I will find you and kill you."):
        found = lite.ask(text).json
        assert found["status"] in STATUSES
        for action in found.get("actions", []):
            assert action["actionType"] == "FLAG"
            assert action["reason"] in {"COMMENT_DETECTED_TOXIC", "COMMENT_DETECTED_SPAM"}


def test_a_site_pinned_to_a_version_that_is_gone_withholds_and_asks_a_human(sqlite_door: Any) -> None:
    phase = Coral(sqlite_door)
    assert phase.ask(CIVIL).json["status"] != "SYSTEM_WITHHELD"
    with sqlite_door.runtime.database.transaction() as session:
        gone = Chosen(version="bundled-0+00000000")
        choosing.use(session, sites.find(session, "blog").id, gone, by="test", now=datetime.now(UTC))
    assert phase.ask(f"{CIVIL} Again.", author="u-2").json["status"] == "SYSTEM_WITHHELD"
    with sqlite_door.runtime.database.reading() as session:
        newest = session.scalars(select(Decision).order_by(Decision.created_at.desc())).first()
        assert newest is not None
        assert "not_scored" in {reason["reason"] for reason in newest.reasons}

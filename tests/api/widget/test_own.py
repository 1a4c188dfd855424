"""An author's token opens one comment, says what became of it, and lets its author change it, take it back and appeal."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from moderation.services import own
from tests.api.conftest import ABUSIVE, CIVIL, SECRET
from tests.api.widget.conftest import PAGE

REJECTED = "We did not publish this: it attacks a person rather than what they say. Decided by a moderator."


def test_the_author_alone_sees_what_is_held(reader: Any) -> None:
    reader.send(ABUSIVE)
    shown = reader.own()
    assert (shown["status"], shown["body"], shown["public"]) == ("flagged", ABUSIVE, False)
    assert shown["said"] == "Thank you. A person will read this before it appears. You can follow it here."
    assert reader.thread() == []
    assert not {"scores", "signals", "policy"} & set(shown)


def test_a_repeated_submission_is_told_the_same_token(reader: Any) -> None:
    first = reader.send(headers={"Idempotency-Key": "k"})
    again = reader.send(headers={"Idempotency-Key": "k"})
    assert first.headers["Author-Token"] == again.headers["Author-Token"]
    assert first.json["id"] == again.json["id"]


@pytest.mark.parametrize("wrong", ["", "x", "A" * 43, "é" * 43, "A" * 4000])
def test_another_token_opens_nothing(sqlite_reader: Any, wrong: str) -> None:
    sqlite_reader.send()
    sqlite_reader.token = wrong
    assert sqlite_reader.call("GET", "/v1/own").status_code == (404 if wrong else 422)
    assert sqlite_reader.door.client.get(f"/c/{wrong}").status_code == 404


def test_one_changed_character_makes_another_token(sqlite_reader: Any) -> None:
    sqlite_reader.send()
    token = sqlite_reader.token
    for place in range(0, 42, 7):
        sqlite_reader.token = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert sqlite_reader.call("GET", "/v1/own").status_code == 404


def test_a_token_opens_nothing_on_another_site(sqlite_reader: Any) -> None:
    sqlite_reader.send()
    headers = {"Author-Token": sqlite_reader.token}
    assert sqlite_reader.door.get("/v1/own", key="stranger", headers=headers).status_code == 404


def test_asking_again_costs_nothing_until_there_is_news(reader: Any) -> None:
    reader.send(ABUSIVE)
    tag = reader.call("GET", "/v1/own").headers["ETag"]
    assert reader.call("GET", "/v1/own", headers={"If-None-Match": tag}).status_code == 304
    reader.decide("approve")
    assert reader.call("GET", "/v1/own", headers={"If-None-Match": tag}).status_code == 200


def test_a_new_text_is_judged_anew(reader: Any) -> None:
    reader.send()
    assert reader.call("PATCH", "/v1/own", {"body": ABUSIVE}).json["status"] == "pending"
    reader.door.work()
    assert (reader.own()["status"], [each["body"] for each in reader.thread()]) == ("flagged", [CIVIL])


def test_what_is_taken_back_is_gone(reader: Any) -> None:
    reader.send()
    assert reader.call("DELETE", "/v1/own").json["outcome"] == "withdrawn"
    assert reader.thread() == []
    assert reader.call("PATCH", "/v1/own", {"body": CIVIL}).status_code == 422
    assert reader.own()["actions"] == []


def test_a_rejection_is_told_with_its_reason(reader: Any) -> None:
    reader.send(ABUSIVE)
    reader.decide("reject", reason=1, note="for colleagues only")
    shown = reader.own()
    assert shown["said"] == REJECTED
    assert "colleagues" not in str(shown)
    assert reader.own("de")["said"].startswith("Wir haben das nicht veröffentlicht: Es greift einen Menschen an")


def test_a_sentence_of_the_moderators_is_told_as_it_is(reader: Any) -> None:
    reader.send(ABUSIVE)
    reader.decide("reject", reason=9, note="Please do not post in capitals")
    assert reader.own()["said"] == "We did not publish this: Please do not post in capitals. Decided by a moderator."


def test_what_was_public_is_said_to_be_taken_down(reader: Any) -> None:
    reader.send()
    reader.decide("reject", reason=7)
    assert reader.own()["said"].startswith("We have taken this down: it is not about this article or thread.")


def test_a_second_look_is_another_humans(reader: Any) -> None:
    reader.send(ABUSIVE)
    reader.decide("reject", reason=1)
    assert reader.own()["second_look"]["state"] == "possible"
    assert reader.call("POST", "/v1/own/second-look").json["outcome"] == "second_look"
    assert reader.call("POST", "/v1/own/second-look").status_code == 200
    (case,) = reader.door.get("/v1/cases?kind=second_look").json["items"]
    assert reader.door.call("PUT", f"/v1/cases/{case['id']}/claim", key="moderator").status_code == 409
    assert reader.decide("approve").status_code == 409
    assert reader.decide("approve", key="editor").status_code == 201
    assert reader.own()["said"] == "We looked again and you were right. It is published; sorry for the wait."


def test_a_second_look_that_agrees_ends_it(reader: Any) -> None:
    reader.send(ABUSIVE)
    reader.decide("reject", reason=1)
    reader.call("POST", "/v1/own/second-look")
    reader.decide("reject", key="editor", reason=1)
    shown = reader.own()
    assert (shown["outcome"], shown["second_look"]["state"]) == ("upheld", "upheld")
    assert "second_look" not in shown["actions"]


def test_there_is_nothing_to_appeal_where_nothing_was_rejected(reader: Any) -> None:
    reader.send()
    assert reader.call("POST", "/v1/own/second-look").status_code == 422


def test_a_second_look_can_be_asked_for_within_six_months(reader: Any) -> None:
    reader.send(ABUSIVE)
    reader.decide("reject", reason=1)
    now = datetime.now(UTC)
    for days, state in ((182, "possible"), (184, "impossible")):
        with reader.door.runtime.database.reading() as session:
            found = own.view(session, reader.token, secret=SECRET, now=now + timedelta(days=days))
        assert found.second_look == state


def test_who_waits_for_a_day_is_told_so(reader: Any) -> None:
    reader.send(ABUSIVE)
    with reader.door.runtime.database.reading() as session:
        found = own.view(session, reader.token, secret=SECRET, now=datetime.now(UTC) + timedelta(hours=25))
    assert found.outcome == "still"


# ---------------------------------------------------------------------------------------------------- reports and pages


def complain(reader: Any, comment_id: str, network: int, reason: int = 1) -> Any:
    """Report a comment from another network: the address of the connection is what tells readers apart."""
    return reader.door.client.post(
        f"/v1/comments/{comment_id}/reports",
        json={"reason": reason},
        headers={"Authorization": f"Bearer {reader.door.keys['publishable']}"},
        environ_overrides={"REMOTE_ADDR": f"203.0.113.{network}"},
    )


def test_three_readers_hide_what_no_human_has_judged(reader: Any) -> None:
    comment_id = reader.send().json["id"]
    for network in (1, 1, 2):
        assert complain(reader, comment_id, network).status_code == 200
    assert [each["id"] for each in reader.thread()] == [comment_id]
    assert [case["kind"] for case in reader.door.get("/v1/cases").json["items"]] == ["reported"]
    complain(reader, comment_id, 3)
    assert reader.thread() == []
    assert (reader.own()["status"], reader.door.shown(comment_id)["visible_revision"]) == ("flagged", None)
    assert complain(reader, comment_id, 4).status_code == 404


def test_what_a_human_approved_stays_and_equal_reports_change_nothing(reader: Any) -> None:
    comment_id = reader.send().json["id"]
    complain(reader, comment_id, 1)
    assert reader.decide("approve").status_code == 201
    for network in range(2, 7):
        complain(reader, comment_id, network)
    assert len(reader.thread()) == 1
    assert reader.door.get("/v1/cases").json["items"] == []
    complain(reader, comment_id, 9, reason=3)
    assert len(reader.thread()) == 1
    assert len(reader.door.get("/v1/cases?kind=reported").json["items"]) == 1


def test_a_nudge_names_the_part_and_no_score(sqlite_reader: Any) -> None:
    asked = {"post": PAGE, "body": f"The treaty is nine pages long. {ABUSIVE}"}
    assert sqlite_reader.call("POST", "/v1/nudge", asked).json == {"part": ABUSIVE}
    assert sqlite_reader.call("POST", "/v1/nudge", {**asked, "body": CIVIL}).json == {"part": None}
    spam = f"{ABUSIVE} Buy cheap pills at http://pills.example http://a.example http://b.example now!!!"
    assert sqlite_reader.call("POST", "/v1/nudge", {**asked, "body": spam}).json == {"part": None}


def test_a_model_that_becomes_late_in_the_middle_accuses_no_sentence(sqlite_reader: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    models = sqlite_reader.door.context.models
    within, read = models.within, list[str]()

    def late_for_the_second_part(seconds: float, text: str, *models: Any) -> Any:
        read.append(text)
        return within(0.0 if text == ABUSIVE else seconds, text, *models)

    monkeypatch.setattr(models, "within", late_for_the_second_part)
    asked = {"post": PAGE, "body": f"The treaty is nine pages long. {ABUSIVE}"}
    assert sqlite_reader.call("POST", "/v1/nudge", asked).json == {"part": None}
    assert read == [asked["body"], "The treaty is nine pages long.", ABUSIVE]


def test_a_reader_does_not_say_what_the_page_says(reader: Any) -> None:
    assert reader.send(post={**PAGE, "excerpt": ABUSIVE}).status_code == 422
    assert reader.send(post={**PAGE, "url": "https://elsewhere.example/"}).status_code == 422
    facts = {"url": PAGE["url"], "title": "The blog's own title", "excerpt": "What it says."}
    assert reader.door.call("PUT", "/v1/posts/p1", json=facts).status_code == 200
    assert reader.send(post={**PAGE, "title": "A reader's title"}).status_code == 202
    assert reader.own()["post"]["title"] == "The blog's own title"

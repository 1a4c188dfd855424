"""Comments over HTTP: taken in once, waited for, listed, revised, withdrawn."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api.conftest import ABUSIVE, CIVIL, Door


def test_a_comment_is_accepted_and_can_be_read_where_the_answer_says(door: Door) -> None:
    answer = door.post("/v1/comments", door.comment())
    assert (answer.status_code, answer.json["status"], answer.json["decision"]) == (202, "pending", None)
    shown = door.get(answer.headers["Location"])
    assert shown.json == answer.json
    assert shown.json["links"] == {"self": answer.headers["Location"]}


def test_a_held_comment_is_explained_to_the_blog(door: Door) -> None:
    held = door.decided(ABUSIVE)
    assert held["explanation"] is None
    door.explain()
    found = door.shown(held["id"])
    toxicity = next(each for each in found["explanation"]["scores"] if each["attribute"] == "toxicity")
    assert toxicity["score"] == pytest.approx(found["scores"]["toxicity"])
    assert toxicity["without"] < toxicity["score"] / 2
    assert all(ABUSIVE[word["start"] : word["end"]] == word["text"] for word in toxicity["words"])
    assert door.get("/v1/comments?status=flagged").json["items"] == [found]


def test_a_civil_comment_is_approved_with_scores_and_reasons(door: Door) -> None:
    found = door.decided(CIVIL)
    assert (found["status"], found["decision"]["verdict"], found["decision"]["by"]) == ("approved", "approve", "machine")
    assert found["decision"]["policy"].startswith("standard@")
    assert set(found["scores"]) >= {"toxicity", "insult", "threat", "spam"}
    assert all(0 <= value <= 1 for value in found["scores"].values())


def test_an_abusive_comment_is_not_approved(door: Door) -> None:
    found = door.decided(ABUSIVE)
    assert found["status"] in {"flagged", "rejected"}
    assert found["decision"]["reasons"][0]["rule"]
    assert found["visible_revision"] is None


def test_who_prefers_to_wait_gets_exactly_what_a_get_would_say(door: Door) -> None:
    with door.working():
        answer = door.post("/v1/comments", door.comment(), headers={"Prefer": "respond-async, wait=10"})
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (200, "wait=10")
    assert answer.data == door.get(answer.headers["Location"]).data
    assert answer.json["status"] == "approved"


def test_who_waits_in_vain_gets_the_plain_answer(door: Door) -> None:
    answer = door.post("/v1/comments", door.comment(), headers={"Prefer": "wait=0"})
    assert (answer.status_code, answer.json["status"]) == (202, "pending")


@pytest.mark.parametrize("key", ["a-key", '"a quoted key"', "x" * 255])
def test_the_same_key_and_body_make_one_comment(door: Door, key: str) -> None:
    body = door.comment()
    first, second = (door.post("/v1/comments", body, headers={"Idempotency-Key": key}) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json["id"] == second.json["id"]


def test_the_same_key_with_another_body_is_refused(door: Door) -> None:
    door.post("/v1/comments", door.comment(), headers={"Idempotency-Key": "k"})
    answer = door.post("/v1/comments", door.comment("Something else."), headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json["code"]) == (422, "idempotency-mismatch")


@pytest.mark.parametrize("key", ["", '""', "x" * 256, '"open'])
def test_a_bad_key_is_refused(door: Door, key: str) -> None:
    answer = door.post("/v1/comments", door.comment(), headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json["code"]) == (400, "bad-idempotency-key")


def test_fifty_at_once_with_one_key_make_one_comment(door: Door) -> None:
    body = door.comment()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: door.post("/v1/comments", body, headers={"Idempotency-Key": "the-one"}), range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert len(door.get("/v1/comments").json["items"]) == 1


def test_a_repeat_tells_how_the_comment_stands_now(door: Door) -> None:
    body = door.comment()
    door.post("/v1/comments", body, headers={"Idempotency-Key": "k"})
    door.work()
    again = door.post("/v1/comments", body, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json["status"]) == (200, "approved")


def test_a_known_external_id_is_the_same_comment_and_another_text_a_new_revision(door: Door) -> None:
    first = door.submitted(external_id="42")
    same = door.post("/v1/comments", door.comment(external_id="42"))
    changed = door.post("/v1/comments", door.comment("Now with another text.", external_id="42"))
    assert {first["id"]} == {same.json["id"], changed.json["id"]}
    assert (same.json["revision"], changed.json["revision"]) == (1, 2)
    found = door.get("/v1/comments?external_id=42").json["items"]
    assert [comment["id"] for comment in found] == [first["id"]]


def test_a_reply_names_its_parent_by_our_id_or_the_blogs(door: Door) -> None:
    parent = door.submitted(external_id="p-1")
    for name in (parent["id"], "p-1"):
        assert door.submitted(parent_id=name)["parent_id"] == parent["id"]
    answer = door.post("/v1/comments", door.comment(parent_id="nobody"))
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/parent_id")


def test_a_changed_comment_is_moderated_anew_and_stays_public_meanwhile(door: Door) -> None:
    found = door.decided()
    answer = door.call("PATCH", f"/v1/comments/{found['id']}", json={"body": "A second thought."})
    assert (answer.status_code, answer.json["status"], answer.json["revision"]) == (202, "pending", 2)
    assert answer.json["visible_revision"] == 1
    door.work()
    assert door.get(f"/v1/comments/{found['id']}").json["visible_revision"] == 2


def test_a_withdrawn_comment_leaves_the_thread_and_takes_no_new_text(door: Door) -> None:
    found = door.decided()
    path = f"/v1/comments/{found['id']}"
    for _ in range(2):
        assert door.call("DELETE", path).json["status"] == "withdrawn"
    assert door.get("/v1/posts/p1/comments").json["comments"] == []
    answer = door.call("PATCH", path, json={"body": "But still."})
    assert (answer.status_code, answer.json["code"]) == (422, "gone")


def test_comments_are_listed_newest_first_by_post_and_status_in_pages(door: Door) -> None:
    ids = [door.submitted(f"Comment number {number}.")["id"] for number in range(5)]
    elsewhere = door.submitted(post={"id": "p2", "url": "https://blog.example/other"})["id"]
    first = door.get("/v1/comments?post=p1&limit=3").json
    rest = door.get(f"/v1/comments?post=p1&limit=3&after={first['next']}").json
    assert [comment["id"] for comment in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next"] is None
    door.work()
    approved = door.get("/v1/comments?status=approved").json["items"]
    assert {comment["id"] for comment in approved} == {*ids, elsewhere}
    assert door.get("/v1/comments?post=p9").status_code == 404


def test_each_item_of_a_batch_is_accepted_or_refused_by_itself(door: Door) -> None:
    items: list[Any] = [door.comment(), {"body": "no post"}, door.comment(parent_id="nobody"), door.comment()]
    answer = door.post("/v1/comments/batch", {"items": items}, headers={"Idempotency-Key": "b"})
    assert answer.status_code == 200, answer.text
    assert (answer.status_code, [item["status"] for item in answer.json["items"]]) == (200, [202, 422, 422, 202])
    assert {fault["pointer"] for fault in answer.json["items"][1]["problem"]["errors"]} == {"/author", "/post"}
    again = door.post("/v1/comments/batch", {"items": items}, headers={"Idempotency-Key": "b"})
    assert again.json == answer.json
    assert len(door.get("/v1/comments").json["items"]) == 2


def test_a_batch_has_at_most_a_hundred_items(door: Door) -> None:
    answer = door.post("/v1/comments/batch", {"items": [door.comment() for _ in range(101)]})
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/items")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"external_id": "1"}, "/external_id"),
        ({"submitted_at": "2026-01-01T00:00:00Z"}, "/submitted_at"),
        ({"author": {"name": "A", "id": "1"}}, "/author/id"),
        ({"author": {"name": "A", "ip": "192.0.2.1"}}, "/author/ip"),
        ({"author": {"name": "A", "user_agent": "curl"}}, "/author/user_agent"),
    ],
)
def test_a_browser_must_not_say_what_only_the_blog_knows(door: Door, change: dict[str, Any], pointer: str) -> None:
    body = {**door.comment(), "author": {"name": "A"}, **change}
    answer = door.post("/v1/comments", body, key="publishable")
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, pointer)


def test_a_browser_may_submit_under_its_own_address(door: Door) -> None:
    answer = door.post("/v1/comments", {**door.comment(), "author": {"name": "A reader"}}, key="publishable")
    assert (answer.status_code, answer.json["author"]["identity"]) == (202, "anonymous")


def test_a_reader_is_told_the_decision_and_nothing_that_helps_to_get_past_it(door: Door) -> None:
    body = {**door.comment(ABUSIVE), "author": {"name": "A reader"}}
    with door.working():
        found = door.post("/v1/comments", body, key="publishable", headers={"Prefer": "wait=10"}).json
    assert (found["status"], found["decision"]["by"]) == ("flagged", "machine")
    assert (found["scores"], found["signals"], found["model"], found["decision"]["policy"]) == ({}, {}, None, None)
    assert found["explanation"] is None
    assert {name for reason in found["decision"]["reasons"] for name in reason} == {"reason"}
    full = door.shown(found["id"])
    assert full["scores"]
    assert [reason["reason"] for reason in full["decision"]["reasons"]] == [
        reason["reason"] for reason in found["decision"]["reasons"]
    ]

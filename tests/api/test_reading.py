"""Threads, the queue, endpoints, the feed and the streams over HTTP."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest

from api.v1 import posts
from tests.api.conftest import ABUSIVE


def test_a_browser_of_the_blog_may_read_the_thread_and_others_may_not(door: Any) -> None:
    door.decided()
    ours = door.get("/v1/posts/p1/comments", key="publishable", headers={"Origin": "https://blog.example"})
    assert ours.headers["Access-Control-Allow-Origin"] == "https://blog.example"
    assert ours.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    theirs = door.get("/v1/posts/p1/comments", key="publishable", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in theirs.headers
    with_secret = door.get("/v1/posts/p1/comments", headers={"Origin": "https://blog.example"})
    assert "Access-Control-Allow-Origin" not in with_secret.headers


def test_a_preflight_is_answered_for_the_origins_of_sites(sqlite_door: Any) -> None:
    for origin, allowed in (("https://blog.example", True), ("https://evil.example", False)):
        answer = sqlite_door.call("OPTIONS", "/v1/comments", key=None, headers={"Origin": origin})
        assert (answer.status_code, "Access-Control-Allow-Origin" in answer.headers) == (204, allowed)


def test_an_unchanged_thread_is_not_sent_again(door: Any) -> None:
    view = door.decided()
    first = door.get("/v1/posts/p1/comments")
    tag = {"If-None-Match": first.headers["ETag"]}
    assert door.get("/v1/posts/p1/comments", headers=tag).status_code == 304
    assert door.get("/v1/posts/p1/comments?nested=true", headers=tag).status_code == 200
    door.call("DELETE", f"/v1/comments/{view['id']}")
    assert door.get("/v1/posts/p1/comments", headers=tag).status_code == 200


def test_replies_can_come_nested(door: Any) -> None:
    parent = door.decided("The bridge was built by my grandfather in the fifties.")
    reply = door.decided("What a lovely story about your family, thank you.", parent_id=parent["id"])
    (root,) = door.get("/v1/posts/p1/comments?nested=true").json["comments"]
    assert (root["id"], [child["id"] for child in root["replies"]]) == (parent["id"], [reply["id"]])


def test_an_endless_exchange_is_no_deeper_than_a_reader_goes() -> None:
    flat = [{"id": str(number), "parent_id": str(number - 1) if number else None} for number in range(1000)]
    roots = posts.nest(flat)
    seen, levels = [], 0
    level = roots
    while level:
        levels += 1
        seen += [comment["id"] for comment in level]
        level = [reply for comment in level for reply in comment["replies"]]
    assert (levels, len(roots)) == (posts.DEEPEST, 1)
    assert seen == [comment["id"] for comment in flat]
    assert len(orjson.dumps(roots)) > 1000


def test_a_thread_is_found_by_the_address_of_its_page(door: Any) -> None:
    door.decided()
    answer = door.get("/v1/posts/https://blog.example/arms%3Futm_source=x/comments")
    assert answer.json["post"]["key"] == "p1"
    assert door.get("/v1/posts/counts?post=p1&post=nothing").json == {"counts": {"p1": 1, "nothing": 0}}


def test_a_moderator_claims_decides_and_undoes(door: Any) -> None:
    view = door.decided(ABUSIVE)
    queue = door.get("/v1/cases", key="moderator").json
    assert (queue["waiting"], queue["items"][0]["comment"]["id"]) == (1, view["id"])
    case = queue["items"][0]["id"]
    assert door.call("PUT", f"/v1/cases/{case}/claim", key="moderator").json["claimed_by_name"] == "Moderator"
    taken = door.call("PUT", f"/v1/cases/{case}/claim", key="editor")
    assert (taken.status_code, taken.json["code"]) == (409, "claimed")
    decision = {"verdict": "reject", "revision": 1, "reason": 1}
    done = door.post(f"/v1/comments/{view['id']}/decisions", decision, key="moderator")
    assert (done.status_code, done.json["status"], done.json["decision"]["by"]) == (201, "rejected", "moderator")
    late = door.post(f"/v1/comments/{view['id']}/decisions", {"verdict": "approve", "revision": 1}, key="editor")
    assert (late.status_code, late.json["code"], late.json["current"]["status"]) == (409, "already-decided", "rejected")
    undone = door.post(f"/v1/decisions/{done.json['decision']['id']}/undo", key="moderator")
    assert undone.status_code == 201
    assert door.get(f"/v1/comments/{view['id']}").json["status"] == "flagged"
    assert door.post(f"/v1/decisions/{done.json['decision']['id']}/undo", key="moderator").json["code"] == "not-undoable"


def test_a_decision_on_an_older_revision_is_refused_with_the_newer_one(door: Any) -> None:
    view = door.decided(ABUSIVE)
    door.call("PATCH", f"/v1/comments/{view['id']}", json={"body": "Let me say this more kindly."})
    answer = door.post(f"/v1/comments/{view['id']}/decisions", {"verdict": "approve", "revision": 1}, key="moderator")
    assert (answer.status_code, answer.json["code"], answer.json["current"]["revision"]) == (409, "stale-revision", 2)


def test_a_resent_decision_is_the_same_decision(door: Any) -> None:
    view = door.decided(ABUSIVE)
    headers = {"Idempotency-Key": "decide-1"}
    for _ in range(2):
        answer = door.post(
            f"/v1/comments/{view['id']}/decisions", {"verdict": "approve", "revision": 1}, key="moderator", headers=headers
        )
        assert (answer.status_code, answer.json["decision_seq"]) == (201, 2)


def test_an_escalated_case_is_in_the_editors_queue(door: Any) -> None:
    door.decided(ABUSIVE)
    case = door.get("/v1/cases").json["items"][0]["id"]
    assert door.post(f"/v1/cases/{case}/escalate", key="moderator").json["escalated"] is True
    assert door.get("/v1/cases").json["items"] == []
    assert door.get("/v1/cases?escalated=true").json["items"][0]["id"] == case


def test_an_endpoint_shows_its_secret_once_and_its_deliveries_always(door: Any) -> None:
    made = door.post("/v1/endpoints", {"url": "http://127.0.0.1:9/hook"})
    assert (made.status_code, made.json["secret"][:6]) == (201, "whsec_")
    assert "secret" not in door.get(f"/v1/endpoints/{made.json['id']}").json
    rotated = door.post(f"/v1/endpoints/{made.json['id']}/rotate").json
    assert rotated["secret"] != made.json["secret"]
    door.decided()
    trial = door.post(f"/v1/endpoints/{made.json['id']}/test")
    assert trial.status_code == 202
    found = door.get("/v1/deliveries").json["items"]
    assert {delivery["endpoint_id"] for delivery in found} == {made.json["id"]}
    assert found[0]["id"] == trial.json["id"]
    assert door.get(f"/v1/deliveries/{trial.json['id']}").json["tries"] == []
    assert door.post(f"/v1/deliveries/{trial.json['id']}/replay").status_code == 202
    assert door.post("/v1/deliveries/replay", {}).json["replayed"] == 0
    assert door.call("PATCH", f"/v1/endpoints/{made.json['id']}", json={"state": "paused"}).json["state"] == "paused"
    gone = door.call("DELETE", f"/v1/endpoints/{made.json['id']}")
    assert (gone.status_code, gone.data) == (204, b"")
    assert door.get("/v1/endpoints").json["items"] == []


def test_an_endpoint_inside_the_network_is_refused(sqlite_door: Any) -> None:
    for url in ("http://169.254.169.254/latest", "https://10.0.0.1/x", "ftp://example.com", "https://user:pw@example.com/"):
        answer = sqlite_door.post("/v1/endpoints", {"url": url})
        assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/url")


def test_the_feed_goes_on_where_the_reader_stopped(door: Any) -> None:
    door.decided()
    assert door.get("/v1/events").json == {"items": [], "next": 0}
    door.place()
    first = door.get("/v1/events?limit=1").json
    rest = door.get(f"/v1/events?after={first['next']}").json
    assert [event["type"] for event in first["items"] + rest["items"]] == ["comment.submitted", "comment.approved"]
    assert door.get(f"/v1/events?after={rest['next']}").json == {"items": [], "next": rest["next"]}


def test_a_stream_sends_what_has_a_place_and_goes_on_from_the_last_id(door: Any) -> None:
    door.decided()
    door.place()
    answer = door.get("/v1/stream", headers={"Last-Event-ID": "1"}, buffered=False)
    assert (answer.status_code, answer.content_type) == (200, "text/event-stream")
    chunks = iter(answer.response)
    assert next(chunks) == b"retry: 2000\n\n"
    lines = next(chunks).decode().splitlines()
    assert lines[:2] == ["id: 2", "event: comment.approved"]
    assert orjson.loads(lines[2].removeprefix("data: "))["data"]["comment"]["status"] == "approved"
    answer.close()


def test_the_thirteenth_stream_is_told_to_come_back(sqlite_door: Any) -> None:
    answers = [sqlite_door.get("/v1/stream", buffered=False) for _ in range(12)]
    full = sqlite_door.get("/v1/stream")
    assert (full.status_code, full.json["code"], full.headers["Retry-After"]) == (503, "too-many-streams", "2")
    for answer in answers:
        answer.close()


def test_of_two_who_decide_at_once_one_is_told_of_the_other(door: Any) -> None:
    view = door.decided(ABUSIVE)
    start = threading.Barrier(2)

    def decide(who: str) -> Any:
        start.wait()
        asked = {"verdict": "approve", "revision": 1}
        return door.post(f"/v1/comments/{view['id']}/decisions", asked, key=who)

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(decide, ("moderator", "editor")), key=lambda answer: int(answer.status_code))
    assert [answer.status_code for answer in answers] == [201, 409]
    assert answers[1].json["current"]["decision"]["id"] == answers[0].json["decision"]["id"]


def test_an_idempotency_key_decides_one_thing_only(door: Any) -> None:
    first, second = (door.decided(ABUSIVE) for _ in range(2))
    headers = {"Idempotency-Key": "k"}
    asked = {"verdict": "approve", "revision": 1}
    made = door.post(f"/v1/comments/{first['id']}/decisions", asked, key="moderator", headers=headers)
    other = door.post(f"/v1/comments/{second['id']}/decisions", asked, key="moderator", headers=headers)
    undo = door.post(f"/v1/decisions/{made.json['decision']['id']}/undo", key="moderator", headers=headers)
    assert made.status_code == 201
    assert [(answer.status_code, answer.json["code"]) for answer in (other, undo)] == [(422, "idempotency-mismatch")] * 2
    assert door.shown(second["id"])["status"] == second["status"]


@pytest.mark.parametrize("key", ["%00", "http:%2F%2F[", "https://blog.example:99999999/", "a%0Ab", "x" * 3000])
def test_what_no_post_can_be_called_does_not_exist(door: Any, key: str) -> None:
    assert door.get(f"/v1/posts/{key}/comments").status_code == 404
    assert door.get(f"/v1/posts/counts?post={key}").status_code == 422


def test_a_new_stream_begins_with_what_happens_from_now_on(door: Any) -> None:
    door.decided()
    door.place()
    answer = door.get("/v1/stream", buffered=False)
    chunks = iter(answer.response)
    assert next(chunks) == b"retry: 2000\n\n"
    door.decided()
    door.place()
    assert [next(chunks).split(b"\n")[0] for _ in range(2)] == [b"id: 3", b"id: 4"]
    answer.close()


def test_a_page_of_another_origin_cannot_use_the_sites_key(sqlite_door: Any) -> None:
    body = {**sqlite_door.comment(), "author": {"name": "Ann"}}
    answer = sqlite_door.post("/v1/comments", body, key="publishable", headers={"Origin": "https://evil.example"})
    assert (answer.status_code, answer.json["code"]) == (403, "origin")


def test_a_preflight_offers_only_what_takes_publishable_keys(sqlite_door: Any) -> None:
    ours = {"Origin": "https://blog.example"}
    assert sqlite_door.call("OPTIONS", "/v1/comments", key=None, headers=ours).headers["Access-Control-Allow-Methods"] == "POST"
    assert "Access-Control-Allow-Origin" not in sqlite_door.call("OPTIONS", "/v1/cases", key=None, headers=ours).headers
    assert sqlite_door.call("OPTIONS", "/nowhere", key=None, headers=ours).status_code == 404

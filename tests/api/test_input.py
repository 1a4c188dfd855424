"""Hostile and mistaken requests: each gets a clear problem, and nothing of it is stored."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

from moderation.ids import read
from moderation.models import Base, Comment, Follower
from moderation.services import authorship, followers, probing
from tests.api.conftest import ABUSIVE, SECRET
from tests.api.test_permissions import IDS, path_of, routes

GOOD = b'{"post":{"url":"https://blog.example/a","title":"A"},"author":{"name":"Ann"},"body":'


def send(door: Any, data: bytes, *, content_type: str = "application/json", **headers: str) -> Any:
    return door.call("POST", "/v1/comments", data=data, content_type=content_type, headers=headers)


def stored(door: Any) -> int:
    with door.runtime.database.reading() as session:
        return session.scalar(select(func.count()).select_from(Comment)) or 0


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"[" * 100_000, 400, "json-too-deep"),
        (b'{"a":' * 20_000, 400, "json-too-deep"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, 400, "json-too-deep"),
        (GOOD + b'"\\ud800"}', 400, "bad-json"),
        (GOOD + b"NaN}", 400, "bad-json"),
        (GOOD + b"1e999}", 400, "bad-json"),
        (GOOD + b"9" * 5000 + b"}", 400, "bad-json"),
        (GOOD + b"[1]}", 422, "invalid"),
        (GOOD + b'"x\\u0000y"}', 422, "invalid"),
        (GOOD + b'"\\u202e\\u0007"}', 422, "invalid"),
        (GOOD + b'"   "}', 422, "invalid"),
        (GOOD + b'"x","body":"y"}', 400, "duplicate-name"),
        (GOOD + b'"x"', 400, "bad-json"),
        (b"[]", 422, "not-an-object"),
        (b'"text"', 422, "not-an-object"),
        (b"\xff\xfe{\x00}\x00", 400, "bad-json"),
        (GOOD + b'"' + b"x" * 20_001 + b'"}', 422, "invalid"),
        (GOOD + ('"a' + "\u0301\u0327" * 400 + '"}').encode(), 422, "invalid"),
        (GOOD + b'"' + b"x" * 300_000 + b'"}', 413, "too-large"),
    ],
)
def test_what_cannot_be_accepted_is_a_problem_and_nothing_is_stored(
    sqlite_door: Any, data: bytes, status: int, code: str
) -> None:
    answer = send(sqlite_door, data)
    assert (answer.status_code, answer.json["code"], answer.content_type) == (status, code, "application/problem+json")
    assert stored(sqlite_door) == 0


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
        "application/json; charset=utf-7",
        "",
    ],
)
def test_only_json_in_utf_8_is_read(sqlite_door: Any, content_type: str) -> None:
    answer = send(sqlite_door, GOOD + b'"x"}', content_type=content_type)
    assert (answer.status_code, answer.json["code"]) == (415, "media-type")


def test_a_compressed_body_is_refused(sqlite_door: Any) -> None:
    answer = send(sqlite_door, GOOD + b'"x"}', **{"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json["code"]) == (415, "encoding")


@pytest.mark.parametrize(
    ("length", "status", "code"),
    [(None, 411, "length-required"), ("0", 400, "bad-json"), ("131073", 413, "too-large"), ("20", 400, "bad-request")],
)
def test_the_length_of_a_body_is_said_and_kept(sqlite_door: Any, length: str | None, status: int, code: str) -> None:
    headers = Headers({"Authorization": f"Bearer {sqlite_door.keys['secret']}"})
    environ = EnvironBuilder("/v1/comments", method="POST", content_type="application/json", headers=headers).get_environ()
    environ.pop("CONTENT_LENGTH", None)
    if length is not None:
        environ["CONTENT_LENGTH"] = length
    body, said, _ = run_wsgi_app(sqlite_door.app, environ)
    assert (int(said.split()[0]), orjson.loads(b"".join(body))["code"]) == (status, code)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"stray": 1}, "/stray"),
        ({"body": None}, "/body"),
        ({"post": {"url": "javascript:alert(1)", "title": "x"}}, "/post/url"),
        ({"post": {"url": "https://blog.example/a", "title": "x\ny"}}, "/post/title"),
        ({"post": {"title": "x"}}, "/post/url"),
        ({"author": {"name": "Ann", "email": "nobody"}}, "/author/email"),
        ({"author": {"name": "Ann", "ip": "300.1.1.1"}}, "/author/ip"),
        ({"author": {"name": "Ann", "role": "admin"}}, "/author/role"),
        ({"submitted_at": "2026-11-24T12:00:00"}, "/submitted_at"),
        ({"submitted_at": "yesterday"}, "/submitted_at"),
        ({"language": "not a language"}, "/language"),
        ({"seconds_to_submit": -1}, "/seconds_to_submit"),
        ({"parent_id": "nobody"}, "/parent_id"),
    ],
)
def test_a_problem_points_to_the_field(sqlite_door: Any, change: dict[str, Any], pointer: str) -> None:
    answer = sqlite_door.post("/v1/comments", sqlite_door.comment(**change))
    assert answer.status_code == 422
    assert pointer in {error["pointer"] for error in answer.json["errors"]}
    assert stored(sqlite_door) == 0


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"body": "x\x00y"}, "/body", "control-character"),
        ({"body": "\x1b[31mred"}, "/body", "control-character"),
        ({"body": "\ufffe"}, "/body", "noncharacter"),
        ({"body": "a" + "\u0301" * 31}, "/body", "combining-run"),
        ({"body": "\u200b\u200b"}, "/body", "empty"),
        ({"body": "x" * 20_001}, "/body", "too-long"),
        ({"author": {"name": "Ann\x00"}}, "/author/name", "control-character"),
        ({"author": {"name": "Ann\nBob"}}, "/author/name", "control-character"),
        ({"post": {"url": "https://blog.example/a", "excerpt": "\x07"}}, "/post/excerpt", "control-character"),
        ({"honeypot": "\x00"}, "/honeypot", "control-character"),
        ({"external_id": "a\x00"}, "/external_id", "control-character"),
        ({"author": None}, "/author", "null"),
        ({"author/role": 1}, "/author~1role", "unknown-field"),
        ({"post": {}}, "/post/url", "required"),
    ],
)
def test_a_script_can_tell_what_is_wrong(door: Any, change: dict[str, Any], pointer: str, code: str) -> None:
    answer = door.post("/v1/comments", door.comment(**change))
    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    assert (pointer, code) in {(error["pointer"], error["code"]) for error in answer.json["errors"]}


def test_a_parameter_given_twice_is_refused_unless_it_is_a_list(sqlite_door: Any) -> None:
    answer = sqlite_door.get("/v1/comments?limit=1&limit=2")
    assert (answer.status_code, answer.json["code"]) == (400, "repeated-parameter")
    assert sqlite_door.get("/v1/posts/counts?post=a&post=b").status_code == 200


@pytest.mark.parametrize(
    "address", ["http://h/\x00", "http://[", "https://h:99999/", "javascript:1", "https:///x", "https://h/a b"]
)
def test_an_address_that_nobody_could_visit_is_refused(sqlite_door: Any, address: str) -> None:
    answer = sqlite_door.post("/v1/comments", sqlite_door.comment(post={"url": address}))
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/post/url")


def test_reading_changes_nothing(door: Any) -> None:
    """Every GET with every id that exists leaves every row as it was; that a key was used is noted once an hour, before."""
    comment = door.decided(ABUSIVE)
    follower = followed(door)
    endpoint = door.post("/v1/endpoints", {"url": "http://127.0.0.1:9/hook"}).json
    delivery = door.post(f"/v1/endpoints/{endpoint['id']}/test").json
    case = door.get("/v1/cases").json["items"][0]
    ids = {
        **IDS,
        "comment_id": comment["id"],
        "endpoint_id": endpoint["id"],
        "case_id": case["id"],
        "delivery_id": delivery["id"],
        "token": "TOKEN",
    }
    before = everything(door)
    seen = 0
    for rule, method in routes(door.app):
        if method == "GET" and rule.rule != "/v1/stream":
            path = path_of(rule, {**ids, "key": "p1"})
            token = authorship.token_of(SECRET, read("comment", comment["id"]))
            query = "?post=p1" if rule.rule.endswith(("/counts", "/threads", "<site>/comments")) else ""
            path = path.replace("TOKEN", follower if rule.rule.startswith("/f/") else token)
            path += f"?comment={comment['id']}" if rule.rule.endswith("/report") else query
            signed = probing.question(SECRET, now=datetime.now(UTC))
            answer = door.get(path, headers={"Author-Token": token, probing.HEADER: signed})
            assert answer.status_code in {200, 303, 503}, path
            seen += 1
    assert seen > 20
    assert everything(door) == before


def followed(door: Any) -> str:
    """Return the token that opens what an author asked for by mail."""
    with door.runtime.database.transaction() as session:
        comment = session.scalars(select(Comment)).one()
        now = datetime.now(UTC)
        followers.follow(session, comment, "bo@reader.example", language="en", secret=SECRET, now=now)
        session.flush()
        return followers.token_of(SECRET, session.scalars(select(Follower.id)).one())


def everything(door: Any) -> dict[str, list[Any]]:
    with door.runtime.database.reading() as session:
        return {name: sorted(map(repr, session.execute(select(table)))) for name, table in Base.metadata.tables.items()}


@pytest.mark.parametrize(
    "text",
    ["{{7*7}}", "${7*7}", "%s %d", "{0.__class__}", "'; DROP TABLE comment; --", "<script>alert(1)</script>", "\u202eabc", "🏳️‍🌈"],
)
def test_a_text_comes_back_as_it_was_sent(sqlite_door: Any, text: str) -> None:
    made = sqlite_door.submitted(text)
    assert sqlite_door.get(f"/v1/comments/{made['id']}").json["body"] == text


def test_with_a_publishable_key_the_connection_speaks_for_itself(door: Any) -> None:
    plain = {"post": door.comment()["post"], "author": {"name": "Ann", "email": "ann@example.org"}, "body": "A thought."}
    for change in (
        {"author": {"name": "Ann", "id": "7"}},
        {"author": {"name": "Ann", "ip": "203.0.113.1"}},
        {"author": {"name": "Ann", "user_agent": "x"}},
        {"external_id": "wp-1"},
        {"submitted_at": "2026-11-24T12:00:00Z"},
    ):
        answer = door.post("/v1/comments", {**plain, **change}, key="publishable")
        assert (answer.status_code, answer.json["code"]) == (422, "not-yours-to-say")
    assert door.post("/v1/comments", plain, key="publishable").status_code == 202


def test_unknown_routes_and_methods_are_problems(sqlite_door: Any) -> None:
    for method, path, status in (("GET", "/nowhere", 404), ("PUT", "/v1/comments", 405), ("TRACE", "/v1/comments", 405)):
        answer = sqlite_door.call(method, path)
        assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
        assert orjson.loads(answer.data)["request_id"] == answer.headers["X-Request-ID"]


def test_every_answer_has_the_security_headers(sqlite_door: Any) -> None:
    for answer in (sqlite_door.get("/healthz", key=None), sqlite_door.get("/nowhere"), sqlite_door.get("/v1/comments", key=None)):
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Server" not in answer.headers

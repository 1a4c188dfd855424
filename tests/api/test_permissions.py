"""Every route declares what it needs; who has it is one table; another site's things do not exist."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import Rule

from api import doors, limits
from api.auth import PERMISSIONS, PUBLIC, permission_of
from moderation.models import KeyKind, Role
from moderation.services import keys, sites

PUBLIC_ROUTES = {
    "/",
    "/healthz",
    "/readyz",
    "/metrics",
    "/probe",
    "/openapi.json",
    "/docs",
    "/docs/style.css",
    "/embed.js",
    "/embed/page.css",
    "/embed/icon.svg",
    "/embed/texts/<language>.json",
    "/s/<site>/comments",
    "/s/<site>/report",
    "/s/<site>/fragment",
    "/s/<site>/feed.atom",
    "/s/<site>/feed.json",
    "/c/<token>",
    "/c/<token>/edit",
    "/c/<token>/withdraw",
    "/c/<token>/second-look",
    "/console/login",
    "/console/letter",
    "/f/<token>",
    "/f/<token>/stop",
    "/downloads/tidegate-wordpress.php",
    "/console/static/<path:name>",
    "/$discovery/rest",
    "/1.1/test",
    "/discovery/v1/apis/commentanalyzer/v1alpha1/rest",
}
HOLDERS = ("secret", "publishable", "door", *(str(role) for role in Role))
IDS = {
    "comment_id": "cmt_" + "0" * 32,
    "case_id": "case_" + "0" * 32,
    "decision_id": "dec_" + "0" * 32,
    "endpoint_id": "ep_" + "0" * 32,
    "delivery_id": "dlv_" + "0" * 32,
    "publisher_id": "pub_" + "0" * 32,
    "key": "nothing",
    "site": "blog",
    "language": "en",
    "token": "nothing",
}


def routes(app: Flask, *, console: bool = False, at_doors: bool = False) -> Iterator[tuple[Rule, str]]:
    """The routes that keys open, or with ``console`` those that a session opens, or the doors' own."""
    for rule in app.url_map.iter_rules():
        if (rule.endpoint.partition(".")[0] in doors.NAMES) != at_doors:
            continue
        if rule.rule.startswith("/console") != console:
            continue
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
            yield rule, method


def path_of(rule: Rule, ids: Mapping[str, str] = IDS) -> str:
    path = rule.rule
    for argument in rule.arguments:
        path = path.replace(f"<path:{argument}>", ids[argument]).replace(f"<{argument}>", ids[argument])
    return path


def test_every_route_declares_its_permission(door: Any) -> None:
    for rule, method in (*routes(door.app), *routes(door.app, console=True), *routes(door.app, at_doors=True)):
        permission = permission_of(door.app, rule.endpoint, method)
        assert permission in {*PERMISSIONS, PUBLIC}, f"{method} {rule.rule} declares nothing"
        assert (permission == PUBLIC) == (rule.rule in PUBLIC_ROUTES), f"{method} {rule.rule} is {permission}"


def test_each_holder_may_do_what_the_table_says_and_nothing_else(sqlite_door: Any) -> None:
    door = sqlite_door
    seen = 0
    for rule, method in routes(door.app):
        permission = permission_of(door.app, rule.endpoint, method)
        if permission == PUBLIC or rule.rule == "/v1/stream":
            continue
        assert permission is not None
        allowed = {str(holder) for holder in PERMISSIONS[permission]}
        for holder in HOLDERS:
            answer = door.call(method, path_of(rule), key=holder, json={})
            assert (answer.status_code != 403) == (holder in allowed), f"{method} {rule.rule} as {holder}: {answer.text}"
            assert answer.status_code < 500
            seen += 1
        # There are more routes than wrong keys that one address may try in a minute.
        door.context.limits._memory = limits.Limits(door.runtime)._memory
        assert door.call(method, path_of(rule), key=None, json={}).status_code == 401
    assert seen > 100


def test_another_sites_things_do_not_exist(door: Any) -> None:
    comment = door.decided("You are a stupid, worthless idiot and everybody hates you.")
    case = door.get("/v1/cases").json["items"][0]
    endpoint = door.post("/v1/endpoints", {"url": "http://127.0.0.1:9/x"}).json
    for method, path in (
        ("GET", f"/v1/comments/{comment['id']}"),
        ("PATCH", f"/v1/comments/{comment['id']}"),
        ("DELETE", f"/v1/comments/{comment['id']}"),
        ("GET", f"/v1/cases/{case['id']}"),
        ("POST", f"/v1/comments/{comment['id']}/decisions"),
        ("GET", f"/v1/endpoints/{endpoint['id']}"),
        ("DELETE", f"/v1/endpoints/{endpoint['id']}"),
        ("GET", "/v1/posts/p1/comments"),
    ):
        body = {"body": "x", "verdict": "approve", "revision": 1}
        wanted = {"PATCH": {"body": body["body"]}, "POST": {"verdict": "approve", "revision": 1}}.get(method)
        answer = door.call(method, path, key="stranger", json=wanted)
        assert answer.status_code == 404, f"{method} {path}: {answer.text}"
    assert door.get(f"/v1/comments/{comment['id']}").json["status"] == "flagged"


@pytest.mark.parametrize("header", ["Cookie", "X-Key"])
def test_a_key_is_not_taken_from_elsewhere(sqlite_door: Any, header: str) -> None:
    key = sqlite_door.keys["secret"]
    assert sqlite_door.get("/v1/comments", key=None, headers={header: f"key={key}"}).status_code == 401
    assert sqlite_door.get(f"/v1/comments?key={key}", key=None).status_code == 401
    assert sqlite_door.get("/v1/comments", key=None, headers={"X-API-Key": key}).status_code == 200


def test_a_revoked_key_and_a_lost_role_end_with_the_next_request(door: Any) -> None:
    now = datetime.now(UTC)
    for holder in ("secret", "moderator"):
        assert door.get("/v1/comments", key=holder).status_code == 200
    with door.runtime.database.transaction() as session:
        site = sites.find(session, "blog")
        secret = next(key for key in keys.page(session, site.id) if key.kind is KeyKind.SECRET)
        keys.revoke(session, site.id, secret.id, by="test", now=now)
        person = next(user for user, role in sites.members(session, site.id) if role is Role.MODERATOR)
        sites.remove_member(session, site.id, person.id, by="test", now=now)
    for holder in ("secret", "moderator"):
        answer = door.get("/v1/comments", key=holder)
        assert (answer.status_code, answer.json["code"], answer.headers["WWW-Authenticate"]) == (401, "bad-key", "Bearer")
    assert door.get("/v1/comments", key="editor").status_code == 200


def test_a_bad_key_is_told_the_same_whatever_is_wrong_with_it(sqlite_door: Any) -> None:
    good = sqlite_door.keys["secret"]
    wrong = (good[:-1] + ("0" if good[-1] != "0" else "1"), "tg_sk_", "x", good.replace("tg_sk", "tg_pk"), "\u00e9")
    answers = [sqlite_door.get("/v1/comments", key=key) for key in wrong]
    assert {(answer.status_code, answer.json["detail"]) for answer in answers} == {
        (401, "The API key is missing, wrong, expired or revoked.")
    }

"""The OpenAI door: thirteen categories from our attributes, errors in OpenAI's shape, and nothing unscored that looks clean."""

import gzip
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from api import openapi
from api.doors import openai
from moderation.scoring.choice import Chosen
from moderation.services import choosing, sites
from moderation.services.asking import Scored
from tests.api.conftest import ABUSIVE, CIVIL, DESCRIBED

PATH = "/v1/moderations"
THREAT = "I will find you and kill you."
CATEGORIES = {
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/intent", "self-harm/instructions", "sexual", "sexual/minors", "violence", "violence/graphic",
}  # fmt: skip
UNBACKED = {
    "illicit", "illicit/violent", "self-harm", "self-harm/intent", "self-harm/instructions", "sexual/minors", "violence/graphic",
}  # fmt: skip


def ask(door: Any, given: Any, **options: Any) -> Any:
    return door.post(PATH, {"input": given, **options}, key="door")


def scores_of(door: Any, given: Any) -> dict[str, float]:
    (result,) = ask(door, given).json["results"]
    return dict(result["category_scores"])


def test_a_text_has_one_result_with_thirteen_categories_in_three_maps(sqlite_door: Any) -> None:
    answer = ask(sqlite_door, ABUSIVE, model="omni-moderation-latest")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.headers["x-request-id"]
    assert set(answer.json) == {"id", "model", "results"}
    assert answer.json["id"].startswith("modr-")
    (result,) = answer.json["results"]
    assert set(result) == {"flagged", "categories", "category_scores", "category_applied_input_types"}
    assert (
        set(result["categories"]) == set(result["category_scores"]) == set(result["category_applied_input_types"]) == CATEGORIES
    )
    assert all(0 <= score <= 1 for score in result["category_scores"].values())
    assert all(types == ["text"] for types in result["category_applied_input_types"].values())
    assert result["flagged"] is True
    assert {name for name, found in result["categories"].items() if found} == {"harassment"}


def test_the_model_that_scored_is_named_whatever_was_asked_for(sqlite_door: Any) -> None:
    named = {ask(sqlite_door, CIVIL, **given).json["model"] for given in ({}, {"model": "text-moderation-stable"})}
    (version,) = named
    assert version.startswith(sqlite_door.runtime.shelf().scorer().version)


def test_each_text_has_a_result_of_its_own_in_order_and_parts_share_one(sqlite_door: Any) -> None:
    several = ask(sqlite_door, [CIVIL, ABUSIVE, CIVIL]).json["results"]
    assert [result["flagged"] for result in several] == [False, True, False]
    parts = [{"type": "text", "text": CIVIL}, {"type": "text", "text": ABUSIVE}]
    (together,) = ask(sqlite_door, parts).json["results"]
    assert together["flagged"] is True


def test_categories_are_the_documented_attributes_and_what_none_backs_is_nought(sqlite_door: Any) -> None:
    for text in (ABUSIVE, THREAT, CIVIL):
        ours = sqlite_door.runtime.shelf().scorer().score([text])[0]
        found = scores_of(sqlite_door, text)
        assert found["harassment"] == ours["insult"]
        assert found["harassment/threatening"] == found["violence"] == ours["threat"]
        assert found["hate"] == ours["identity_attack"]
        assert found["hate/threatening"] == min(ours["identity_attack"], ours["threat"])
        assert found["sexual"] == ours["sexual_explicit"]
        assert {found[name] for name in UNBACKED} == {0.0}
    (threat,) = ask(sqlite_door, THREAT).json["results"]
    assert threat["flagged"]
    assert threat["categories"]["violence"]
    assert not threat["categories"]["violence/graphic"]


def test_a_site_pinned_to_a_version_that_is_gone_is_to_try_again(sqlite_door: Any) -> None:
    with sqlite_door.runtime.database.transaction() as session:
        gone = Chosen(version="bundled-0+00000000")
        choosing.use(session, sites.find(session, "blog").id, gone, by="test", now=datetime.now(UTC))
    assert ask(sqlite_door, CIVIL).status_code == 503


def test_without_a_model_of_it_explicit_is_obscene(sqlite_door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"insult": 0.0, "threat": 0.0, "identity_attack": 0.0, "obscene": 0.9}
    monkeypatch.setattr(type(sqlite_door.context.models), "within", lambda *_: Scored(values, 0.0, "one"))
    assert scores_of(sqlite_door, CIVIL)["sexual"] == 0.9


@pytest.mark.parametrize(
    "found",
    [Scored(None, None, "late"), Scored({"insult": 0.0, "threat": 0.0, "obscene": 0.0}, 0.0, "without identity_attack")],
    ids=["late", "incomplete"],
)
def test_what_was_not_scored_is_to_be_tried_again_and_never_clean(
    sqlite_door: Any, monkeypatch: pytest.MonkeyPatch, found: Scored
) -> None:
    monkeypatch.setattr(type(sqlite_door.context.models), "within", lambda *_: found)
    answer = ask(sqlite_door, [CIVIL, ABUSIVE])
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert answer.json["error"]["type"] == "server_error"
    assert "results" not in answer.json


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, "input", "missing_required_parameter"),
        ({"input": None}, "input", "missing_required_parameter"),
        ({"input": []}, "input", "empty_array"),
        ({"input": 7}, "input", "invalid_type"),
        ({"input": [1, 2]}, "input", "invalid_type"),
        ({"input": ["a", {"type": "text", "text": "b"}]}, "input", "invalid_type"),
        ({"input": [{"type": "text"}]}, "input", "invalid_type"),
        ({"input": [{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}]}, "input", "image_not_supported"),
        ({"input": ["x"] * 101}, "input", "array_above_max_length"),
        ({"input": "x" * 20_001}, "input", "string_above_max_length"),
        ({"input": "x", "model": 5}, "model", "invalid_type"),
        ({"input": "x", "model": ""}, "model", "invalid_type"),
    ],
)
def test_a_callers_fault_is_a_400_that_names_the_parameter(sqlite_door: Any, body: Any, param: str, code: str) -> None:
    answer = sqlite_door.post(PATH, body, key="door")
    error = answer.json["error"]
    assert (answer.status_code, error["type"], error["param"], error["code"]) == (400, "invalid_request_error", param, code)
    assert error["message"]


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b'{"input":' * 5000, b"\xff\xfe"])
def test_a_body_that_nobody_can_read_is_a_400_with_all_four_keys(sqlite_door: Any, data: bytes) -> None:
    answer = sqlite_door.call("POST", PATH, key="door", data=data)
    assert answer.status_code == 400
    assert set(answer.json["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("key", [None, "abcdefghijkl", "x"])
def test_a_missing_or_wrong_key_is_the_error_that_clients_know(sqlite_door: Any, key: str | None) -> None:
    answer = sqlite_door.post(PATH, {"input": CIVIL}, key=key)
    assert (answer.status_code, answer.json["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("kind", ["secret", "publishable", "moderator"])
def test_our_own_apis_keys_do_not_open_the_door_nor_its_key_our_api(sqlite_door: Any, kind: str) -> None:
    answer = sqlite_door.post(PATH, {"input": CIVIL}, key=kind)
    assert (answer.status_code, answer.json["error"]["type"]) == (403, "invalid_request_error")
    assert sqlite_door.get("/v1/comments", key="door").status_code == 403


def test_other_methods_are_refused_in_the_same_shape(sqlite_door: Any) -> None:
    answer = sqlite_door.get(PATH, key="door")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert set(answer.json["error"]) == {"message", "type", "param", "code"}


def test_odd_media_types_and_half_characters_are_read(sqlite_door: Any) -> None:
    for media_type in (None, "text/plain", "charset=utf-8; application/json"):
        sent = b'{"input": "Fine \\ud83d weather", "user": "unknown fields are ignored"}'
        answer = sqlite_door.call("POST", f"{PATH}/", key="door", data=sent, content_type=media_type)
        assert answer.status_code == 200
        assert answer.json["results"][0]["flagged"] is False


def test_a_packed_body_and_a_slash_too_many_are_read(sqlite_door: Any) -> None:
    data, key = gzip.compress(orjson.dumps({"input": CIVIL})), {"Authorization": f"Bearer {sqlite_door.keys['door']}"}
    for path in ("/v1/moderations", "/v1//moderations", "/v1/moderations/"):
        answer = sqlite_door.client.post(path, data=data, headers={**key, "Content-Encoding": "gzip"})
        assert answer.status_code == 200
    answer = sqlite_door.client.post("/v1/moderations", data=data, headers={**key, "Content-Encoding": "br"})
    assert (answer.status_code, answer.json["error"]["type"]) == (415, "invalid_request_error")


def test_nothing_is_stored(sqlite_door: Any) -> None:
    assert ask(sqlite_door, ABUSIVE).status_code == 200
    assert sqlite_door.get("/v1/comments").json["items"] == []


def test_too_many_requests_are_told_as_openai_does(sqlite_door: Any) -> None:
    wrong = [sqlite_door.post(PATH, {"input": CIVIL}, key="abcdefghijkl") for _ in range(40)]
    answer = next(each for each in wrong if each.status_code == 429)
    assert (answer.status_code, answer.json["error"]["type"], answer.json["error"]["code"]) == (
        429,
        "rate_limit_exceeded",
        "rate_limit_exceeded",
    )
    assert int(answer.headers["Retry-After"]) > 0


def test_a_fault_of_ours_is_an_error_that_says_nothing_of_the_text(sqlite_door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("secret text")

    monkeypatch.setattr(openai, "_result", broken)
    answer = ask(sqlite_door, CIVIL)
    assert (answer.status_code, answer.json["error"]["type"]) == (500, "server_error")
    assert "secret" not in answer.text


def test_the_description_of_our_api_does_not_have_the_doors_path(sqlite_door: Any) -> None:
    assert PATH not in DESCRIBED["paths"]
    assert PATH not in openapi.description(sqlite_door.app)["paths"]


GERMAN = "Das ist ein sehr schöner und kluger Artikel, vielen Dank an die Redaktion dafür."


def test_a_text_in_a_language_that_no_model_knows_is_an_error_and_has_no_score(sqlite_door: Any) -> None:
    for given, number in ((GERMAN, 1), ([CIVIL, GERMAN], 2), ([{"type": "text", "text": GERMAN}], 1)):
        answer = ask(sqlite_door, given)
        assert answer.status_code == 400
        error = answer.json["error"]
        assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", "input", "language_not_supported")
        assert f"Text {number} of 'input' is in a language (de)" in error["message"]


def test_digits_and_signs_are_in_every_language(sqlite_door: Any) -> None:
    assert ask(sqlite_door, "12 + 30 = 42").status_code == 200

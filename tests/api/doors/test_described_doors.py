"""Whatever other systems' clients may send by their protocols is answered in its own shape, and is no fault of ours."""

import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from api.limits import Limits
from tests.api.described import ask_everything
from tests.api.doors.test_anything_at_doors import SIGNED_WITH, keep_secret
from tests.docs.pages import listening

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

JSON = "application/json"
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")
CONFIG = """
[checks]
# "Try again" is what Perspective's and OpenAI's clients are told when the models are late.
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "503"]
"""
SIGNS = f"""
import hmac
import schemathesis

class Signed:
    def __call__(self, request):
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        request.headers["X-Coral-Signature"] = "sha256=" + hmac.new({SIGNED_WITH!r}.encode(), body, "sha256").hexdigest()
        return request

@schemathesis.hook
def before_call(context, case, kwargs):
    if case.operation.path.startswith("/coral/"):
        kwargs["auth"] = Signed()
"""


def obj(required: str = "", **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required.split()}


def only(required: str = "", **properties: Any) -> dict[str, Any]:
    return {**obj(required, **properties), "additionalProperties": False}


def each(*types: str) -> dict[str, Any]:
    return {"type": list(types)}


# What is good is described narrowly enough to be sent often; what is not, Schemathesis makes of it by itself.
TEXT, FLAG, OPAQUE = each("string"), each("boolean"), obj()
ENGLISH = {"type": "string", "pattern": "^(Thank you for|I disagree with) this article about [a-z]{3,9}[.]$"}
SCORE = obj("value type", value={"type": "number", "minimum": 0, "maximum": 1}, type={"const": "PROBABILITY"})
SPAN = obj("begin end score", begin=each("integer"), end=each("integer"), score=SCORE)
FOUND = obj("spanScores summaryScore", spanScores={"type": "array", "items": SPAN}, summaryScore=SCORE)
ATTRIBUTE = obj(scoreType={"enum": ["PROBABILITY"]}, scoreThreshold={"type": "number"})
ANALYZE = obj(
    "comment requestedAttributes",
    comment=obj("text", text=ENGLISH, type={"enum": ["PLAIN_TEXT"]}, lang=TEXT),
    context=obj(entries={"type": "array", "items": obj(text=TEXT)}),
    requestedAttributes=only("TOXICITY", TOXICITY=ATTRIBUTE, FLIRTATION=ATTRIBUTE, SPAM=ATTRIBUTE),
    languages={"type": "array", "items": {"enum": ["en", "en-GB"]}, "maxItems": 2},
    doNotStore=FLAG, clientToken=TEXT, sessionId=TEXT, communityId=TEXT, spanAnnotations=FLAG,
)  # fmt: skip
SUGGEST = obj(
    "comment attributeScores",
    comment=obj("text", text=ENGLISH),
    attributeScores=only("TOXICITY", TOXICITY=obj("summaryScore", summaryScore=obj("value", value={"enum": [0, 0.5, 1]}))),
    languages={"type": "array", "items": {"enum": ["en"]}, "maxItems": 1}, communityId=TEXT, clientToken=TEXT,
)  # fmt: skip
REFUSED = obj("error", error=obj("code message status details", details={"type": "array", "minItems": 1}))
PARTS = {"type": "array", "items": {"oneOf": [obj("type text", type={"const": "text"}, text=TEXT), OPAQUE]}, "maxItems": 3}
MODERATE = obj("input", input={"oneOf": [TEXT, {"type": "array", "items": TEXT, "maxItems": 3}, PARTS]}, model=TEXT)
RESULT = obj("flagged categories category_scores category_applied_input_types")
JUDGED = obj("id model results", results={"type": "array", "items": RESULT})
OPENAI_ERROR = obj("error", error=obj("message type param code"))
PHASE = obj(
    "action comment author story",
    action={"enum": ["NEW", "EDIT"]},
    comment=obj("body", body=TEXT, parentID=each("string", "null")),
    author=obj("id", id=TEXT, role=TEXT),
    story=obj("id url", id=TEXT, url={"enum": ["https://blog.example/a", "", "no address"]}),
)
ANSWERED = obj("status", status={"enum": ["NONE", "REJECTED", "SYSTEM_WITHHELD"]})
EVENT = obj(
    "type data",
    type={"enum": ["COMMENT_CREATED", "COMMENT_LEFT_MODERATION_QUEUE", "STORY_CREATED"]},
    data=obj(
        "commentID", commentID=TEXT, storyID=TEXT, authorID=TEXT, body=TEXT, status={"enum": ["APPROVED", "REJECTED", "NONE"]}
    ),
)
CHECK = obj(
    "api_key blog user_ip",
    api_key={"type": "string"}, blog=TEXT, user_ip=TEXT, comment_type=TEXT, comment_author=TEXT, comment_author_email=TEXT,
    comment_content=TEXT, permalink=TEXT, user_role=TEXT, is_test=TEXT, comment_date_gmt=TEXT, honeypot_field_name=TEXT,
)  # fmt: skip


def post(
    body: dict[str, Any], *, answers: Mapping[str, dict[str, Any] | None], sent: str = JSON, told: str = JSON
) -> dict[str, Any]:
    """Return the description of a route: its body, and by status the schema of the answer (None where it has no body)."""
    responses = {
        status: {"description": "", **({"content": {told: {"schema": schema}}} if schema else {})}
        for status, schema in answers.items()
    }
    return {"post": {"requestBody": {"required": True, "content": {sent: {"schema": body}}}, "responses": responses}}


def described(key: str) -> dict[str, Any]:
    """Return what other systems' documentation says of their protocols, as OpenAPI, for the holder of a door's key."""
    words = {"type": "string", "enum": ["true", "false", "invalid"]}
    check = {**CHECK, "properties": {**CHECK["properties"], "api_key": {"enum": [key, "", "x"]}}}
    google = {"200": obj(attributeScores={"type": "object", "additionalProperties": FOUND}), "400": REFUSED, "503": REFUSED}
    return {
        "openapi": "3.1.0",
        "info": {"title": "The doors", "version": "1"},
        "paths": {
            "/v1alpha1/comments:analyze": post(ANALYZE, answers=google),
            "/v1alpha1/comments:suggestscore": post(SUGGEST, answers={**google, "200": OPAQUE}),
            "/v1/moderations": post(MODERATE, answers={"200": JUDGED, "400": OPENAI_ERROR, "503": OPENAI_ERROR}),
            "/coral/blog": post(PHASE, answers={"200": ANSWERED, "204": None, "400": None, "422": None}),
            "/coral/blog/events": post(EVENT, answers={"200": obj("joined", joined=FLAG), "204": None, "400": None, "422": None}),
            "/1.1/comment-check": post(
                check, answers={"200": words}, sent="application/x-www-form-urlencoded", told="text/plain"
            ),
        },
    }


def test_every_door_keeps_to_its_protocol(sqlite_door: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Limits, "spend", lambda *_: None)
    monkeypatch.setattr("api.doors.akismet.WAIT", 0.0)
    keep_secret(sqlite_door)
    key = sqlite_door.keys["door"]
    (tmp_path / "doors.json").write_bytes(orjson.dumps(described(key)))
    (tmp_path / "signs.py").write_text(SIGNS)
    config = f'headers = {{ Authorization = "Bearer {key}", X-Goog-Api-Key = "{key}" }}\n{CONFIG}'
    with listening(sqlite_door.app) as base:
        schema = str(tmp_path / "doors.json")
        ask_everything(schema, base, tmp_path, config=config, hooks="signs", checks=CHECKS, examples=6, seconds=20)


def test_the_signature_of_these_requests_is_corals() -> None:
    names: dict[str, Any] = {}
    exec(SIGNS.partition("@schemathesis")[0].replace("import schemathesis", ""), names)
    request = type("Request", (), {"body": b"{}", "headers": {}})()
    expected = hmac.digest(SIGNED_WITH.encode(), b"{}", "sha256").hex()
    assert names["Signed"]()(request).headers == {"X-Coral-Signature": f"sha256={expected}"}

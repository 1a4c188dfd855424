"""Whatever is sent to a door by who may: an answer in that protocol's own shape, and never a fault of ours."""

import hmac
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import limits
from moderation.services import signing, sites
from tests.api.conftest import CIVIL, SECRET
from tests.api.test_anything import SCALARS

SIGNED_WITH = "ssec_0123456789abcdef0123456789abcdef"
NAMES = (
    "input", "model", "type", "text", "image_url", "action", "comment", "body", "parentID", "author", "id", "role", "story",
    "url", "site", "tenantID", "data", "commentID", "storyID", "authorID", "status", "comment_content", "comment_author", "blog",
    "user_ip", "permalink", "honeypot_field_name", "comment_date_gmt", "month", "limit", "offset", "format", "filter",
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4), max_leaves=8
)
BODIES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8)
PHASE: dict[str, Any] = {
    "action": "NEW",
    "comment": {"body": CIVIL, "parentID": None},
    "author": {"id": "u-1", "role": "COMMENTER"},
    "story": {"id": "s-1", "url": "https://blog.example/arms"},
}
EXAMPLES = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)


def keep_secret(door: Any) -> None:
    """Have the blog's site know the secret that Coral signs with; a second time changes nothing."""
    with door.runtime.database.transaction() as session:
        site, now = sites.find(session, "blog"), datetime.now(UTC)
        if not signing.page(session, site.id, door="coral"):
            signing.add(session, site.id, door="coral", shown=SIGNED_WITH, name="phase", secret=SECRET, by="test", now=now)


@pytest.mark.slow
@EXAMPLES
@given(body=BODIES)
def test_openais_door_answers_in_its_shape(sqlite_door: Any, body: dict[str, Any]) -> None:
    sqlite_door.context.limits._memory = limits.Limits(sqlite_door.runtime)._memory
    answer = sqlite_door.call("POST", "/v1/moderations", key="door", data=orjson.dumps(body))
    assert answer.status_code in {200, 400}
    assert set(answer.json) == ({"id", "model", "results"} if answer.status_code == 200 else {"error"})


@pytest.mark.slow
@EXAMPLES
@given(body=BODIES, part=st.sampled_from((*PHASE, "")))
def test_corals_door_answers_in_its_shape(sqlite_door: Any, body: dict[str, Any], part: str) -> None:
    sqlite_door.context.limits._memory = limits.Limits(sqlite_door.runtime)._memory
    keep_secret(sqlite_door)
    told: dict[str, Any] = {"type": "COMMENT_CREATED"}
    for path, good in (("/coral/blog", PHASE), ("/coral/blog/events", told)):
        sent = {**good, **body, **({part: {**good[part], **body}} if isinstance(good.get(part), dict) else {})}
        data = orjson.dumps(sent)
        signature = hmac.digest(SIGNED_WITH.encode(), data, "sha256").hex()
        answer = sqlite_door.client.post(path, data=data, headers={"X-Coral-Signature": f"sha256={signature}"})
        assert answer.status_code in {200, 204, 422}, answer.text
        if answer.status_code == 200 and path == "/coral/blog":
            assert answer.json["status"] in {"NONE", "REJECTED", "SYSTEM_WITHHELD"}


@pytest.mark.slow
@EXAMPLES
@given(body=st.dictionaries(st.sampled_from(NAMES), SCALARS.map(str), max_size=8))
def test_akismets_door_answers_in_its_shape(sqlite_door: Any, monkeypatch: pytest.MonkeyPatch, body: dict[str, str]) -> None:
    monkeypatch.setattr("api.doors.akismet.WAIT", 0.0)
    sqlite_door.context.limits._memory = limits.Limits(sqlite_door.runtime)._memory
    sent = {"api_key": sqlite_door.keys["door"], "blog": "https://blog.example", "user_ip": "", **body}
    for call in ("1.1/comment-check", "1.1/submit-spam", "1.2/usage-limit", "1.2/key-sites"):
        answer = sqlite_door.client.post(f"/{call}", data=sent)
        assert answer.status_code == 200, answer.text
        if call == "1.1/comment-check":
            assert answer.data in {b"true", b"false", b"invalid"}

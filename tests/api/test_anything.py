"""Whatever is sent to whichever route, with a good key: an answer, never a fault of ours, and every refusal a problem."""

from typing import Any
from urllib.parse import quote, urlencode

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import limits
from tests.api.conftest import ABUSIVE
from tests.api.test_permissions import path_of, routes

NAMES = (
    "post", "author", "body", "parent_id", "external_id", "submitted_at", "language", "honeypot", "seconds_to_submit", "verdict",
    "revision", "decision_seq", "reason", "note", "items", "url", "event_types", "include_text", "state", "since", "endpoint",
    "after", "limit", "status", "kind", "escalated", "sort", "nested", "id", "name", "email", "__proto__", "",
)  # fmt: skip
NASTY = (
    None, True, 0, -1, 2**31, 2**63, 1e300, "", "\x00", "\u202e", "\ufffe", "😀", "a" * 5000, "1e999", "nan~case_" + "0" * 32,
    "cmt_" + "0" * 32, "cmt_" + "F" * 32, "%00", "'--", "2026-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "http://[", "..",
)  # fmt: skip
SCALARS = (
    st.sampled_from(NASTY)
    | st.text(max_size=20)
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4), max_leaves=8
)
BODIES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6)
QUERIES = st.dictionaries(st.sampled_from(NAMES), SCALARS.map(str), max_size=2)


HEADER_NAMES = ("Idempotency-Key", "Prefer", "If-None-Match")
HEADER_VALUES = ("k", '"k"', "*", "wait=0", "wait=-1", ";;", "é")
HEADERS = st.lists(st.tuples(st.sampled_from(HEADER_NAMES), st.sampled_from(HEADER_VALUES)), max_size=2)


PARTS = 12
"""The routes are visited in so many parts: more in one example would be too much for Hypothesis to draw."""


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(data=st.data())
def test_nothing_that_is_sent_is_a_fault_of_ours(door: Any, part: int, data: st.DataObject) -> None:
    if not door._sent:
        door.decided(ABUSIVE)
    case = door.get("/v1/cases").json["items"] or [{"id": "none", "comment": {"id": "none"}}]
    door.context.limits._memory = limits.Limits(door.runtime)._memory
    known = {"comment_id": case[0]["comment"]["id"], "case_id": case[0]["id"], "key": "p1"}
    for rule, method in sorted(routes(door.app), key=lambda route: (route[0].rule, route[1]))[part::PARTS]:
        if rule.rule == "/v1/stream":
            continue
        path = path_of(rule)
        for argument in rule.arguments:
            chosen = data.draw(st.sampled_from((known.get(argument, ""), None)) | SCALARS.map(str), label=argument)
            if chosen:
                path = rule.rule.replace(f"<path:{argument}>", quote(chosen)).replace(f"<{argument}>", quote(chosen, safe=""))
        good = door.comment() if data.draw(st.booleans()) else {}
        answer = door.call(
            method,
            f"{path}?{urlencode(data.draw(QUERIES))}",
            key=data.draw(st.sampled_from(("secret", "admin"))),
            data=orjson.dumps({**good, **data.draw(BODIES)}),
            content_type="application/json",
            headers=dict(data.draw(HEADERS)),
        )
        assert answer.status_code < 500 or rule.rule == "/readyz", f"{method} {path}: {answer.text}"
        for_people = rule.rule.startswith(("/s/", "/c/", "/f/")) and (answer.content_type or "").startswith("text/html")
        assert (
            answer.status_code < 400 or rule.rule == "/readyz" or for_people or answer.content_type == "application/problem+json"
        )


@pytest.mark.parametrize("trouble", ["Idempotency-Key", "Prefer"])
def test_a_header_that_is_not_ascii_is_no_fault_of_ours(sqlite_door: Any, trouble: str) -> None:
    answer = sqlite_door.post("/v1/comments", sqlite_door.comment(), headers={trouble: "wait=\xff"})
    assert answer.status_code in {202, 400}

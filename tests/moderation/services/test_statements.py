"""Statements of reasons: in the shape that the EU's transparency database takes, and without a word of the comment."""

from datetime import timedelta
from typing import Any

import jsonschema
import orjson
import pytest

from moderation.ids import show
from moderation.models import Subject
from moderation.policy.shipped import REASONS
from moderation.policy.verdict import Verdict
from moderation.services import policies, reports
from moderation.services.statements import statements

ABUSIVE = "You are a stupid, worthless idiot and everybody here hates you."
RUDE = """
name = "rude"
summary = "Rejects what is rude."

[[rule]]
name = "rude"
when = "toxicity >= 0.50"
verdict = "reject"
reason = 1
explanation = "Rude comments are not published."
"""
CATEGORIES = (
    "ANIMAL_WELFARE",
    "CONSUMER_INFORMATION",
    "CYBER_VIOLENCE",
    "CYBER_VIOLENCE_AGAINST_WOMEN",
    "DATA_PROTECTION_AND_PRIVACY_VIOLATIONS",
    "ILLEGAL_OR_HARMFUL_SPEECH",
    "INTELLECTUAL_PROPERTY_INFRINGEMENTS",
    "NEGATIVE_EFFECTS_ON_CIVIC_DISCOURSE_OR_ELECTIONS",
    "NOT_SPECIFIED_NOTICE",
    "OTHER_VIOLATION_TC",
    "PROTECTION_OF_MINORS",
    "RISK_FOR_PUBLIC_SECURITY",
    "SCAMS_AND_FRAUD",
    "SELF_HARM",
    "UNSAFE_AND_PROHIBITED_PRODUCTS",
    "VIOLENCE",
)
KEYWORDS = (
    "HATE_SPEECH",
    "CYBER_BULLYING_INTIMIDATION",
    "CYBER_HARASSMENT",
    "CYBER_INCITEMENT",
    "DEFAMATION",
    "DISCRIMINATION",
    "INCITEMENT_VIOLENCE_HATRED",
    "PHISHING",
    "HIDDEN_ADVERTISEMENT",
    "SUICIDE",
    "SELF_MUTILATION",
    "NUDITY",
    "OTHER",
)


def text(longest: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": longest}


DAY = {"type": "string", "pattern": r"^20\d\d-\d\d-\d\d$"}
SHAPE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": [
        "decision_visibility",
        "decision_ground",
        "content_type",
        "category",
        "content_date",
        "application_date",
        "decision_facts",
        "source_type",
        "automated_detection",
        "automated_decision",
        "puid",
    ],
    "properties": {
        "decision_visibility": {"items": {"enum": [f"DECISION_VISIBILITY_CONTENT_{each}" for each in ("REMOVED", "DISABLED")]}},
        "decision_ground": {"enum": ["DECISION_GROUND_INCOMPATIBLE_CONTENT", "DECISION_GROUND_ILLEGAL_CONTENT"]},
        "incompatible_content_ground": text(500),
        "incompatible_content_explanation": text(2000),
        "incompatible_content_illegal": {"enum": ["Yes", "No"]},
        "illegal_content_legal_ground": text(500),
        "illegal_content_explanation": text(2000),
        "content_type": {"const": ["CONTENT_TYPE_TEXT"]},
        "category": {"enum": [f"STATEMENT_CATEGORY_{each}" for each in CATEGORIES]},
        "category_specification": {"type": "array", "items": {"enum": [f"KEYWORD_{each}" for each in KEYWORDS]}},
        "category_specification_other": text(500),
        "content_language": {"type": "string", "pattern": "^[A-Z]{2}$"},
        "content_date": DAY,
        "application_date": DAY,
        "decision_facts": text(5000),
        "source_type": {
            "enum": ["SOURCE_VOLUNTARY", "SOURCE_ARTICLE_16", "SOURCE_TRUSTED_FLAGGER", "SOURCE_TYPE_OTHER_NOTIFICATION"]
        },
        "automated_detection": {"enum": ["Yes", "No"]},
        "automated_decision": {"enum": [f"AUTOMATED_DECISION_{each}" for each in ("FULLY", "PARTIALLY", "NOT_AUTOMATED")]},
        "puid": {"type": "string", "pattern": "^[a-zA-Z0-9-_]+$", "maxLength": 500},
    },
    "if": {"properties": {"decision_ground": {"const": "DECISION_GROUND_ILLEGAL_CONTENT"}}},
    "then": {"required": ["illegal_content_legal_ground", "illegal_content_explanation"]},
    "else": {"required": ["incompatible_content_ground", "incompatible_content_explanation"]},
}


def made(blog: Any, *, days: int = 1) -> list[dict[str, Any]]:
    until = blog.start + timedelta(days=1)
    found = list(statements(blog.database, blog.site_id, since=blog.start - timedelta(days=days), until=until))
    for each in found:
        jsonschema.Draft202012Validator(SHAPE).validate(each)
        assert b"idiot" not in orjson.dumps(each)
    return found


@pytest.mark.parametrize("reason", REASONS)
def test_each_reason_of_a_moderator_is_one_that_the_database_has(blog: Any, reason: int) -> None:
    decision = blog.decide(blog.judged(ABUSIVE, language="en-GB"), Verdict.REJECT, reason=reason, note="section 185 of the code")
    (found,) = made(blog)
    assert found["puid"] == show("decision", decision.id)
    assert found["category"] == f"STATEMENT_CATEGORY_{REASONS[reason].dsa_category}"
    assert found["decision_visibility"] == ["DECISION_VISIBILITY_CONTENT_DISABLED"]
    assert (found["automated_detection"], found["automated_decision"]) == ("Yes", "AUTOMATED_DECISION_NOT_AUTOMATED")
    assert found.get("illegal_content_legal_ground") == ("section 185 of the code" if reason == 8 else None)
    assert found["content_language"] == "EN"


def test_what_was_public_is_removed_and_what_readers_reported_was_notified(blog: Any) -> None:
    comment = blog.judged()
    with blog.database.transaction() as session:
        reports.report(session, blog.site_id, blog.id_of(comment.id), reason=1, reporter=(b"a reader",), now=blog.start)
    blog.decide(blog.view(comment.id), Verdict.REJECT, reason=1)
    (found,) = made(blog)
    assert found["decision_visibility"] == ["DECISION_VISIBILITY_CONTENT_REMOVED"]
    assert (found["source_type"], found["automated_detection"]) == ("SOURCE_TYPE_OTHER_NOTIFICATION", "No")
    assert "Readers had reported it." in found["decision_facts"]


def test_a_rejection_by_the_machine_says_so_and_what_was_undone_or_is_older_is_not_there(blog: Any) -> None:
    undone = blog.decide(blog.judged(ABUSIVE), Verdict.REJECT, reason=1)
    blog.undo(undone)
    assert made(blog) == []
    with blog.database.transaction() as session:
        policies.add_version(session, blog.site_id, Subject.POLICY, "rude", {"toml": RUDE}, by="test", now=blog.start)
    blog.activate("rude", minutes=1)
    blog.judged(f"{ABUSIVE} Again.")
    (found,) = made(blog)
    assert (found["automated_decision"], found["source_type"]) == ("AUTOMATED_DECISION_FULLY", "SOURCE_VOLUNTARY")
    assert found["category"] == "STATEMENT_CATEGORY_CYBER_VIOLENCE"
    assert made(blog, days=-2) == []

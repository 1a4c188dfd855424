"""Replaying decisions: the same policy changes nothing, another one is charged rule by rule, and moderators are the measure."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from moderation.models import Assessment, Decision
from moderation.policy.rules import Policy
from moderation.policy.shipped import SHIPPED
from moderation.policy.verdict import Verdict
from moderation.services.replay import EXAMPLES, Replayed, replay
from tests.moderation.services.conftest import ABUSIVE, CIVIL

LETTERS = """
name = "letters"
summary = "A person reads whatever has letters in it, and nothing else."

[[rule]]
name = "letters"
when = "letters > 0"
verdict = "flag"
reason = 9
explanation = "A person reads every comment here."
"""
LENIENT = """
name = "lenient"
summary = "Sure spam is rejected, and that is all."

[[rule]]
name = "sure spam"
when = "spam > 0.999999"
verdict = "reject"
reason = 5
explanation = "Spam is not published."
"""


def replayed(blog: Any, policy: str, *, since: timedelta = timedelta(days=30)) -> Replayed:
    with blog.database.reading() as session:
        return replay(session, blog.site_id, Policy.parse(policy), since=datetime.now(UTC) - since)


def test_the_policy_that_decided_changes_nothing(blog: Any) -> None:
    for body in (CIVIL, ABUSIVE, "Buy now at http://cheap.example http://pills.example http://deal.example !!!"):
        blog.judged(body)
    found = replayed(blog, SHIPPED["standard"])
    assert (found.considered, found.changed, found.rules) == (3, 0, {})


def test_a_stricter_policy_is_charged_to_the_rule_that_now_matches(blog: Any) -> None:
    civil = blog.judged(CIVIL)
    blog.judged(ABUSIVE)
    found = replayed(blog, LETTERS)
    assert found.moves == {("approve", "flag"): 1}
    assert {name: (change.harder, change.milder, change.examples) for name, change in found.rules.items()} == {
        "letters": (1, 0, [civil.id])
    }


def test_a_milder_policy_is_charged_to_the_rules_that_no_longer_match(blog: Any) -> None:
    abusive = blog.judged(ABUSIVE)
    found = replayed(blog, LENIENT)
    assert found.moves == {("flag", "approve"): 1}
    assert set(found.rules) == {match["rule"] for match in abusive.decision["reasons"]}
    assert all((change.harder, change.milder) == (0, 1) for change in found.rules.values())


def test_moderators_are_the_measure_of_both_policies(blog: Any) -> None:
    blog.decide(blog.judged(ABUSIVE), Verdict.APPROVE)
    found = replayed(blog, LENIENT)
    assert found.as_json()["moderators"] == {"decided": 1, "agreed_then": 0, "agreed_now": 1}


def test_an_undone_decision_is_no_measure(blog: Any) -> None:
    blog.undo(blog.decide(blog.judged(ABUSIVE), Verdict.APPROVE))
    assert replayed(blog, LENIENT).judged == 0


def test_only_what_was_decided_in_that_time_is_considered(blog: Any) -> None:
    blog.judged(CIVIL)
    with blog.database.transaction() as session:
        session.execute(update(Assessment).values(created_at=datetime.now(UTC) - timedelta(days=31)))
    assert replayed(blog, LETTERS).considered == 0
    assert replayed(blog, LETTERS, since=timedelta(days=32)).considered == 1


def test_signals_of_another_schema_are_left_out_and_counted(blog: Any) -> None:
    blog.judged(CIVIL)
    with blog.database.transaction() as session:
        session.execute(update(Assessment).values(signal_schema=0))
    found = replayed(blog, LETTERS)
    assert (found.considered, found.changed, found.other_schema) == (0, 0, 1)


def test_a_score_that_is_missing_asks_a_human_in_a_replay_too(blog: Any) -> None:
    blog.judged(CIVIL)
    with blog.database.transaction() as session:
        (row,) = session.scalars(select(Assessment))
        row.signals = {name: value for name, value in row.signals.items() if name != "toxicity"}
    assert replayed(blog, SHIPPED["standard"]).moves == {("approve", "flag"): 1}


def test_a_few_examples_are_named_and_no_more(blog: Any) -> None:
    for body in ("Well said.", "I agree.", "Thank you.", "Good point.", "Indeed.", "Interesting.", "Quite so."):
        blog.submit(body)
    blog.worker().drain()
    found = replayed(blog, LETTERS)
    assert found.rules["letters"].harder == found.changed > EXAMPLES
    assert len(found.rules["letters"].examples) == EXAMPLES


@pytest.mark.parametrize("policy", [LETTERS, LENIENT])
def test_a_replay_stores_nothing(blog: Any, policy: str) -> None:
    blog.judged(ABUSIVE)

    def stored() -> list[int]:
        with blog.database.reading() as session:
            return [session.scalar(select(func.count()).select_from(model)) or 0 for model in (Assessment, Decision)]

    before = stored()
    replayed(blog, policy)
    assert stored() == before

"""All signals together: plain JSON that fits the schema, honest about what is missing, whatever the text."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation import signals
from moderation.signals import SIGNALS, AuthorFacts, Facts, HistoryFacts, PostFacts, Revision, compute, text_to_score
from moderation.signals.schema import SCHEMA_VERSION, Kind

SCORES = {"toxicity": 0.1, "severe_toxicity": 0.0, "obscene": 0.2, "threat": 0.0, "insult": 0.0, "identity_attack": 0.0}
EVERYTHING = Facts(
    author=AuthorFacts(identity="verified"), post=PostFacts(), history=HistoryFacts(), region="DE", audit_draw=0.25
)


@given(st.text(st.characters(), max_size=200))
def test_any_text_gives_plain_finite_values_of_the_schema(body: str) -> None:
    found = compute(Revision(body=body), EVERYTHING, SCORES, 0.1)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert all(SIGNALS[name].accepts(value) for name, value in found.items())
    assert found["failed_signals"] == []


def test_what_the_caller_does_not_have_is_named_and_absent() -> None:
    found = compute(Revision(body="Hello there"), Facts(), SCORES, 0.1)
    assert found["not_given"] == ["author", "post", "history", "honeypot", "timing", "draw"]
    absent = {name for name, signal in SIGNALS.items() if name not in found}
    assert absent == {name for name, signal in SIGNALS.items() if signal.fact in found["not_given"]} | {"sexual_explicit"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.01, 1.01, None, "0.5"])
def test_a_score_that_is_no_probability_is_absent(value: Any) -> None:
    found = compute(Revision(body="Hello"), EVERYTHING, SCORES | {"toxicity": value}, value)
    assert "toxicity" not in found
    assert "spam" not in found


def test_without_scores_no_score_is_made_up() -> None:
    found = compute(Revision(body="Hello"), EVERYTHING, None, None)
    assert not {name for name in found if SIGNALS[name].kind is Kind.SCORE}


def test_sexual_is_obscene_only_where_the_model_has_nothing_better() -> None:
    assert compute(Revision(body="x"), EVERYTHING, SCORES, 0.1)["sexual"] == 0.2
    assert compute(Revision(body="x"), EVERYTHING, SCORES | {"sexual_explicit": 0.05}, 0.1)["sexual"] == 0.05


def test_a_module_that_fails_is_named_and_takes_no_other_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> dict[str, Any]:
        raise RuntimeError("planted")

    monkeypatch.setitem(signals._MEASURES, "links", broken)
    found = compute(Revision(body="see foo.com"), EVERYTHING, SCORES, 0.1)
    assert found["failed_signals"] == ["links: RuntimeError"]
    assert "links" not in found
    assert found["language"] == "en"


def test_own_words_are_scored_apart_from_a_quoted_insult() -> None:
    facts = Facts(post=PostFacts(texts=("All cyclists are idiots and must go",)))
    revision = Revision(body='"All cyclists are idiots and must go" - I could not disagree more with that.')
    assert "idiots" not in text_to_score(revision, facts)
    assert "disagree" in text_to_score(revision, facts)


def test_the_post_speaks_through_its_setting() -> None:
    settings = {"open": (), "closed": "post_closed", "premoderated": "post_premoderated", "newcomers_held": "post_newcomers_held"}
    for setting, name in settings.items():
        found = compute(Revision(body="x"), Facts(post=PostFacts(setting=setting)), SCORES, 0.1)  # type: ignore[arg-type]
        assert {key for key, value in found.items() if key.startswith("post_") and value} == ({name} if name else set())


def test_every_signal_states_its_unit_and_its_cost() -> None:
    assert SCHEMA_VERSION == 1
    for signal in SIGNALS.values():
        assert signal.unit
        assert signal.doc.endswith(".")
        assert signal.cost >= 0

"""Rulings: the three outcomes of a condition, what is missing, and the promises that hold for every policy."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.policy.evaluate import evaluate
from moderation.policy.explain import explain
from moderation.policy.rules import Policy
from moderation.policy.shipped import SHIPPED
from moderation.policy.verdict import Verdict
from moderation.signals import AuthorFacts, Facts, HistoryFacts, PostFacts, Revision, compute
from moderation.signals.schema import OWED_FACTS, SIGNALS, Kind, SignalType

POLICIES = {name: Policy.parse(text) for name, text in SHIPPED.items()}
SCORES = ("toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack", "sexual_explicit", "sexual", "spam")


def calm() -> dict[str, Any]:
    """All signals of a harmless comment by a regular, whose every fact is known."""
    facts = Facts(
        author=AuthorFacts(identity="verified", approved=5), post=PostFacts(), history=HistoryFacts(), region="GB", audit_draw=0.5
    )
    revision = Revision(body="What a fine day for a walk by the river.", honeypot="", seconds_to_submit=30.0)
    return dict(compute(revision, facts, dict.fromkeys(SCORES[:7], 0.01), 0.01))


CALM = calm()


def policy_of(*rules: str, top: str = "") -> Policy:
    tables = [f'[[rule]]\nname = "rule {number}"\n{rule}\nexplanation = "e"\n' for number, rule in enumerate(rules)]
    return Policy.parse(f'name = "own"\nsummary = "s"\n{top}\n' + "\n".join(tables))


def test_the_calm_comment_has_every_signal_that_the_schema_knows() -> None:
    assert CALM.keys() == SIGNALS.keys()


def test_nothing_matched_is_published() -> None:
    ruling = evaluate(POLICIES["standard"], CALM)
    assert (ruling.verdict, ruling.publish, ruling.matched, ruling.unknown) == (Verdict.APPROVE, True, (), ())


def test_the_most_severe_verdict_wins_and_all_matched_rules_are_kept() -> None:
    policy = policy_of('when = "links >= 1"\nverdict = "reject"\nreason = 5', 'when = "links >= 1"\nverdict = "flag"\nreason = 1')
    ruling = evaluate(policy, CALM | {"links": 1})
    assert ruling.verdict is Verdict.REJECT
    assert not ruling.publish
    assert [match.name for match in ruling.matched] == ["rule 0", "rule 1"]
    assert ruling.reasons == (5, 1)


def test_an_unknown_score_sends_the_comment_to_a_human_as_not_scored() -> None:
    ruling = evaluate(POLICIES["standard"], {name: value for name, value in CALM.items() if name != "toxicity"})
    assert ruling.verdict is Verdict.FLAG
    assert ruling.reasons == ("not_scored",)
    assert ruling.unknown == ("toxicity",)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1, 1.5, "0.2", None, True, [0.1], 10**400])
def test_a_score_that_is_no_probability_is_an_unknown_score(value: object) -> None:
    """CEL says that NaN > 0.9 is false: such a score would let the comment through."""
    assert evaluate(POLICIES["standard"], CALM | {"toxicity": value}).unknown == ("toxicity",)


def test_a_trusted_author_without_a_score_still_goes_to_a_human() -> None:
    signals = {name: value for name, value in CALM.items() if name != "toxicity"} | {"trusted": True}
    assert evaluate(POLICIES["standard"], signals).verdict is Verdict.FLAG


def test_a_missing_signal_does_not_matter_where_another_settles_the_condition() -> None:
    policy = policy_of('when = "toxicity >= 0.5 || links >= 1"\nverdict = "flag"\nreason = 1')
    known = {name: value for name, value in CALM.items() if name != "toxicity"}
    assert [match.name for match in evaluate(policy, known | {"links": 1}).matched] == ["rule 0"]
    assert evaluate(policy, known | {"links": 0}).reasons == ("not_scored",)


def test_a_rule_that_needs_a_fact_the_caller_does_not_have_is_listed() -> None:
    policy = policy_of('when = "newcomer"\nverdict = "flag"\nreason = 1')
    ruling = evaluate(policy, {"not_given": ["author", "history"]})
    assert (ruling.verdict, ruling.not_evaluated, ruling.unknown) == (Verdict.APPROVE, ("rule 0",), ())


def test_a_fact_that_was_given_and_is_missing_all_the_same_is_our_fault() -> None:
    policy = policy_of('when = "newcomer"\nverdict = "flag"\nreason = 1')
    ruling = evaluate(policy, {"not_given": ["history"]})
    assert (ruling.verdict, ruling.not_evaluated, ruling.unknown) == (Verdict.FLAG, (), ("newcomer",))


@pytest.mark.parametrize("fact", sorted(OWED_FACTS))
def test_scores_and_text_cannot_be_declared_as_not_given(fact: str) -> None:
    signals = {name: value for name, value in CALM.items() if SIGNALS[name].fact != fact} | {"not_given": [fact]}
    assert evaluate(POLICIES["standard"], signals).verdict is Verdict.FLAG


def test_an_exception_that_cannot_be_checked_exempts_nobody() -> None:
    policy = policy_of('when = "links >= 1"\nunless = "trusted"\nverdict = "flag"\nreason = 1')
    signals = CALM | {"links": 1, "trusted": True}
    assert evaluate(policy, signals).verdict is Verdict.APPROVE
    del signals["trusted"]
    assert evaluate(policy, signals | {"not_given": ["author"]}).verdict is Verdict.FLAG


def test_a_condition_that_fails_on_its_own_goes_to_a_human() -> None:
    ruling = evaluate(policy_of('when = "10 / links > 2"\nverdict = "flag"\nreason = 1'), CALM | {"links": 0})
    assert (ruling.verdict, ruling.unknown) == (Verdict.FLAG, ("links",))


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("worse", [{}, {"honeypot": True, "spam": 0.99}])
def test_what_a_human_rejected_before_goes_to_a_human(name: str, worse: dict[str, Any]) -> None:
    """I10: neither an approval nor a rejection by the machine may stand against a human."""
    ruling = evaluate(POLICIES[name], CALM | {"human_rejected_before": True} | worse)
    assert ruling.verdict is Verdict.FLAG
    assert not ruling.publish
    assert "rejected_before" in ruling.reasons


def test_any_policy_asks_a_human_when_it_is_unknown_whether_one_rejected_before() -> None:
    policy = policy_of('when = "false"\nverdict = "flag"\nreason = 1')
    assert evaluate(policy, {}).verdict is Verdict.FLAG
    assert evaluate(policy, {"not_given": ["history"]}).verdict is Verdict.APPROVE


def test_a_banned_word_gives_the_reason_that_it_stands_for() -> None:
    assert evaluate(POLICIES["standard"], CALM | {"banned_words": 1, "banned_word_reason": 2}).reasons == (2,)
    assert evaluate(POLICIES["standard"], CALM | {"banned_words": 1, "banned_word_reason": 0}).reasons == (9,)


def test_one_in_a_hundred_approved_comments_is_drawn_by_the_stored_number() -> None:
    audited = [evaluate(POLICIES["standard"], CALM | {"audit_draw": draw / 1000}).audit for draw in range(1000)]
    assert sum(audited) == 10


def test_a_flagged_comment_is_never_in_the_audit_sample() -> None:
    assert not evaluate(POLICIES["standard"], CALM | {"audit_draw": 0.0, "links": 9}).audit


def test_a_trusted_author_in_another_language_passes_into_the_audit() -> None:
    ruling = evaluate(POLICIES["standard"], CALM | {"trusted": True, "newcomer": False, "language_served": False})
    assert (ruling.verdict, ruling.audit) == (Verdict.APPROVE, True)


TOXICITY = ("toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack", "sexual_explicit", "sexual")
FOREIGN = {name: value for name, value in CALM.items() if name not in TOXICITY} | {"language_served": False}


@pytest.mark.parametrize("name", ["standard", "strict", "postmoderate"])
def test_a_language_that_no_model_knows_has_no_scores_and_is_held_for_that_alone(name: str) -> None:
    ruling = evaluate(POLICIES[name], FOREIGN)
    assert [match.name for match in ruling.matched] == ["language"]
    assert not ruling.publish
    assert {"threat", "hate", "attack", "sexual"} <= set(ruling.not_evaluated)
    assert not ruling.unknown


def test_a_trusted_author_without_scores_for_the_language_passes_into_the_audit() -> None:
    ruling = evaluate(POLICIES["standard"], FOREIGN | {"trusted": True, "newcomer": False})
    assert (ruling.verdict, ruling.audit) == (Verdict.APPROVE, True)


def test_a_policy_that_forgot_about_languages_lets_none_pass_unread() -> None:
    policy = policy_of('when = "toxicity >= 0.5"\nverdict = "flag"\nreason = 1')
    ruling = evaluate(policy, FOREIGN)
    assert [match.name for match in ruling.matched] == ["not scored"]
    assert ruling.unknown == ("toxicity",)


@pytest.mark.parametrize(
    "mentions", ["language_served && links >= 5", "language_served || links >= 5", "links >= (language_served ? 5 : 2)"]
)
def test_a_rule_that_only_mentions_whether_the_language_is_served_lets_none_pass_unread(mentions: str) -> None:
    score = 'when = "toxicity >= 0.5"\nverdict = "flag"\nreason = 1'
    ruling = evaluate(policy_of(score, f'when = "{mentions}"\nverdict = "flag"\nreason = 5'), FOREIGN)
    assert [match.name for match in ruling.matched] == ["not scored"]
    assert ruling.unknown == ("toxicity",)


@pytest.mark.parametrize("says", ["!language_served", "!language_served && newcomer", "!language_served || links >= 5"])
def test_a_rule_for_languages_that_are_not_served_says_what_becomes_of_them(says: str) -> None:
    score = 'when = "toxicity >= 0.5"\nverdict = "flag"\nreason = 1'
    ruling = evaluate(policy_of(score, f'when = "{says}"\nverdict = "flag"\nreason = 9'), FOREIGN)
    assert (ruling.not_evaluated, ruling.unknown) == (("rule 0",), ())


@pytest.mark.parametrize("without", [{"spam"}, set(TOXICITY)])
def test_another_language_excuses_neither_a_missing_spam_score_nor_scores_of_the_own_one(without: set[str]) -> None:
    kept = {name: value for name, value in (FOREIGN if without == {"spam"} else CALM).items() if name not in without}
    ruling = evaluate(POLICIES["standard"], kept | {"trusted": True, "newcomer": False})
    assert "not scored" in {match.name for match in ruling.matched}


def test_a_threat_goes_before_everything_and_alerts() -> None:
    threat = evaluate(POLICIES["standard"], CALM | {"threat": 0.2})
    spam = evaluate(POLICIES["standard"], CALM | {"spam": 0.6})
    assert (threat.first, threat.alert, spam.first, spam.alert) == (True, True, False, False)
    assert threat.harm > 100 * spam.harm


def test_doubt_is_highest_near_one_half() -> None:
    near = evaluate(POLICIES["standard"], CALM | {"toxicity": 0.5}).doubt
    far = evaluate(POLICIES["standard"], CALM | {"toxicity": 0.99}).doubt
    assert 0.25 <= far < near == pytest.approx(1.0)


def test_copies_make_one_wave_unless_something_else_is_wrong_too() -> None:
    assert evaluate(POLICIES["standard"], CALM | {"near_copies": 3}).wave
    assert not evaluate(POLICIES["standard"], CALM | {"near_copies": 3, "threat": 0.9}).wave


def test_watch_and_premoderate_never_reject_and_never_publish() -> None:
    spam = CALM | {"honeypot": True, "spam": 0.99, "links": 3}
    assert evaluate(POLICIES["standard"], spam).verdict is Verdict.REJECT
    for name in ("watch", "premoderate"):
        for signals in (CALM, spam):
            ruling = evaluate(POLICIES[name], signals)
            assert (ruling.verdict, ruling.publish) == (Verdict.FLAG, False)
    assert POLICIES["watch"].shadow == "standard"


def test_postmoderate_publishes_what_it_flags() -> None:
    ruling = evaluate(POLICIES["postmoderate"], CALM | {"toxicity": 0.9})
    assert (ruling.verdict, ruling.publish) == (Verdict.FLAG, True)


@pytest.mark.parametrize(
    "signals",
    [{"threat": 0.9}, {"personal_data": 1}, {"reports": 3}, {"toxicity": None}, {"post_premoderated": True}, {"spam": 0.9}],
)
def test_postmoderate_holds_what_must_not_be_public_for_an_hour(signals: dict[str, Any]) -> None:
    ruling = evaluate(POLICIES["postmoderate"], CALM | signals)
    assert (ruling.verdict, ruling.publish) == (Verdict.FLAG, False)


def test_an_explanation_shows_the_rule_its_condition_and_what_it_saw() -> None:
    signals = CALM | {"toxicity": 0.45, "insult": 0.3, "newcomer": False, "trusted": False}
    explained = explain(evaluate(POLICIES["standard"], signals), signals)
    (rule,) = explained.rules
    assert (rule.rule, rule.reason_text, rule.unless) == ("attack", "Personal attack", "trusted")
    assert rule.evidence == {"toxicity": 0.45, "insult": 0.3, "identity_attack": 0.01, "trusted": False}
    assert explained.as_json()["rules"][0]["when"] == rule.when


def test_many_threads_may_judge_by_one_policy() -> None:
    cases = [CALM | {"toxicity": number / 200} for number in range(200)]
    expected = [evaluate(POLICIES["standard"], signals).verdict for signals in cases]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert [ruling.verdict for ruling in pool.map(partial(evaluate, POLICIES["standard"]), cases)] == expected


# ------------------------------------------------------------------------------------------------------- properties

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
probabilities = st.floats(0, 1)


def value_of(name: str) -> st.SearchStrategy[Any]:
    signal = SIGNALS[name]
    by_type: dict[SignalType, st.SearchStrategy[Any]] = {
        SignalType.BOOL: st.booleans(),
        SignalType.INT: st.integers(0, 30),
        SignalType.DOUBLE: st.floats(0, 60) if name == "seconds_to_submit" else probabilities,
        SignalType.STRING: st.sampled_from(["en", "de", "und"]),
        SignalType.LIST: st.just([]),
    }
    return by_type[signal.type]


known_signals = st.fixed_dictionaries({name: value_of(name) for name in SIGNALS})
some_signals = st.fixed_dictionaries({}, optional={name: value_of(name) for name in SIGNALS})
policies = st.sampled_from(sorted(POLICIES)).map(POLICIES.__getitem__)


@given(policies, st.dictionaries(st.sampled_from(sorted(SIGNALS)) | st.text(max_size=8), json_values))
def test_evaluate_is_total(policy: Policy, signals: Mapping[str, Any]) -> None:
    ruling = evaluate(policy, signals)
    assert ruling.verdict in Verdict
    assert not (ruling.publish and ruling.verdict is Verdict.REJECT)


@settings(max_examples=60)
@given(policies, known_signals)
def test_removing_any_signal_never_lets_a_comment_through(policy: Policy, signals: dict[str, Any]) -> None:
    """A rejection may become a flag, because nothing is rejected on evidence that is not there; it never becomes an approval."""
    before = evaluate(policy, signals)
    for name in signals:
        after = evaluate(policy, {key: value for key, value in signals.items() if key != name})
        assert after.verdict.severity >= min(before.verdict.severity, Verdict.FLAG.severity), name
        assert before.publish or not after.publish, name


@given(policies, some_signals, st.sampled_from(SCORES), probabilities, probabilities)
def test_raising_a_score_is_never_milder(policy: Policy, signals: dict[str, Any], score: str, one: float, other: float) -> None:
    low, high = (evaluate(policy, signals | {score: value}) for value in sorted((one, other)))
    assert high.verdict.severity >= low.verdict.severity
    assert low.publish or not high.publish


@given(policies, some_signals, st.randoms(use_true_random=False))
def test_the_order_of_rules_does_not_matter(policy: Policy, signals: dict[str, Any], random: Any) -> None:
    shuffled = list(policy.rules)
    random.shuffle(shuffled)
    assert evaluate(replace(policy, rules=tuple(shuffled)), signals) == evaluate(policy, signals)


@given(policies, some_signals)
def test_every_ruling_says_why(policy: Policy, signals: dict[str, Any]) -> None:
    ruling = evaluate(policy, signals)
    assert bool(ruling.matched) == (ruling.verdict is not Verdict.APPROVE)
    assert explain(ruling, signals).verdict == ruling.verdict


def test_every_score_has_a_rule_that_it_can_trip() -> None:
    named = POLICIES["standard"].signals
    assert {name for name, signal in SIGNALS.items() if signal.kind is Kind.SCORE} - named == {"obscene", "sexual_explicit"}

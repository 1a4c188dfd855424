"""Policies are read with their mistakes placed, expanded into texts that never change, and compiled once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from moderation.policy.rules import Policy, PolicyError
from moderation.policy.shipped import FIXED_REASONS, REASONS, SHIPPED
from moderation.policy.verdict import Verdict

RULE = """
name = "mine"
summary = "A policy of my own."

[[rule]]
name = "attack"
{lines}
verdict = "flag"
reason = 1
explanation = "Attacks are read by a person first."
"""


def with_condition(lines: str) -> str:
    return RULE.format(lines=lines)


def complaint(text: str) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        Policy.parse(text)
    return caught.value


def test_a_misspelt_signal_is_an_error_with_line_column_and_caret() -> None:
    error = complaint(with_condition('when = "toxicity >= 0.5 && inslt >= 0.3"'))
    assert (error.line, error.column, error.rule) == (7, 28, "attack")
    assert "no signal 'inslt'; did you mean insult?" in error.problem
    shown, caret = str(error).splitlines()[-2:]
    assert shown[caret.index("^") :].startswith("inslt")


def test_the_caret_finds_its_line_in_a_condition_of_several_lines() -> None:
    error = complaint(with_condition('when = """\ntoxicity >= 0.5\n  && inslt >= 0.3\n"""'))
    assert (error.line, error.column) == (9, 6)
    shown, caret = str(error).splitlines()[-2:]
    assert shown[caret.index("^") :].startswith("inslt")


def test_a_whole_number_for_a_score_is_explained_without_the_word_overload() -> None:
    error = complaint(with_condition('when = "toxicity >= 1"'))
    assert "decimal numbers" in error.problem
    assert error.line == 7


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('when = "toxicity"', "true or false"),
        ('when = ""', "such as"),
        ("when = 5", "such as"),
        ('when = "toxicity >="', "Syntax error"),
        ('when = "true"\nwhne = "x"', "'whne' means nothing here"),
        ('when = "true"\npriority = "urgent"', "first, high, low, normal"),
        ('when = "true"\nalert = "yes"', "true or false"),
        ('when = "true"\nreason_from = "toxicity"', "reason key"),
        ('when = "' + "true && " * 400 + 'true"', "at most 2000 characters"),
    ],
)
def test_every_mistake_says_which_rule_and_what_to_do(lines: str, words: str) -> None:
    error = complaint(with_condition(lines))
    assert error.rule == "attack"
    assert words in str(error)
    assert error.line is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = ", "not TOML"),
        ("name = 'x'\nsummary = 's'\n[[rule]]\nwhen = 'true'\n", "the name is missing"),
        ("name = 'x'\nsummary = 's'\nextends = 'standrd'\n", "cannot be extended"),
        ("name = 'x'\nsummary = 's'\nextends = 'standard'\nwithout = ['nothing']\n", "no rule of that name"),
        ("name = 'x'\nsummary = 's'\nshadow = 'standrd'\n", "no policy 'standrd'"),
        ("name = 'x'\nsummary = 's'\n[audit]\nrate = 2\n", "from 0 to 1"),
        ("name = 'x'\nsummary = 's'\nrule = 'x'\n", "rule is a list"),
        ("name = 'X!'\nsummary = 's'\n", "small letters"),
        ("# " + "x" * 70_000, "64000 is the limit"),
        ("a = " + "[" * 5_000, "not TOML"),
    ],
)
def test_a_file_that_is_no_policy_is_refused(text: str, words: str) -> None:
    assert words in str(complaint(text))


def test_two_rules_may_not_share_a_name() -> None:
    text = with_condition('when = "true"')
    assert "two rules" in str(complaint(text + text[text.index("[[rule]]") :]))


@pytest.mark.parametrize("verdict", ["approve", "delete", ""])
def test_a_rule_flags_or_rejects_and_nothing_else(verdict: str) -> None:
    assert "one of flag, reject" in str(complaint(with_condition('when = "true"').replace('"flag"', f'"{verdict}"')))


@pytest.mark.parametrize("reason", ["0", "10", "true", "'because'", "1.5"])
def test_a_reason_is_a_known_key(reason: str) -> None:
    assert "1 to 9" in str(complaint(with_condition('when = "true"').replace("reason = 1", f"reason = {reason}")))


@pytest.mark.parametrize("name", SHIPPED)
def test_the_expanded_text_of_a_policy_is_the_same_policy(name: str) -> None:
    policy = Policy.parse(SHIPPED[name])
    again = Policy.parse(policy.text)
    assert again == policy
    assert again.digest == policy.digest
    assert "extends" not in policy.text


def test_an_extended_policy_replaces_adds_and_leaves_out() -> None:
    text = with_condition('when = "toxicity >= 0.9"').replace(
        "[[rule]]", 'extends = "standard"\nwithout = ["flood"]\n[[rule]]', 1
    )
    rules = {rule.name: rule for rule in Policy.parse(text).rules}
    standard = {rule.name: rule for rule in Policy.parse(SHIPPED["standard"]).rules}
    attack = rules["attack"].when
    assert attack is not None
    assert attack.text == "toxicity >= 0.9"
    assert rules.keys() == standard.keys() - {"flood"}
    assert rules["threat"] == standard["threat"]


def test_policies_with_one_text_are_compiled_once() -> None:
    text = with_condition('when = "toxicity >= 0.123"')
    assert Policy.parse(text) is Policy.parse(text)


def test_many_threads_may_compile_at_once() -> None:
    texts = [with_condition(f'when = "toxicity >= 0.{number}"') for number in range(100, 150)] * 4
    with ThreadPoolExecutor(8) as pool:
        policies = list(pool.map(Policy.parse, texts))
    assert [policy.rules[0].when.text for policy in policies if policy.rules[0].when] == [text.split('"')[7] for text in texts]


def test_names_inside_quotes_and_fields_are_not_taken_for_signals() -> None:
    policy = Policy.parse(with_condition("""when = "language == 'spam' && links >= 1 // toxicity" """))
    assert policy.signals == {"language", "links"}


def test_a_hash_and_a_header_inside_a_text_do_not_shift_the_caret() -> None:
    text = with_condition('when = """\n# no\n[[rule]]\n"""').replace("# no", "true ||")
    error = complaint(text)
    assert error.line == 9


def test_the_reasons_have_the_keys_one_to_nine_and_the_rest_are_named() -> None:
    assert list(REASONS) == list(range(1, 10))
    assert "not_scored" in FIXED_REASONS


def test_most_severe_verdict() -> None:
    assert sorted(Verdict, key=lambda verdict: verdict.severity) == [Verdict.APPROVE, Verdict.FLAG, Verdict.REJECT]

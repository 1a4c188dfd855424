"""Explaining a text and checking a policy, with no database."""

from pathlib import Path

from moderation.policy.shipped import SHIPPED
from tests.moderation.commands.conftest import MINE, Cli, answer


def test_explain_says_what_matched_and_why(cli: Cli, home: Path) -> None:
    abusive = "You are a stupid, worthless idiot and everybody here hates you."
    found = answer(cli("explain", abusive, "--author", "newcomer", "--json"))
    assert found["verdict"] == "flag"
    assert found["rules"][0]["evidence"]["insult"] > 0.5
    shown = cli("explain", abusive, "--author", "newcomer").stdout
    assert shown.startswith("FLAG by policy standard: not published")
    assert "Personal attack" in shown
    assert not home.exists()


def test_explain_shows_what_the_author_makes_of_it(cli: Cli) -> None:
    link = "There is more about the treaty at https://example.org/a and https://example.org/b for those who want it."
    assert answer(cli("explain", link, "--author", "newcomer", "--json"))["verdict"] == "flag"
    assert answer(cli("explain", link, "--author", "trusted", "--json"))["verdict"] == "approve"
    assert "many links" not in cli("explain", link, "--author", "trusted").stdout
    assert "links by a newcomer" in cli("explain", link, "--author", "newcomer").stdout


def test_explain_says_that_the_model_does_not_know_a_language(cli: Cli) -> None:
    shown = cli("explain", "Das ist doch alles gelogen und kein Mensch glaubt euch noch ein Wort.").stdout
    assert "or of scores, which the model has none of in this language: attack, " in shown
    assert "toxicity" not in shown


def test_explain_reads_standard_input_and_a_policy_of_ones_own(cli: Cli, tmp_path: Path) -> None:
    policy = tmp_path / "mine.toml"
    policy.write_text(MINE)
    found = answer(cli("explain", "-", "--policy", str(policy), "--json", stdin="Just a word about cheese.\n"))
    assert (found["policy"], found["verdict"]) == ("mine", "flag")
    assert "1 to 20000 characters" in cli("explain", " ", code=2).stderr
    assert "neither a file nor one of the policies" in cli("explain", "x", "--policy", "lenient", code=2).stderr


def test_policy_check_puts_a_caret_under_the_mistake(cli: Cli, tmp_path: Path) -> None:
    policy = tmp_path / "mine.toml"
    policy.write_text(MINE.replace("letters > 0", "leters > 0"))
    said = cli("policy", "check", str(policy), code=1).stderr
    assert "there is no signal 'leters'; did you mean letters?" in said
    _, excerpt, caret = said.splitlines()
    assert excerpt[caret.index("^") :].startswith("leters")
    found = answer(cli("policy", "check", str(policy), "--json", code=1))
    assert (found["ok"], found["rule"], found["line"]) == (False, "letters", 7)


def test_policy_check_is_content_with_every_shipped_policy(cli: Cli) -> None:
    for name, source in SHIPPED.items():
        assert answer(cli("policy", "check", "-", "--json", stdin=source))["name"] == name


def test_policy_check_refuses_what_is_no_text(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"name = \xff")
    assert "UTF-8" in cli("policy", "check", str(tmp_path / "mine.toml"), code=2).stderr


def test_explain_names_the_words_that_drive_the_scores(cli: Cli) -> None:
    found = answer(cli("explain", "What a stupid idiot you are.", "--json"))["explanation"]
    insult = next(each for each in found["scores"] if each["attribute"] == "insult")
    assert {word["text"] for word in insult["words"]} & {"stupid", "idiot"}
    assert insult["without"] == insult["words"][-1]["without"] < insult["score"]
    assert found["spam_parts"] == {}
    assert "AS WORDS ARE LEFT OUT" in cli("explain", "What a stupid idiot you are.").stdout
    assert "AS WORDS ARE LEFT OUT" not in cli("explain", "What a lovely day it is.").stdout


def test_explain_names_the_parts_of_spam(cli: Cli) -> None:
    pills = "Online pharmacy: cheap pills, no prescription, worldwide shipping www.pills.example.com"
    found = answer(cli("explain", pills, "--json"))["explanation"]
    assert {"words", "links", "length"} <= found["spam_parts"].keys()
    assert "spam is made of: words +" in cli("explain", pills).stdout


def test_explain_marks_no_word_of_a_quotation(cli: Cli) -> None:
    title = "You are all stupid idiots, says the minister"
    body = "“You are all stupid idiots” – what a pathetic loser he is to say so."
    found = answer(cli("explain", body, "--post", title, "--json"))["explanation"]
    assert all(word["start"] > body.index("–") for each in found["scores"] for word in each["words"])
    assert found["scores"]

"""Disguised words are put right before the model reads them; names, slang, addresses and other languages stay as they are."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.scoring.spelling import Spelling, bundled_spelling
from moderation.scoring.view import model_view


@pytest.fixture(scope="module")
def spelling() -> Spelling:
    return bundled_spelling()


@pytest.mark.parametrize(
    ("disguised", "meant"),
    [
        ("tihs is craazy", "this is crazy"),
        ("yuor arguemnt is wrnog", "your argument is wrong"),
        ("g.a.r.b.a.g.e people", "garbage people"),
        ("what an i-d-i-o-t", "what an idiot"),
        ("t h i s i s n i c e", "this is nice"),
        ("you st*p now, pe-ple", "you stop now, people"),
        ("b4nd l1ve tw1ce", "band live twice"),
        ("whatanidiot", "what an idiot"),
        ("soooo haaaappy", "soooo happy"),
        ("idot and bich", "idiot and bich"),
        ("wh4t a f00l you are!!", "what a fool you are!!"),
    ],
)
def test_a_disguised_word_is_read_as_the_word_that_was_meant(spelling: Spelling, disguised: str, meant: str) -> None:
    assert spelling(disguised) == meant


@pytest.mark.parametrize(
    "text",
    [
        "A plain and calm sentence about the town.",
        "Mr Shitov of Penistone met Cockburn and Titmuss in Shitterton.",
        "A well-known e-mail about the T-shirt and the X-ray.",
        "See http://exmaple.com/tihs?x=craazy or write to foo@exmaple.org.",
        "Das ist ein schöner Tag und wir gehen heute spazieren.",
        "The U.S.A. signed in 1941, the mp3 costs 4x4 euros, b2b and h2o.",
        "他们今天没有来。",
        "SHOUTING!!!! IS NOT A DISGUISE!!",
        "",
    ],
)
def test_what_is_no_disguise_is_left_alone(spelling: Spelling, text: str) -> None:
    assert spelling(text) == text


def test_a_name_never_turns_into_an_insult(spelling: Spelling) -> None:
    assert spelling("Ms Bastrad spoke.") == "Ms Bastrad spoke."
    assert spelling("you bastrad") == "you bastard"


@given(st.text(alphabet=st.sampled_from("abcdeilost13@*#-_. !\u00e9\u0431\n"), max_size=300))
def test_any_text_is_taken_and_the_result_is_not_much_longer(text: str) -> None:
    assert len(bundled_spelling()(text)) <= 2 * len(text)


@pytest.mark.parametrize("piece", ["a ", "a.", "zq", "qzx ", "a*b ", "1a", "aab", "thisisa"])
def test_the_cost_grows_with_the_length_and_not_faster(piece: str) -> None:
    spelling = bundled_spelling()

    def cost(times: int) -> float:
        taken = []
        for _ in range(3):
            started = time.process_time()
            spelling(piece * times)
            taken.append(time.process_time() - started)
        return min(taken)

    assert cost(8000) < 12 * cost(2000) + 0.02


def test_the_view_of_a_model_has_both_the_letters_and_the_words_put_right() -> None:
    assert model_view("y\u043eu are a st\u200bpuid i.d.i.o.t") == "you are a stupid idiot"

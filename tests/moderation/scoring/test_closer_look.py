"""One sentence of a longer text is read alone where its words alarm; neither calm surroundings nor missing full stops hide it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.scoring import catalog
from moderation.scoring.closer_look import CloserLook, sentences
from moderation.scoring.onnx import OnnxScorer

CALM = (
    "Thank you for the report on the harbour. The figures for the last three years were new to me, and I was glad to see them. "
    "My own firm ships grain from there, and the delays in spring did cost us a good deal. I hope the second crane comes soon. "
)
ABUSE = "You are a worthless idiot and everybody here hates you."


def cut(text: str) -> list[str]:
    """Return the sentences of a text whose tokens are its words."""
    offsets, at = [], 0
    for word in text.split():
        first = text.index(word, at)
        at = first + len(word)
        offsets.append((first, at))
    return [" ".join(text.split()[part]) for part in sentences(text, offsets)]


def test_a_text_is_cut_after_full_stops_and_at_new_lines() -> None:
    found = cut('She said so "twice today." He did not hear it!\nNobody else was there at all')
    assert found == ['She said so "twice today."', "He did not hear it!", "Nobody else was there at all"]


def test_a_few_words_belong_to_what_is_beside_them() -> None:
    assert cut("No. That is not how it was. Well then.") == []
    assert cut("No. That is not how it was. I saw it and you did not.") == [
        "No. That is not how it was.",
        "I saw it and you did not.",
    ]


def test_one_sentence_is_no_part_of_a_text_and_a_point_within_a_word_ends_none() -> None:
    assert cut("Version 3.14 of example.org was out on time and nobody complained about it") == []


def test_without_full_stops_a_text_is_cut_into_pieces() -> None:
    words = [f"w{number}" for number in range(100)]
    pieces = cut(" ".join(words))
    assert [piece.split()[0] for piece in pieces] == ["w0", "w24", "w48", "w68"]
    assert all(len(piece.split()) == 32 for piece in pieces)


@given(st.lists(st.sampled_from(["word", "stop.", "what?!", 'end."', "…", "3.5", "(so)."]), max_size=300))
def test_every_token_is_in_a_part_and_the_parts_are_in_order(words: list[str]) -> None:
    offsets, at = [], 0
    for word in words:
        offsets.append((at, at + len(word)))
        at += len(word) + 1
    parts = sentences(" ".join(words), offsets)
    if parts:
        assert {place for part in parts for place in range(part.start, part.stop)} == set(range(len(words)))
        assert parts == sorted(parts, key=lambda part: part.start)
        assert all(4 <= part.stop - part.start <= 48 for part in parts)


@pytest.mark.parametrize(
    "settings",
    [
        {"alarming_from": float("nan"), "discount": 1.0, "counts_from": 1.0},
        {"alarming_from": 0.0, "discount": -0.5, "counts_from": 1.0},
        {"alarming_from": 0.0, "discount": 0.5, "counts_from": float("inf")},
    ],
)
def test_settings_that_are_no_closer_look_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="closer look"):
        CloserLook.read({"fewest_tokens": 24} | settings)


def test_a_merely_heated_sentence_leaves_the_text_as_it_is_and_what_is_no_number_shows() -> None:
    look, whole = CloserLook(24, 0.0, 1.0, 1.5), np.array([-3.0, 0.5])
    assert look.with_sentence(whole, np.array([2.4, 9.0])) is whole
    assert look.with_sentence(whole, np.array([2.5, 1.2])).tolist() == [1.5, 0.5]
    assert np.isnan(look.with_sentence(whole, np.array([np.nan, 1.0]))[0])


@pytest.mark.parametrize(
    "text",
    [
        ABUSE + " " + CALM,
        CALM + ABUSE,
        CALM + ABUSE + " " + CALM * 5,
        (CALM + ABUSE + " " + CALM).replace(".", "").replace(",", ""),
        CALM + "Y0u are a w0rthless 1d1ot and everybody here hates you. " + CALM,
    ],
    ids=["first", "last", "in a long text", "without full stops", "disguised"],
)
def test_an_insult_among_calm_sentences_is_not_diluted_by_them(bundled: OnnxScorer, text: str) -> None:
    (found,), (calm,) = bundled.score([text]), bundled.score([text.replace(ABUSE, "")])
    assert found["toxicity"] >= 0.4
    if ABUSE in text:
        assert calm["toxicity"] < 0.1


def test_the_version_before_missed_it_and_agrees_where_nothing_alarms(bundled: OnnxScorer) -> None:
    earlier = catalog.bundled("bundled-3+c617e7ed")
    assert isinstance(earlier, OnnxScorer)
    assert earlier.score([CALM + ABUSE + " " + CALM])[0]["toxicity"] < 0.4
    assert np.array_equal(earlier.logits([CALM, ABUSE, CALM * 6, ""]), bundled.logits([CALM, ABUSE, CALM * 6, ""]))


def test_no_text_scores_lower_for_the_closer_look(bundled: OnnxScorer) -> None:
    earlier = catalog.bundled("bundled-3+c617e7ed")
    assert isinstance(earlier, OnnxScorer)
    texts = [
        CALM + ABUSE,
        ABUSE * 4,
        "I hate this. I hate you. I hate all of it, you moron. " * 3,
        CALM * 2 + "Thanks, you fool.",
    ]
    assert (bundled.logits(texts) >= earlier.logits(texts)).all()

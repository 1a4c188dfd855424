"""Perspective's names on our attributes, and where the sentences of a text stand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.scoring.perspective import ENGLISH_ONLY, MOST_SPANS, SOURCES, score_of, spans
from moderation.scoring.scorer import ATTRIBUTES


def test_every_name_stands_on_attributes_that_there_are() -> None:
    assert len(SOURCES) == 23
    assert {ours for names in SOURCES.values() for ours in names} <= {*ATTRIBUTES, "spam"}
    assert set(SOURCES) > ENGLISH_ONLY


def test_a_missing_or_broken_value_is_no_score_rather_than_a_low_one() -> None:
    assert score_of("LIKELY_TO_REJECT", {"toxicity": 0.2, "spam": 0.7}) == 0.7
    assert score_of("LIKELY_TO_REJECT", {"toxicity": 0.2}) is None
    assert score_of("TOXICITY", {"toxicity": float("nan")}) is None
    assert score_of("SEXUALLY_EXPLICIT", {"obscene": 0.4}) == 0.4
    assert score_of("SEXUALLY_EXPLICIT", {"obscene": 0.4, "sexual_explicit": 0.1}) == 0.1


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("It costs 3.5 dollars... Really?!\n\n  Yes", ["It costs 3.5 dollars...", "Really?!", "Yes"]),
        ("no mark at all", ["no mark at all"]),
        ("\U0001f600 \n b ", ["\U0001f600", "b"]),
    ],
)
def test_a_sentence_ends_at_a_mark_before_white_space_or_with_its_line(text: str, sentences: list[str]) -> None:
    assert [text[begin:end] for begin, end in spans(text)] == sentences


@given(st.text(alphabet="ab .!?\n\t\u2026", max_size=400))
def test_spans_stand_in_order_and_leave_out_white_space_only(text: str) -> None:
    found = spans(text)
    assert 1 <= len(found) <= MOST_SPANS
    places = [place for span in found for place in span]
    assert places == sorted(places)
    if text.strip():
        left = set(range(len(text))) - {place for begin, end in found for place in range(begin, end)}
        assert all(text[place].isspace() for place in left)

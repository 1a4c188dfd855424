"""Own sentences in many languages: how often the identifier is right, and in which direction it errs."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from moderation.signals import identifier, language
from moderation.text import normalise

CASES = tomllib.loads((Path(__file__).parent / "cases" / "languages.toml").read_text(encoding="utf-8"))
FOREIGN = [(tag, text) for tag, texts in CASES["foreign"].items() for text in texts]


@pytest.fixture(scope="module")
def library() -> Any:
    """The library's own identifier, with all its tables."""
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def measured(text: str, own: str = "en", served: tuple[str, ...] = ("en",)) -> language.LanguageSignals:
    return language.measure(normalise(text).text, own, served)


def test_there_are_a_hundred_and_fifty_cases_in_thirty_languages() -> None:
    texts = [*CASES["own"], *CASES["short"], *(text for _, text in FOREIGN)]
    assert len(texts) == len(set(texts)) >= 150
    assert len(CASES["foreign"]) >= 30


def test_slang_dialect_and_foreign_words_do_not_make_an_english_comment_foreign() -> None:
    mistaken = [text for text in CASES["own"] if not measured(text).language_served]
    assert mistaken == ["RIP Gabriel García Márquez, author of Cien años de soledad."]  # half of it is Spanish


def test_another_language_is_noticed_from_a_sentence_on() -> None:
    missed = [(tag, text) for tag, text in FOREIGN if measured(text).language_served]
    assert [tag for tag, _ in missed] == ["hr"]  # between its neighbours no identifier is confident


@pytest.mark.parametrize("text", CASES["short"])
def test_under_twenty_letters_in_the_sites_script_the_sites_language_is_assumed(text: str) -> None:
    found = measured(text)
    assert found.letters < language.MIN_LETTERS
    assert (found.language, found.language_served) == ("en", True)


@pytest.mark.parametrize("tag", ["de", "fr", "es", "it", "nl", "pl", "tr", "ru", "el", "ja"])
def test_a_site_at_home_in_a_language_that_its_model_knows_holds_none_of_it(tag: str) -> None:
    for text in CASES["foreign"][tag]:
        assert measured(text, own=tag, served=(tag,)).language_served, text


@pytest.mark.parametrize("tag", ["de", "fr", "es"])
def test_a_site_at_home_in_a_language_that_no_model_of_its_knows_is_told_of_every_sentence(tag: str) -> None:
    for text in CASES["foreign"][tag]:
        assert not measured(text, own=tag).language_served, text


def test_every_case_is_ranked_as_the_library_ranks_it(library: Any) -> None:
    ours = identifier.load()
    for text in [*CASES["own"], *CASES["short"], *(text for _, text in FOREIGN), ""]:
        assert ours.rank(text) == library.rank(text), text


@given(st.text(max_size=80) | st.binary(max_size=80))
def test_any_text_is_ranked_as_the_library_ranks_it(library: Any, text: str | bytes) -> None:
    assert language._identifier().rank(text) == library.rank(text)


def test_the_transitions_take_a_fifth_of_the_librarys_memory(library: Any) -> None:
    ours = identifier.load()
    kept = sum(len(table) * table.itemsize for table in (ours._moves, ours._stretches, ours._states))
    assert kept * 5 < len(library.tk_nextmove) * library.tk_nextmove.itemsize

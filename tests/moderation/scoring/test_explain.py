"""The words that drive a score: where they stand, how dear they are to find, and whether it is really they."""

import random
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from moderation.scoring.explain import LOWEST, MOST_SCORINGS, MOST_WORDS, Drivers, drivers, text_without, words_of
from moderation.scoring.onnx import OnnxScorer
from moderation.signals.quotation import own_words

INSULT = "You are a stupid, worthless idiot and everybody here hates you."
CALM = "The council met on Tuesday about the new bridge, and nobody was surprised that it was put off until spring. "
CASES = sorted(Path(__file__).with_name("cases").glob("*.toml"))


class Counting:
    """The highest value of any listed word, as a model with windows would see it; counts how often it is asked."""

    def __init__(self, worth: Mapping[str, float]) -> None:
        self.worth = worth
        self.read: list[str] = []

    def __call__(self, text: str) -> dict[str, float]:
        self.read.append(text)
        return {"toxicity": max((self.worth.get(word.strip(".,!"), 0.01) for word in text.split()), default=0.0)}


def named(found: Drivers, body: str) -> list[str]:
    return [body[word.start : word.end] for word in found.words]


def of(found: list[Drivers], attribute: str) -> Drivers:
    return next(each for each in found if each.attribute == attribute)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("Don't shout, well-meaning (old) friend!", ["Don't", "shout", "well-meaning", "old", "friend"]),
        ("an i d i o t, y0u", ["an", "i d i o t", "y0u"]),
        ("g.a.r.b.a.g.e at https://a.example/b?c=d now", ["g.a.r.b.a.g.e", "at", "https://a.example/b?c=d", "now"]),
        ("ѕtuрid\u200bity rules 🔪🔪", ["ѕtuрid\u200bity", "rules", "🔪", "🔪"]),
        ("st*pid sh*t", ["st*pid", "sh*t"]),
        ("...", []),
    ],
)
def test_words_are_marked_as_their_author_wrote_them(body: str, words: list[str]) -> None:
    assert [body[start:end] for start, end in words_of(body)] == words


def test_a_text_without_its_words_is_what_a_scorer_would_read() -> None:
    assert text_without("a bad word", (), [(2, 5)]) == "a   word"
    post = "The minister called the strikers a lazy bunch of thieves."
    body = "“a lazy bunch of thieves” – shame on him for saying this."
    own = own_words(body, [post])
    assert own.apart
    assert text_without(body, own.quoted) == own.text


def test_the_words_of_an_insult_are_named_and_calm_words_are_not(bundled: OnnxScorer) -> None:
    found = of(drivers(lambda text: bundled.score([text])[0], INSULT), "insult")
    assert found.score == bundled.score([INSULT])[0]["insult"]
    assert {"idiot", "stupid"} <= set(named(found, INSULT))
    assert found.without < found.score / 2
    # What is said can be checked: the text without these words, scored again.
    rest = text_without(INSULT, (), [(word.start, word.end) for word in found.words])
    assert bundled.score([rest])[0]["insult"] == found.without
    steps = [found.score, *(word.without for word in found.words)]
    assert steps == sorted(steps, reverse=True)


def test_a_disguised_word_is_named_as_it_was_written(bundled: OnnxScorer) -> None:
    body = "What an i d i o t you are."
    assert named(of(drivers(lambda text: bundled.score([text])[0], body), "insult"), body)[0] == "i d i o t"


def test_of_two_equal_words_both_are_named() -> None:
    body = "That moron and this fool met again."
    found = drivers(Counting({"moron": 0.9, "fool": 0.9}), body)
    # Neither changes anything alone, so none is first, and nothing is claimed.
    assert found == [Drivers("toxicity", 0.9, ())]
    found = drivers(Counting({"moron": 0.9, "fool": 0.6}), body)
    assert named(found[0], body) == ["moron", "fool"] or named(found[0], body) == ["moron"]
    assert found[0].words[0].without == 0.6


def test_calm_scores_are_not_explained_and_cost_one_reading() -> None:
    asked = Counting({"dull": LOWEST - 0.01})
    assert drivers(asked, "A dull text.") == []
    assert len(asked.read) == 1


@pytest.mark.parametrize("words", [1, 24, 25, 96, 97, 200, 1000, 4000])
def test_the_cost_is_bounded_and_the_word_is_found_in_a_text_of_any_length(words: int) -> None:
    body = " ".join("idiot" if place == words * 2 // 3 else f"word{place}" for place in range(words))
    asked = Counting({"idiot": 0.9})
    found = drivers(asked, body)
    assert len(asked.read) <= MOST_SCORINGS
    assert named(found[0], body) == ["idiot"]
    assert found[0].without <= 0.01
    assert sum(len(text) == len(body) for text in asked.read) <= 1


def test_a_long_text_is_read_whole_only_a_few_times() -> None:
    body = " ".join("idiot" if place == 1500 else f"word{place}" for place in range(3000))
    asked = Counting({"idiot": 0.9})
    drivers(asked, body)
    assert sum(map(len, asked.read)) < 5 * len(body)


def test_many_bad_words_in_many_attributes_stay_within_the_bound() -> None:
    words = [f"bad{place}" for place in range(90)]
    names = [f"attribute{number}" for number in range(7)]
    read = 0

    def score(text: str) -> dict[str, float]:
        nonlocal read
        read += 1
        left = len(text.split())
        return {name: left / (100 + number) for number, name in enumerate(names)}

    found = drivers(score, " ".join(words))
    assert read <= MOST_SCORINGS
    assert [each.attribute for each in found] == names
    assert all(len(each.words) <= MOST_WORDS for each in found)


def test_quotations_are_left_out_and_never_named() -> None:
    body = "He wrote that you are an idiot of the first order, and I think that is stupid of him."
    quoted = [(body.index("you are"), body.index(", and I"))]
    asked = Counting({"idiot": 0.9, "stupid": 0.5})
    found = drivers(asked, body, quoted)
    assert named(found[0], body) == ["stupid"]
    assert not any("idiot" in text for text in asked.read)


@pytest.mark.parametrize("body", ["", " ", "😀", "!!!", "\u0301" * 40, "\ud800 x", "今天天气很好", "a" * 20_000, "1 " * 5000])
def test_any_text_can_be_explained(bundled: OnnxScorer, body: str) -> None:
    for each in drivers(lambda text: bundled.score([text])[0], body):
        assert all(0 <= word.start < word.end <= len(body) for word in each.words)


def test_the_same_text_has_the_same_words(bundled: OnnxScorer) -> None:
    body = CALM * 8 + INSULT + CALM * 8
    found = drivers(lambda text: bundled.score([text])[0], body)
    assert found == drivers(lambda text: bundled.score([text])[0], body)
    assert "idiot" in named(found[0], body)


def test_the_named_words_lower_the_score_far_more_than_words_drawn_by_chance(bundled: OnnxScorer) -> None:
    """The floor of what the model card says, on every fourth held-out case."""
    texts = [text for file in CASES for each in tomllib.loads(file.read_text())["function"] for text in each.get("hold", [])]
    rng = random.Random(11)
    by_name: list[float] = []
    by_chance: list[float] = []
    for text in texts[::4]:
        found = drivers(lambda asked: bundled.score([asked])[0], text)
        if not found or not found[0].words:
            continue
        attribute, count = found[0].attribute, len(found[0].words)
        by_name.append(found[0].score - found[0].without)
        drawn = [text_without(text, (), rng.sample(words_of(text), count)) for _ in range(3)]
        by_chance.append(found[0].score - sum(each[attribute] for each in bundled.score(drawn)) / len(drawn))
    assert len(by_name) >= 25
    assert sum(by_name) / len(by_name) > 0.4
    assert sum(by_name) > 2.5 * sum(by_chance)
    assert sum(named >= chance for named, chance in zip(by_name, by_chance, strict=True)) >= 0.9 * len(by_name)

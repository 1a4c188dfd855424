"""Which words of a comment drive its scores: what becomes of each score when words are left out.

The only thing asked is the scorer itself, so this holds for every model behind the port, and what is shown can be checked by
anybody: the text without these words, scored again. Words are those of the normalised view, so that `i d i o t` is one word, and
are marked where the author wrote them. Words that are judged apart as a quotation are left out from the start.

The cost is bounded by `MOST_SCORINGS`. A text of up to `FEW` words is read once without each of them. In a longer one runs of
words are left out first, and the run that mattered most is parted again, down to single words, as long as scorings are left for
it. Of a text too long for that the passages are read alone, which costs no more than reading the text once, and the search goes
on in the one that scores highest. In the end the words that mattered most are left out of the whole text, one after the other.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any, Final

from moderation.text import normalise

MOST_SCORINGS: Final = 40
"""Readings of a text or of a part of it, the first one included."""
LOWEST: Final = 0.15
"""A lower score is not explained: it is nothing that a rule would ask about."""
MOST_WORDS: Final = 5
"""Words named for a score."""
FEW: Final = 24
"""Words up to which each is left out by itself."""
_RUNS: Final = 10
"""Runs into which words are parted."""
_PASSAGE: Final = 96
"""Words of the longest text that is searched in one piece; about the window of a model."""
_BESIDE: Final = 4
"""Words tried for each further place among those that are left out together."""
_KEPT: Final = 6
"""Scorings kept for leaving out the words that mattered together."""
_FEWEST: Final = 2
"""So many are kept where no single word was found yet."""
_CALM: Final = 0.5
"""Share of a score below which enough words are named."""

Score = Callable[[str], Mapping[str, float]]
"""Scores a text as its author wrote it: attribute to probability."""

_PICTURES: Final = "\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff"
_WORD: Final = re.compile(
    r"(?:https?://|www\.)\S+"
    # Letters with one and the same sign between them are one word.
    r"|(?<![^\W_])[^\W_](?P<gap>[ .*_~|/,·-])[^\W_](?:(?P=gap)[^\W_])+(?![^\W_])"
    rf"|[^\W_](?:[^\s.,;:!?\"()<>{{}}\[\]{_PICTURES}]*[^\W_])?"
    rf"|[{_PICTURES}]"
)


@dataclass(frozen=True, slots=True)
class Word:
    """A word by its place in the author's text, and the score of the text without it and the words named before it."""

    start: int
    end: int
    without: float


@dataclass(frozen=True, slots=True)
class Drivers:
    """The words that drive a score (0..1) of a text, the strongest first."""

    attribute: str
    score: float
    words: tuple[Word, ...]

    @property
    def without(self) -> float:
        """The score of the text without all of these words."""
        return self.words[-1].without if self.words else self.score


def words_of(body: str, quoted: Sequence[tuple[int, int]] = ()) -> list[tuple[int, int]]:
    """Return the places of the words in ``body``, outside of the places ``quoted``; none overlaps another."""
    view = normalise(body)
    found: list[tuple[int, int]] = []
    for match in _WORD.finditer(view.text):
        start, end = view.to_original(*match.span())
        if start >= end or any(start < last and first < end for first, last in quoted):
            continue
        if found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def text_without(
    body: str, quoted: Sequence[tuple[int, int]], left_out: Iterable[tuple[int, int]] = (), start: int = 0, end: int | None = None
) -> str:
    """Return ``body[start:end]`` without the places ``quoted`` and ``left_out``, as a scorer reads it."""
    end = len(body) if end is None else end
    pieces: list[str] = []
    at = start
    for first, last in sorted([*quoted, *left_out]):
        if first >= at and last <= end:
            pieces.append(body[at:first])
            at = last
    pieces.append(body[at:end])
    # What is judged beside quotations is put together this way, see `moderation.signals.quotation`.
    return " ".join(" ".join(pieces).split()) if quoted else " ".join(pieces)


def drivers(score: Score, body: str, quoted: Sequence[tuple[int, int]] = ()) -> list[Drivers]:
    """Return what drives each score of ``body`` from `LOWEST` on, the highest score first; the same for the same text.

    ``quoted`` are the places of quotations that were judged apart, as `moderation.signals.quotation` finds them. A score that no
    word drives has no words. Raises what ``score`` raises.
    """
    asked = _Asked(score, _Text(body, tuple(words_of(body, quoted)), tuple(quoted)))
    whole = asked.whole
    high = sorted((name for name, value in whole.items() if value >= LOWEST), key=lambda name: (-whole[name], name))
    if not high:
        return []
    passage = _passage(asked, high)
    singles = _singles(asked, passage, high)
    return [_drivers(asked, passage, singles, name, len(high) - place) for place, name in enumerate(high)]


def in_words(found: Mapping[str, Any], body: str) -> dict[str, Any]:
    """Return what was found about a text, with its words and, for each score, what is left of it without all of them."""
    return {
        **found,
        "scores": [
            {
                **each,
                "without": each["words"][-1]["without"] if each["words"] else each["score"],
                "words": [{**word, "text": body[word["start"] : word["end"]]} for word in each["words"]],
            }
            for each in found["scores"]
        ],
    }


@dataclass(frozen=True, slots=True)
class _Text:
    body: str
    words: tuple[tuple[int, int], ...]
    quoted: tuple[tuple[int, int], ...]

    def part(self, words: range, left_out: Iterable[int]) -> str:
        """Return the text of some words without others; of all words it is the body, with what stands around them."""
        whole = len(words) == len(self.words)
        start, end = (0, len(self.body)) if whole else (self.words[words[0]][0], self.words[words[-1]][1])
        return text_without(self.body, self.quoted, (self.words[place] for place in left_out), start, end)


class _Asked:
    """What the scorer said of parts of one text, and how much it may still be asked."""

    def __init__(self, score: Score, text: _Text) -> None:
        self.text = text
        self.all = range(len(text.words))
        self.left = MOST_SCORINGS
        self._score = score
        self._known: dict[str, Mapping[str, float]] = {}
        self.whole = self(self.all)

    def __call__(self, words: range, left_out: Sequence[int] = ()) -> Mapping[str, float]:
        """Return the scores of some words without others."""
        text = self.text.part(words, left_out)
        if text not in self._known:
            self.left -= 1
            # Nothing is left to read where all words are left out.
            self._known[text] = self._score(text) if text.strip() else {}
        return self._known[text]


def _passage(asked: _Asked, high: Sequence[str]) -> range:
    """Return the words of the passage that scores highest alone, of all words where they are few enough."""
    found = asked.all
    while len(found) > _PASSAGE:
        parts = _cut(found, max(_PASSAGE, math.ceil(len(found) / _RUNS)))
        alone = [max(_odds(asked(part).get(name, 0.0)) for name in high) for part in parts]
        found = parts[alone.index(max(alone))]
    return found


def _singles(asked: _Asked, passage: range, high: Sequence[str]) -> dict[int, Mapping[str, float]]:
    """Return the scores of the passage without each word by itself, as far as the search came: the strongest runs first."""
    before = asked(passage)
    found: dict[int, Mapping[str, float]] = {}
    waiting: list[tuple[float, int, range]] = []
    parts = _cut(passage, 1 if len(passage) <= FEW else math.ceil(len(passage) / _RUNS))
    while len(parts) <= asked.left - (_KEPT if found else _FEWEST):
        for part in parts:
            after = asked(passage, part)
            if len(part) == 1:
                found[part[0]] = after
            else:
                heappush(waiting, (-max(_effect(before, after, name) for name in high), part.start, part))
        if not waiting:
            break
        _, _, strongest = heappop(waiting)
        parts = _cut(strongest, 1 if len(strongest) <= _RUNS else math.ceil(len(strongest) / _RUNS))
    return found


def _drivers(
    asked: _Asked, passage: range, singles: Mapping[int, Mapping[str, float]], name: str, attributes_left: int
) -> Drivers:
    """Name the words that lower a score, one after the other until it is calm."""
    before = asked(passage)
    effects = {place: _effect(before, after, name) for place, after in singles.items()}
    ranked = sorted((place for place, effect in effects.items() if effect > 0), key=lambda place: (-effects[place], place))
    score = without = asked.whole[name]
    named: dict[int, float] = {}
    least = asked.left - asked.left // attributes_left
    while ranked and len(named) < MOST_WORDS and without >= _CALM * score:
        # What a word does depends on those that are gone already: of two insults either alone seems to do nothing.
        tried = [
            (asked(asked.all, [*named, place]).get(name, 0.0), place)
            for place in ranked[: _BESIDE if named else 1]
            if asked.left > least
        ]
        if not tried or min(tried)[0] >= without:
            break
        without, chosen = min(tried)
        named[chosen] = without
        ranked.remove(chosen)
    return Drivers(name, score, tuple(Word(*asked.text.words[place], without=left) for place, left in named.items()))


def _cut(words: range, size: int) -> list[range]:
    return [words[at : at + size] for at in range(0, len(words), size)]


def _effect(before: Mapping[str, float], after: Mapping[str, float], name: str) -> float:
    return _odds(before.get(name, 0.0)) - _odds(after.get(name, 0.0))


def _odds(probability: float) -> float:
    """Return the logarithm of the odds: near 0 and 1 a small step of the probability is a large one of the model."""
    bounded = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(bounded / (1 - bounded))

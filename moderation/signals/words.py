"""The site's own word lists, read on the normalised view so that a disguise does not help.

Words are found all at once by Aho-Corasick and count only at word boundaries (a list with "ass" does not hold "class");
patterns are RE2's, because ``re`` would let one operator's pattern hang a worker. Unit: entries that occur, each counted
once. Cost: 1.5 ms for 100,000 characters, whatever the length of the list.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import ahocorasick

from moderation.disguises import fold
from moderation.signals.patterns import PatternRefused, compile_pattern
from moderation.text import NormalisedText

_MAX_ENTRY: Final = 200
_MAX_PATTERNS: Final = 500


class WordListError(Exception):
    """An entry of a word list cannot be used; ``entry`` is its index and ``problem`` says why."""

    def __init__(self, entry: int, problem: str) -> None:
        self.entry = entry
        self.problem = problem
        super().__init__(f"entry {entry + 1}: {problem}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One entry: a word or phrase, or with ``pattern`` an RE2 expression; ``reason`` is the key 1..9 that it stands for."""

    text: str
    reason: int = 9
    pattern: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """An entry and where it stands, as offsets into the author's text."""

    entry: Word
    start: int
    end: int


def _key(text: str) -> str:
    """Small letters without accents, one character for one, so that offsets stay."""
    if text.isascii():
        return text.lower()
    return "".join(folded if len(folded := fold(char)) == 1 else char for char in text)


@dataclass(frozen=True, slots=True, eq=False)
class WordList:
    """A compiled list; build it once per version of the list with ``compile``, it is safe to share between threads."""

    entries: tuple[Word, ...] = ()
    _automaton: Any = None
    _patterns: tuple[tuple[Word, Any], ...] = field(default=())

    @classmethod
    def compile(cls, words: Iterable[Word]) -> "WordList":
        """Compile ``words``; raise ``WordListError`` for an empty entry, a wrong reason or a pattern that RE2 refuses."""
        entries = tuple(words)
        automaton = ahocorasick.Automaton()
        patterns: list[tuple[Word, Any]] = []
        for index, word in enumerate(entries):
            if not word.text.strip() or len(word.text) > _MAX_ENTRY:
                raise WordListError(index, f"an entry has 1 to {_MAX_ENTRY} characters")
            if not 1 <= word.reason <= 9:
                raise WordListError(index, "the reason is a number from 1 to 9")
            if word.pattern:
                patterns.append((word, _pattern(index, word.text)))
            else:
                key = _key(" ".join(word.text.split()))
                if key not in automaton:
                    automaton.add_word(key, (index, len(key)))
        if len(patterns) > _MAX_PATTERNS:
            raise WordListError(len(entries) - 1, f"{len(patterns)} patterns are too many; {_MAX_PATTERNS} is the limit")
        if len(automaton):
            automaton.make_automaton()
        return cls(entries, automaton if len(automaton) else None, tuple(patterns))

    def find(self, view: NormalisedText) -> list[Found]:
        """Return each entry that occurs, at its first place, in the order of the list."""
        if self._automaton is None and not self._patterns:
            return []
        first: dict[Word, tuple[int, int]] = {}
        text = view.text
        if self._automaton is not None:
            key = _key(text)
            for last, (index, length) in self._automaton.iter(key):
                start, end = last + 1 - length, last + 1
                if self.entries[index] not in first and _stands_alone(key, start, end):
                    first[self.entries[index]] = (start, end)
        for word, pattern in self._patterns:
            match = pattern.search(text)
            if match is not None and match.end() > match.start():
                first.setdefault(word, match.span())
        return [Found(word, *view.to_original(*first[word])) for word in dict.fromkeys(self.entries) if word in first]


def _pattern(index: int, text: str) -> Any:
    try:
        return compile_pattern(text, any_case=True)
    except PatternRefused as error:
        raise WordListError(index, f"RE2 cannot use this pattern: {error}") from error


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Tell whether no letter or digit continues the word on either side; scripts without spaces have no such sides."""
    before = start > 0 and _joins(text[start - 1], text[start])
    after = end < len(text) and _joins(text[end - 1], text[end])
    return not before and not after


def _joins(left: str, right: str) -> bool:
    return left.isalnum() and right.isalnum() and not (_spaceless(left) or _spaceless(right))


def _spaceless(char: str) -> bool:
    return char >= "\u0e00" and (
        char <= "\u0eff" or "\u1780" <= char <= "\u17ff" or "\u3040" <= char <= "\u9fff" or char >= "\U00020000"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WordSignals:
    """``banned_word_reason`` is the reason key of the first banned entry found, 0 for none."""

    banned_words: int
    banned_word_reason: int
    suspect_words: int


def measure(view: NormalisedText, banned: WordList, suspect: WordList) -> WordSignals:
    """Count the entries of both lists that occur in the text."""
    found = banned.find(view)
    return WordSignals(
        banned_words=len(found),
        banned_word_reason=found[0].entry.reason if found else 0,
        suspect_words=len(suspect.find(view)),
    )

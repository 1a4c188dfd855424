"""Undoes what disguises a word from a model but not from a reader, by a list of words that people do write.

`moderation.text` undoes disguises of the few words that filters look for, and keeps the way back to the author's text. A model
reads every word, and one that falls apart into unknown pieces tells it nothing: "tihs is craazy", "g.a.r.b.a.g.e", "st*p",
"whatanidiot". Here such words are looked up among those that appear in comments, most frequent first. Only words that the list
does not know are touched, so that names and slang stay what they are; a word with a capital initial never turns into an insult.

The list is `bundled/words.txt`: one word a line in falling frequency, made by `training/words.py`.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path
from typing import Final

from moderation.disguises import LEET, LEXICON

WORDS_FILE: Final = Path(__file__).parent / "bundled" / "words.txt"
_LONGEST: Final = 40
"""A longer word is no disguise but noise, and would cost too much to look up."""
_COMMON: Final = 9_000
"""Rank up to which a word is put in where a letter is missing, or is taken for a piece of words written together."""
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_HIDDEN: Final = frozenset("*#%_-")
_ELL: Final = str.maketrans("1|", "ll")
_LEET: Final = str.maketrans({sign: letter for sign, letter in LEET.items() if sign != "+"})

_SPACED: Final = re.compile(
    "|".join(rf"(?<![^\W_])[A-Za-z](?:{gap}[A-Za-z]){{3,}}(?![^\W_])" for gap in (" ", "[.]", "-", "_", r"[*~|/,\u00b7]"))
)
_TOKEN: Final = re.compile(r"[A-Za-z0-9@$!|\u20ac*#%_-]+")
_ADDRESS: Final = re.compile(r"\S*(?:://|www\.|\w@\w[\w-]*\.)\S*")


class Spelling:
    """Words in falling frequency, and what a disguised one may have been."""

    def __init__(self, words: Sequence[str]) -> None:
        self._rank: Final = {word: rank for rank, word in enumerate(words)}
        self._by_shape: Final[defaultdict[tuple[int, str], list[str]]] = defaultdict(list)
        for word in words:
            self._by_shape[len(word), word[:1]].append(word)
        self._undo = lru_cache(maxsize=20_000)(self._undo_word)

    def __call__(self, text: str) -> str:
        """Return the text with disguised words put right, in small letters; linear in its length."""
        text = _SPACED.sub(self._close_gaps, text)
        if "://" in text or "@" in text or "www." in text:
            at = 0
            pieces: list[str] = []
            for address in _ADDRESS.finditer(text):
                pieces += (_TOKEN.sub(self._look_up, text[at : address.start()]), address.group())
                at = address.end()
            return "".join((*pieces, _TOKEN.sub(self._look_up, text[at:])))
        return _TOKEN.sub(self._look_up, text)

    def _close_gaps(self, match: re.Match[str]) -> str:
        spaced = match.group()
        letters = spaced[::2].lower()
        if len(letters) <= _LONGEST and letters in self._rank:
            return letters
        return self._cut(letters, fewest=2) or spaced

    def _look_up(self, match: re.Match[str]) -> str:
        token = match.group()
        if token.lower() in self._rank or len(token) < 4 or len(token) > _LONGEST or token.isdigit():
            return token
        return self._undo(token) or token

    def _undo_word(self, token: str) -> str | None:
        word = token.lower()
        name = token[0].isupper() and token[1:].islower()
        if not word.isalpha():
            found = self._show_hidden(word) or self._from_signs(word)
        else:
            found = self._shortened(word) or self._turned(word, within=_COMMON if name else None)
            if found is None and not name:
                found = self._cut(word, fewest=2)
            found = found or self._with_letter(word)
        return None if found is None or (name and found in LEXICON) else found

    def _show_hidden(self, word: str) -> str | None:
        """Find the word of which one or two inner letters, at most half, are covered by a sign."""
        covered = [place for place, char in enumerate(word) if char in _HIDDEN]
        if not covered or len(covered) > min(2, len(word) // 2 - 1) or covered[0] == 0 or covered[-1] == len(word) - 1:
            return None
        parts = [part for part in re.split(r"[*#%_-]", word) if part]
        if not all(part.isalpha() for part in parts) or ("-" in word and all(part in self._rank for part in parts)):
            return None
        pattern = re.compile("".join("[a-z]" if char in _HIDDEN else char for char in word))
        return next((known for known in self._by_shape[len(word), word[0]] if pattern.fullmatch(known)), None)

    def _from_signs(self, word: str) -> str | None:
        """Find the word that digits and signs stand for."""
        bare = word.rstrip("!|-_*#%")
        if len(bare) < 4 or bare in self._rank or not any(char.isalpha() for char in bare):
            return None
        for spelt in (bare.translate(_LEET), bare.translate(_ELL).translate(_LEET)):
            if spelt in self._rank:
                return spelt + word[len(bare) :]
            if spelt.isalpha() and (found := self._shortened(spelt)):
                return found
        return None

    def _shortened(self, word: str) -> str | None:
        """Find the word with one run of a letter, or every run, made shorter."""
        runs = [(char, len(list(run))) for char, run in groupby(word)]
        if all(length == 1 for _, length in runs):
            return None
        spellings = ["".join(char * min(length, 2) for char, length in runs), "".join(char for char, _ in runs)]
        for place, (_, length) in enumerate(runs):
            spellings += [
                "".join(char * (shorter if at == place else min(old, 2)) for at, (char, old) in enumerate(runs))
                for shorter in ({1, 2, length - 1} if length > 1 else ())
            ]
        return self._most_frequent(spelling for spelling in spellings if spelling != word)

    def _turned(self, word: str, within: int | None) -> str | None:
        """Find the word with two neighbouring letters exchanged."""
        spellings = (word[:place] + word[place + 1] + word[place] + word[place + 2 :] for place in range(len(word) - 1))
        return self._most_frequent(spellings, within=within)

    def _with_letter(self, word: str) -> str | None:
        """Find the common word from which one letter is missing, never its first."""
        return self._most_frequent(
            (word[:place] + letter + word[place:] for place in range(1, len(word) + 1) for letter in _LETTERS), within=_COMMON
        )

    def _cut(self, letters: str, *, fewest: int) -> str | None:
        """Cut letters into common words, the likeliest way; words of one or two letters may not make up most of it."""
        if not 7 <= len(letters) <= 200:
            return None
        best: list[tuple[float, int]] = [(0.0, 0)] + [(math.inf, 0)] * len(letters)
        for end in range(1, len(letters) + 1):
            for start in range(max(0, end - 16), end):
                rank = self._rank.get(letters[start:end], _COMMON)
                if rank < _COMMON and (end - start > 1 or letters[start] in "aiu"):
                    cost = best[start][0] + math.log(rank + 20)
                    if cost < best[end][0]:
                        best[end] = (cost, start)
        if best[-1][0] == math.inf:
            return None
        words: list[str] = []
        end = len(letters)
        while end:
            words.append(letters[best[end][1] : end])
            end = best[end][1]
        small = sum(len(word) for word in words if len(word) <= 2)
        if len(words) < fewest or len(words) * 3 > len(letters) or small * 2 > len(letters):
            return None
        return " ".join(reversed(words))

    def _most_frequent(self, spellings: Iterator[str], within: int | None = None) -> str | None:
        ranked = [(self._rank[spelling], spelling) for spelling in spellings if spelling in self._rank]
        best = min(ranked, default=None)
        return None if best is None or (within is not None and best[0] >= within) else best[1]


@cache
def bundled_spelling() -> Spelling:
    """Read the list that comes with the package, once a process."""
    return Spelling(WORDS_FILE.read_text(encoding="ascii").split())

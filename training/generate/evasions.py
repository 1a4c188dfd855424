"""Disguises as people use them to get past filters, applied to hostile and harmless training texts alike.

The normalised view undoes most of them before the model reads a text; what it leaves over, the model learns from these. Both
classes get them, or else the disguise itself would mean "toxic" and a stylish nickname would be held.
"""

import random
from collections.abc import Callable

_LEET = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7", "l": "1", "b": "8", "g": "9"}
_LOOKALIKES = {
    "a": "\u0430",
    "c": "\u0441",
    "e": "\u0435",
    "i": "\u0456",
    "o": "\u043e",
    "p": "\u0440",
    "x": "\u0445",
    "y": "\u0443",
}
_INVISIBLE = ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad")


def leet(word: str, rng: random.Random) -> str:
    """Digits and signs for letters."""
    return "".join(rng.choice(_LEET[c]) if c in _LEET and rng.random() < 0.6 else c for c in word.lower())


def lookalikes(word: str, rng: random.Random) -> str:
    """Cyrillic letters for Latin ones."""
    return "".join(_LOOKALIKES[c] if c in _LOOKALIKES and rng.random() < 0.7 else c for c in word.lower())


def invisible(word: str, rng: random.Random) -> str:
    """Zero-width characters between letters."""
    return rng.choice(_INVISIBLE).join(word)


def spaced(word: str, rng: random.Random) -> str:
    """One separator between all letters."""
    return rng.choice((" ", ".", "-", "_", " ")).join(word)


def starred(word: str, rng: random.Random) -> str:
    """One or two inner letters hidden."""
    letters = list(word)
    for place in rng.sample(range(1, len(word) - 1), k=1 if len(word) < 6 else 2):
        letters[place] = rng.choice("**#-_")
    return "".join(letters)


def stretched(word: str, rng: random.Random) -> str:
    """One letter repeated."""
    place = rng.randrange(len(word))
    return word[:place] + word[place] * rng.randint(3, 6) + word[place + 1 :]


def swapped(word: str, rng: random.Random) -> str:
    """Two neighbouring inner letters exchanged."""
    place = rng.randrange(1, len(word) - 2)
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def doubled(word: str, rng: random.Random) -> str:
    """One letter doubled or dropped, as in haste."""
    place = rng.randrange(1, len(word))
    return word[:place] + (word[place] * 2 if rng.random() < 0.5 else "") + word[place + 1 :]


_WAYS: tuple[Callable[[str, random.Random], str], ...] = (
    leet, lookalikes, invisible, spaced, starred, stretched, swapped, doubled,
)  # fmt: skip


def disguise(text: str, rng: random.Random) -> str:
    """Disguise a third of the longer words of a text in one way, or join all its words when it is short."""
    words = text.split(" ")
    if 2 <= len(words) <= 4 and rng.random() < 0.1:
        return "".join(words)
    way = rng.choice(_WAYS)
    share = 1.0 if len(words) <= 6 else rng.choice((0.3, 0.6))
    return " ".join(way(word, rng) if len(word) >= 4 and word.isalpha() and rng.random() < share else word for word in words)

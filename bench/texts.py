"""Distinct texts of the lengths that comments have, from a seed: no cache and no rule about duplicates helps anyone."""

import math
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from moderation import scoring

MEDIAN_WORDS = 36
"""Half of the comments of a news site are shorter; the mean is near sixty words, and one in a hundred has several hundred."""

SPREAD = 0.95
"""Standard deviation of the logarithm of the length."""

LONGEST = 9_000
"""Characters; the API accepts ten thousand."""

COMMON = """
the of and to a in that is was it for on are as with they be this have from or had by not but what all were we when
your can said there use an each which she do how their if will up other about out many then them these so some her
would make like him into time has look two more write go see number no way could people my than first been call who its
now find long down day did get come made may part
"""
"""What holds a sentence together, and lets a detector see which language it is."""


@cache
def _words() -> tuple[str, ...]:
    lines = (Path(str(scoring.__file__)).parent / "bundled" / "words.txt").read_text().splitlines()
    found = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    return tuple(word for word in found if word.isalpha() and word.isascii() and len(word) > 2)


def texts(seed: int) -> Iterator[str]:
    """Yield distinct texts without end, the same ones for the same seed."""
    chance = random.Random(seed)
    words, common = _words(), COMMON.split()
    while True:
        count = max(3, min(1_000, round(MEDIAN_WORDS * math.exp(chance.gauss(0, SPREAD)))))
        chosen = [chance.choice(common) if chance.random() < 0.5 else chance.choice(words) for _ in range(count)]
        sentences = []
        while chosen:
            size = chance.randint(6, 18)
            sentences.append(" ".join(chosen[:size]).capitalize() + chance.choice("...!?"))
            del chosen[:size]
        yield " ".join(sentences)[:LONGEST]

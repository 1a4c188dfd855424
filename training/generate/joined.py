"""Longer comments put together from short ones: calm throughout, or calm but for one sentence.

Collected long comments carry one label for the whole, and a model learns to average: one threat among ten friendly sentences
then scores like none. Here the label follows the worst sentence, wherever it stands.
"""

import random

import numpy as np

from training.corpus import Rows

LONGEST_PART = 170
LONGEST = 480
"""Characters; what is longer would not fit a window."""


def joined_rows(rows: Rows, count: int, seed: int) -> Rows:
    """Put together `count` comments of two to six of the given rows, half of them with one abusive part.

    Targets are the highest of the parts (calm parts count as they are, abusive ones a little less than alone), weights the
    lowest.
    """
    rng = random.Random(f"joined {seed}")
    short = [place for place, text in enumerate(rows.texts) if 8 <= len(text) <= LONGEST_PART and rows.weights[place, 0] >= 0.5]
    calm = [place for place in short if rows.targets[place, 0] < 0.08]
    abusive = [place for place in short if rows.targets[place, 0] > 0.75]
    texts: list[str] = []
    targets: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    for number in range(count):
        parts = rng.sample(calm, rng.randint(1, 5)) if number % 2 else rng.sample(calm, rng.randint(2, 6))
        if number % 2:
            parts.insert(rng.randint(0, len(parts)), rng.choice(abusive))
        kept, length = [], 0
        for place in sorted(parts, key=lambda place: rows.targets[place, 0] < 0.5):
            if length + len(rows.texts[place]) <= LONGEST:
                kept.append(place)
                length += len(rows.texts[place])
        ordered = [place for place in parts if place in kept]
        texts.append(" ".join(_closed(rows.texts[place], rng) for place in ordered))
        highest = rows.targets[ordered].max(0)
        targets.append(np.where(highest > 0.5, 0.97 * highest, highest))
        weights.append(rows.weights[ordered].min(0))
    return Rows(texts, np.array(targets, np.float32), np.array(weights, np.float32))


def _closed(text: str, rng: random.Random) -> str:
    text = text.strip()
    return text if text[-1:] in ".!?" or rng.random() < 0.3 else text + "."

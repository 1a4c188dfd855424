"""Measures whether the words named for a score are those that make it: `python -m training.faithfulness --metrics FILE`.

From each text the named words are taken out, and as many words drawn by chance; the score that is explained first (the highest)
has to fall further in the first case. The texts are the held-out cases that a moderator wants held and, with --texts FILE, the
toxic rows of a file with the columns text and toxicity, such as the benchmark's. Nothing is chosen by either.
"""

import argparse
import csv
import gzip
import json
import random
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from moderation.scoring import catalog
from moderation.scoring.explain import MOST_SCORINGS, drivers, text_without, words_of
from training.judge_cases import CASES, wilson

ROWS = 600
"""Rows drawn from a file."""
DRAWS = 5
"""Choices of words by chance for each text."""
BOOTSTRAPS = 400
SEED = 7


def interval(values: Sequence[float]) -> list[float]:
    """Mean with its 95 % bootstrap interval: [mean, low, high]."""
    found = np.array(values)
    rng = np.random.default_rng(SEED)
    means = [found[rng.integers(0, len(found), len(found))].mean() for _ in range(BOOTSTRAPS)]
    return [round(float(value), 4) for value in (found.mean(), *np.quantile(means, (0.025, 0.975)))]


def measure(texts: Sequence[str]) -> dict[str, Any]:
    """Explain each text and compare with words drawn by chance; texts whose scores are too low to be explained are left out."""
    scorer = catalog.bundled()
    rng = random.Random(SEED)
    readings = 0

    def score(text: str) -> dict[str, float]:
        nonlocal readings
        readings += 1
        return scorer.score([text])[0]

    by_name: list[float] = []
    by_chance: list[float] = []
    words: list[int] = []
    cost: list[int] = []
    taken: list[float] = []
    unnamed = 0
    for text in texts:
        readings, began = 0, time.process_time()
        found = drivers(score, text)
        if not found:
            continue
        cost.append(readings)
        taken.append(1000 * (time.process_time() - began))
        first = found[0]
        if not first.words:
            unnamed += 1
            continue
        places = words_of(text)
        drawn = [text_without(text, (), rng.sample(places, len(first.words))) for _ in range(DRAWS)]
        left = [scores.get(first.attribute, 0.0) for scores in scorer.score(drawn)]
        words.append(len(first.words))
        by_name.append(first.score - first.without)
        by_chance.append(first.score - float(np.mean(left)))
    ahead = sum(named > chance for named, chance in zip(by_name, by_chance, strict=True))
    return {
        "texts": len(texts),
        "explained": len(cost),
        "without_a_word": unnamed,
        "words_named_mean": round(float(np.mean(words)), 2),
        "fall_without_named_words": interval(by_name),
        "fall_without_as_many_by_chance": interval(by_chance),
        "named_fall_further": wilson(ahead, len(by_name)),
        "readings_mean": round(float(np.mean(cost)), 1),
        "readings_most": max(cost),
        "ms_mean": round(float(np.mean(taken)), 1),
        "ms_99": round(float(np.quantile(taken, 0.99)), 1),
    }


def held_out() -> list[str]:
    """Return the held-out cases that a moderator wants held."""
    files = (tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(CASES.glob("*.toml")))
    return [text for file in files for function in file["function"] for text in function.get("hold", [])]


def toxic_rows(path: Path) -> list[str]:
    """Return toxic rows of a file, drawn with a fixed seed."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") if path.suffix == ".gz" else path.open(newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file) if float(row["toxicity"] or 0) >= 0.5]
    return random.Random(SEED).sample(texts, min(ROWS, len(texts)))


def main() -> None:
    """Read the arguments, measure, write and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", type=Path, required=True)
    parser.add_argument("--texts", type=Path, help="a file with the columns text and toxicity")
    options = parser.parse_args()
    found: dict[str, Any] = {"readings_allowed": MOST_SCORINGS, "held_out_cases": measure(held_out())}
    if options.texts:
        found["file"] = {"name": options.texts.name, **measure(toxic_rows(options.texts))}
    print(json.dumps(found, indent=1))
    metrics: dict[str, Any] = json.loads(options.metrics.read_text()) if options.metrics.exists() else {}
    options.metrics.write_text(json.dumps({**metrics, "explanations": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()

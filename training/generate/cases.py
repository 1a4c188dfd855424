"""Sentences from templates, for what collected data never teaches: who is spoken of, and whether the words are meant.

Each function of language has a hostile and a harmless side in nearly the same words, so that no single word decides. The
templates share nothing with the benchmark files or with the cases that the model is judged on.
"""

import random
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from moderation.scoring.scorer import ATTRIBUTES
from training.corpus import Rows
from training.generate.lexicon import WORDS

_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Function:
    """One function of language: its templates, how often each is filled, and the targets of what comes out."""

    name: str
    fills: int
    templates: tuple[str, ...]
    targets: Mapping[str, float]
    """Attributes not named are 0; a value between 0 and 1 states doubt."""


def read_functions() -> tuple[Function, ...]:
    """Read functions.toml, which lies beside this file."""
    content = tomllib.loads((Path(__file__).parent / "functions.toml").read_text(encoding="utf-8"))
    return tuple(Function(**{**one, "templates": tuple(one["templates"])}) for one in content["function"])


FUNCTIONS = read_functions()


def fill(template: str, rng: random.Random) -> str:
    """Replace every slot by a word of its list, lists within lists too."""
    while (slot := _SLOT.search(template)) is not None:
        template = template[: slot.start()] + rng.choice(WORDS[slot.group(1)]) + template[slot.end() :]
    return template


def generated_rows(seed: int) -> Rows:
    """Draw every function's distinct sentences, with full weight.

    A third is lower-cased, a third loses its closing mark, a quarter is joined by a harmless sentence.
    """
    rng = random.Random(seed)
    harmless = next(function for function in FUNCTIONS if function.name == "everyday comments")
    seen: set[str] = set()
    texts: list[str] = []
    targets: list[list[float]] = []
    for function in FUNCTIONS:
        row = [function.targets.get(attribute, 0.0) for attribute in ATTRIBUTES]
        for template in function.templates:
            for _ in range(function.fills if _SLOT.search(template) else 2):
                text = fill(template, rng)
                if text in seen:
                    continue
                seen.add(text)
                text = text[0].upper() + text[1:] if rng.random() < 0.7 else text
                if rng.random() < 0.25:
                    other = fill(rng.choice(harmless.templates), rng)
                    text = f"{other} {text}" if rng.random() < 0.5 else f"{text} {other}"
                text = text.lower() if rng.random() < 0.33 else text
                texts.append(text.rstrip(".!") if rng.random() < 0.33 else text)
                targets.append(row)
    return Rows(texts, np.array(targets, np.float32), np.ones((len(texts), len(ATTRIBUTES)), np.float32))

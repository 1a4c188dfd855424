"""The rows of the second stage: collected ones with both teachers' opinions, our own sentences, joined and disguised texts."""

import random
from pathlib import Path

from training.corpus import SOURCES, Rows, Sources, human_rows, read, soft_rows
from training.generate.cases import generated_rows
from training.generate.evasions import disguise
from training.generate.identity import identity_rows
from training.generate.joined import joined_rows
from training.second_teacher import out_of_fold

DISGUISED_SHARE = 0.08
JOINED_ROWS = 7000
TOXICITY_WEIGHT = 2.0
"""Every policy leans on this attribute most, and it alone has labels everywhere."""


def all_rows(data: Path, cache: Path, seed: int, sources: Sources = SOURCES, second_seed: int | None = None) -> Rows:
    """Everything, with `DISGUISED_SHARE` of the rows of both classes disguised; soft labels and our own sentences go in twice."""
    second = out_of_fold(read(data, "tox_train"), cache, second_seed or seed)
    soft, own = soft_rows(data), Rows.joined([generated_rows(seed), identity_rows(seed)])
    collected = human_rows(data, seed + 1, second, sources)
    rows = Rows.joined([collected, soft, soft, own, joined_rows(Rows.joined([collected, own]), JOINED_ROWS, seed)])
    rows.weights[:, 0] *= TOXICITY_WEIGHT
    rng = random.Random(seed)
    texts = [disguise(text, rng) if rng.random() < DISGUISED_SHARE else text for text in rows.texts]
    return Rows(texts, rows.targets, rows.weights)

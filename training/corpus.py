"""Reads the training data and decides, source by source, how far each label is to be believed.

Every row becomes a text, seven targets from 0 to 1 and seven weights (0: unknown, the loss skips it). The sources differ in
style as much as in toxicity, and a model would rather learn the style; what is done against that is said where it is done.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moderation.scoring.scorer import ATTRIBUTES
from training.generate.sexual import names_sex_act

Floats = NDArray[np.float32]
Sources = Mapping[str, tuple[int | None, int | None, float]]
LABELLED = ATTRIBUTES[:6]
"""The attributes that the data has columns for; `sexual_explicit` is a weak label made here."""

# How many harmless (or unlabelled) and toxic rows of each source go in (None: all), and how much of a row's target is the human
# label; the rest is the teachers' opinion. Paradetox calls any swear word toxic and the spans of Civil Comments include mere
# heat, so there the teachers speak too. Left out: davidson_tweets (labelled by keyword, unfair to African-American English) and
# paradetox_inherent (toxic by topic).
SOURCES: Sources = {
    "jigsaw_train": (None, None, 0.85),
    "jigsaw_train_lowercased": (None, None, 0.85),
    "wiki_cat_gc": (5000, 0, 0.8),
    "wiki_cat_gn": (5000, 0, 0.8),
    "civil_balanced10k": (None, None, 0.75),
    "civil_toxic_spans": (0, 5000, 0.6),
    "paradetox_toxic": (0, 5000, 0.6),
    "paradetox_neutral": (6000, 0, 0.8),
    "paradetox_nottoxic": (None, 0, 0.8),
    "stormfront": (4500, None, 0.8),
    "hatemoji_build": (None, None, 0.97),
    "convabuse": (1000, None, 0.8),
}
CONTINUED_SOURCES: Sources = {
    "jigsaw_train": (None, None, 0.7),
    "jigsaw_train_lowercased": (None, None, 0.7),
    "wiki_cat_gc": (6000, None, 0.5),
    "wiki_cat_gn": (6000, None, 0.5),
    "civil_balanced10k": (None, None, 0.7),
    "civil_toxic_spans": (0, 3500, 0.6),
    "paradetox_toxic": (0, 5000, 0.5),
    "paradetox_neutral": (4000, 0, 0.8),
    "paradetox_nottoxic": (None, 0, 0.8),
    "stormfront": (3000, None, 0.8),
    "hatemoji_build": (None, None, 0.95),
    "convabuse": (1000, None, 0.8),
}
"""The same for continuing: more of Wikipedia talk, and more of what the two teachers together say of it."""
_PUNCTUATION = re.compile(r"[^\w\s]")


@dataclass(frozen=True, slots=True)
class Rows:
    """Texts with targets and weights of shape (texts, 7), columns as `ATTRIBUTES`."""

    texts: list[str]
    targets: Floats
    weights: Floats

    def __len__(self) -> int:
        return len(self.texts)

    @staticmethod
    def joined(parts: Iterable["Rows"]) -> "Rows":
        """One set of rows from several, in order."""
        listed = list(parts)
        return Rows(
            [text for part in listed for text in part.texts],
            np.concatenate([part.targets for part in listed]),
            np.concatenate([part.weights for part in listed]),
        )


def kept_for_calibration(row_id: str) -> bool:
    """Whether a softly labelled row (4 in 10, by its id) is kept out of training, to calibrate the scarce attributes."""
    return int(hashlib.sha256(row_id.encode()).hexdigest()[:8], 16) % 10 < 4


def read(data: Path, name: str) -> pd.DataFrame:
    """Read `name`.csv.gz under the data folder, empty texts as empty strings."""
    frame = pd.read_csv(data / f"{name}.csv.gz", dtype={"id": str, "text": str})
    frame["text"] = frame["text"].fillna("")
    return frame


def labels(frame: pd.DataFrame) -> Floats:
    """Take the six labels, of shape (rows, 6), unknown as NaN; a Jigsaw row that is not toxic has none of the others either."""
    values: NDArray[np.float32] = frame[list(LABELLED)].to_numpy(np.float32, copy=True)
    clean_jigsaw = frame["source"].str.startswith("jigsaw").to_numpy() & (values[:, 0] == 0)
    values[clean_jigsaw, 1:] = np.where(np.isnan(values[clean_jigsaw, 1:]), 0.0, values[clean_jigsaw, 1:])
    return values


def human_rows(data: Path, seed: int, second: Floats | None = None, sources: Sources = SOURCES) -> Rows:
    """Take the rows of `tox_train` with their labels, mixed with the teachers' scores as `sources` says.

    `second` are a second teacher's scores of toxicity for all rows of `tox_train`; the teachers' logits are averaged.
    """
    frame = read(data, "tox_train")
    teacher = read_teacher(data).loc[frame["id"]].to_numpy(np.float32, copy=True)
    if second is not None:
        teacher[:, 0] = _mixed(teacher[:, 0], second)
    rng = np.random.default_rng(seed)
    chosen: list[Any] = []
    toxic = (frame["toxicity"] == 1).to_numpy()
    for source, (harmless_count, toxic_count, _) in sources.items():
        of_source = (frame["source"] == source).to_numpy()
        for kind, count in ((of_source & ~toxic, harmless_count), (of_source & toxic, toxic_count)):
            index = np.flatnonzero(kind)
            chosen.append(index if count is None or len(index) <= count else rng.choice(index, count, replace=False))
    # Wikipedia's abusive rows are the only ones judged by ten people each, and few: they go in twice.
    chosen.append(np.flatnonzero(frame["source"].str.startswith("jigsaw").to_numpy() & toxic))
    picked = np.sort(np.concatenate(chosen))
    frame, teacher = frame.iloc[picked].reset_index(drop=True), teacher[picked]
    human = labels(frame)
    trust = frame["source"].map({source: trusted for source, (_, _, trusted) in sources.items()}).to_numpy(np.float32)[:, None]
    known = ~np.isnan(human)
    targets = np.zeros((len(frame), 7), np.float32)
    weights = np.zeros((len(frame), 7), np.float32)
    targets[:, :6] = np.where(known, trust * np.nan_to_num(human) + (1 - trust) * teacher, teacher)
    weights[:, :6] = np.where(known, 1.0, 0.5)

    # Clean rows: what the teacher suspects in a text that people found harmless counts half.
    clean = human[:, 0] == 0
    targets[clean, 1:6] = np.where(known[clean, 1:], targets[clean, 1:6], 0.5 * teacher[clean, 1:])
    jigsaw = frame["source"].str.startswith("jigsaw").to_numpy()
    targets[clean & jigsaw, 1:6] = np.where(human[clean & jigsaw, 1:] == 0, 0.0, targets[clean & jigsaw, 1:6])

    # Hatemoji labels hate, so "not hateful" does not mean "not rude": there the teacher's doubt leaves toxicity unknown.
    rude = (frame["source"] == "hatemoji_build").to_numpy() & clean & (teacher[:, 0] > 0.3)
    weights[rude, 0] = 0.0

    texts = frame["text"].tolist()
    # The clean half of Civil Comments comes lower-cased and without punctuation, the toxic spans as written. Unless most of
    # these lose their punctuation too, a comma would mean "toxic" on news.
    for i in np.flatnonzero((frame["source"] == "civil_toxic_spans").to_numpy()):
        if rng.random() < 0.65:
            texts[i] = _PUNCTUATION.sub("", texts[i]).lower()
    _weak_sexual(texts, targets, weights)
    return Rows(texts, targets, weights)


def _mixed(first: Floats, second: Floats) -> Floats:
    odds = [np.log(clipped / (1 - clipped)) for clipped in (np.clip(scores, 1e-4, 1 - 1e-4) for scores in (first, second))]
    mean: Floats = (1 / (1 + np.exp(-(odds[0] + odds[1]) / 2))).astype(np.float32)
    return mean


def soft_rows(data: Path) -> Rows:
    """Take the rows that Detoxify or Perspective scored, except those kept for calibration."""
    frame = read(data, "tox_soft_labels")
    frame = frame[[not kept_for_calibration(row_id) for row_id in frame["id"]]]
    targets = np.zeros((len(frame), 7), np.float32)
    weights = np.zeros((len(frame), 7), np.float32)
    targets[:, :6] = frame[list(LABELLED)].to_numpy(np.float32)
    weights[:, :6] = 1.0
    texts = frame["text"].tolist()
    _weak_sexual(texts, targets, weights)
    return Rows(texts, targets, weights)


def read_teacher(data: Path) -> pd.DataFrame:
    """Read the teacher's six scores by row id."""
    return read_scores(data / "tox_train_teacher_scores.csv.gz")


def read_scores(path: Path) -> pd.DataFrame:
    """Read six scores by row id, in the order of `LABELLED`."""
    return pd.read_csv(path, dtype={"id": str}).set_index("id")[list(LABELLED)]


def _weak_sexual(texts: list[str], targets: Floats, weights: Floats) -> None:
    # No source labels this. A text that names a sex act or body part crudely and is obscene counts as explicit, one without
    # either as not; between the two nothing is claimed.
    obscene = targets[:, 2]
    named = np.fromiter((names_sex_act(text) for text in texts), bool, len(texts))
    targets[:, 6] = np.where(named & (obscene >= 0.3), 0.9, 0.0)
    weights[:, 6] = np.where(named & (obscene >= 0.3), 0.7, np.where(~named & (obscene < 0.5), 0.3, 0.0))

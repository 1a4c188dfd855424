"""Fits the calibration that ships: `python -m training.calibrate --data DIR --bundled moderation/scoring/bundled`.

The rows at hand are four in ten toxic, a blog's comments are not. So rows are weighted to a stated reference mix before a curve
is fitted: 8 abusive comments in 100; half of the text like news comments, three tenths like Wikipedia talk, the rest like social
media, a little of it from collections of hate and what looks like it; and each finer attribute as frequent among the abusive as
in Jigsaw's fully labelled sample. Only `tox_dev` and the softly labelled rows that training never saw are used.

Before that it fits below which values a text is settled early (see `moderation.scoring.onnx`): of the rows that come near a
threshold of any policy after all layers, at most one in a hundred may look calm in that attribute after half of them, and to be
settled a text must look calm in all seven.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from moderation.scoring.calibration import Curve
from moderation.scoring.onnx import OnnxScorer
from moderation.scoring.scorer import ATTRIBUTES
from training.corpus import LABELLED, kept_for_calibration, labels, read

Floats = NDArray[np.float64]
ABUSIVE_SHARE = 0.08
SOURCE_SHARES = {"news": 0.5, "wikipedia": 0.3, "social": 0.17, "hate": 0.03}
MAX_TOKENS = 128
"""Window at run time, the length of `training.train_toxicity`'s texts; repeated here so that calibrating needs no torch."""
OVERLAP_TOKENS = 16
FOLDS = 5
BINS = 15
_GRID = np.arange(-9.0, 9.01, 0.5)
NEAR_A_THRESHOLD = {
    "toxicity": 0.1, "severe_toxicity": 0.1, "obscene": 0.3, "threat": 0.06, "insult": 0.12, "identity_attack": 0.07,
    "sexual_explicit": 0.4,
}  # fmt: skip
"""Calibrated scores, each half of the lowest threshold in the shipped policies or less; insults count beside toxicity only."""
MISJUDGED_SHARE = 0.01
ALWAYS, NEVER = 1000.0, -1000.0
MODEL_NAME = "bundled-4"


def group_of(source: str) -> str:
    """Which kind of text a source stands for."""
    if source.startswith("civil"):
        return "news"
    if source.startswith(("stormfront", "hatemoji")):
        return "hate"
    return "wikipedia" if source.startswith(("jigsaw", "wiki", "detoxify", "perspective")) else "social"


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows to calibrate on: logits (rows, 7), labels (rows, 6) with NaN for unknown, and the kind of each text."""

    logits: Floats
    labels: Floats
    groups: NDArray[np.str_]


def unscored_sample(data: Path) -> tuple[list[str], Sample]:
    """Read `tox_dev` (without davidson_tweets) and the softly labelled rows kept back: texts, and a sample whose logits are NaN.

    A comment that people found harmless attacks nobody's identity and threatens nobody: its unknown labels are no. A soft score
    from 0.5 up is a yes, but a finer one without toxicity is left unknown: those are mostly noise.
    """
    dev = read(data, "tox_dev")
    dev = dev[dev["source"] != "davidson_tweets"]
    soft = read(data, "tox_soft_labels")
    soft = soft[[kept_for_calibration(row_id) for row_id in soft["id"]]]
    texts = [*dev["text"], *soft["text"]]
    human = labels(dev).astype(np.float64)
    human[(human[:, :1] == 0) & np.isnan(human)] = 0.0
    judged = (soft[list(LABELLED)].to_numpy() >= 0.5).astype(np.float64)
    judged[(judged[:, :1] == 0) & (judged == 1)] = np.nan
    known = np.concatenate([human, judged])
    sources = [*dev["source"], *(f"detoxify {source}" for source in soft["source"])]
    unscored = np.full((len(texts), len(ATTRIBUTES)), np.nan)
    return texts, Sample(unscored, known, np.array([group_of(source) for source in sources]))


def sample(data: Path, scorer: OnnxScorer) -> Sample:
    """Score the rows of `unscored_sample`."""
    texts, rows = unscored_sample(data)
    return replace(rows, logits=scorer.logits(texts))


def shares_among_abusive(data: Path) -> dict[str, float]:
    """How many of Jigsaw's fully labelled toxic rows carry each attribute."""
    frame = read(data, "tox_train")
    frame = frame[frame["source"].str.startswith("jigsaw") & (frame["toxicity"] == 1) & frame["insult"].notna()]
    return {attribute: float(frame[attribute].mean()) for attribute in LABELLED}


def mix_weights(rows: Sample, attribute: int, positive_share: float, abusive_share: float = ABUSIVE_SHARE) -> Floats:
    """Weights that make the rows a sample of the reference mix for one attribute; unknown rows weigh 0, all sum to 1.

    The mix has three cells: rows with the attribute, other abusive rows, and harmless rows; each is made of the kinds of text
    in their shares, as far as the cell has them.
    """
    label = rows.labels[:, attribute]
    known = ~np.isnan(label)
    toxic = rows.labels[:, 0] == 1
    cells = [
        (known & (label == 1), positive_share),
        (known & (label == 0) & toxic, abusive_share - positive_share),
        (known & (label == 0) & ~toxic, 1 - abusive_share),
    ]
    weights = np.zeros(len(label))
    for cell, share in cells:
        present = {group: part for group, part in SOURCE_SHARES.items() if (cell & (rows.groups == group)).any()}
        for group, part in present.items():
            members = cell & (rows.groups == group)
            weights[members] = share * part / sum(present.values()) / members.sum()
    normed: Floats = weights / weights.sum()
    return normed


def fit(logits: Floats, label: Floats, weights: Floats, *, isotonic: bool) -> Curve:
    """Fit a rising curve through weighted rows: Platt's, or for plenty of rows an isotonic one over 40 bins."""
    platt = LogisticRegression(C=1e4).fit(logits[:, None], label, sample_weight=weights * len(label))
    slope, shift = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    if slope <= 0:
        raise ValueError("the scores run against the labels")
    smooth = 1 / (1 + np.exp(-(slope * _GRID + shift)))
    if not isotonic:
        return Curve(_GRID, smooth)
    edges = np.quantile(logits, np.linspace(0, 1, 41))
    bins = np.clip(np.searchsorted(edges, logits, side="right") - 1, 0, 39)
    mass = np.bincount(bins, weights, 40)
    filled = mass > 0
    centres = np.bincount(bins, weights * logits, 40)[filled] / mass[filled]
    rates = np.bincount(bins, weights * label, 40)[filled] / mass[filled]
    flat = IsotonicRegression(y_min=0, y_max=1).fit_transform(centres, rates, sample_weight=mass[filled])
    # Level stretches would make different comments equal; a tenth of Platt's curve keeps their order.
    raised = 0.9 * flat + 0.1 / (1 + np.exp(-(slope * centres + shift)))
    points = np.concatenate([[_GRID[0]], centres, [_GRID[-1]]])
    values = np.concatenate([[0.1 * smooth[0]], raised, [max(raised[-1], 0.9 * flat[-1] + 0.1 * smooth[-1])]])
    keep = np.concatenate([[True], np.diff(points) > 1e-6])
    return Curve(points[keep], np.maximum.accumulate(values[keep]))


def expected_calibration_error(probabilities: Floats, label: Floats, weights: Floats) -> float:
    """Weighted mean distance of probability and rate over 15 equal-width bins."""
    bins = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    gap = np.bincount(bins, weights * probabilities, BINS) - np.bincount(bins, weights * label, BINS)
    return float(np.abs(gap).sum() / weights.sum())


def cross_fitted(logits: Floats, label: Floats, weights: Floats, *, isotonic: bool) -> Floats:
    """Probabilities of rows by curves that did not see them."""
    fold = np.random.default_rng(7).permutation(len(label)) % FOLDS
    out = np.zeros(len(label))
    for held in range(FOLDS):
        rest = fold != held
        out[~rest] = fit(logits[rest], label[rest], weights[rest], isotonic=isotonic)(logits[~rest])
    return out


def fitted(data: Path, rows: Sample) -> tuple[dict[str, Curve], dict[str, Any]]:
    """Curves of the labelled attributes, and what there is to know of each."""
    shares = shares_among_abusive(data)
    curves: dict[str, Curve] = {}
    figures: dict[str, Any] = {}
    for column, attribute in enumerate(LABELLED):
        weights = mix_weights(rows, column, ABUSIVE_SHARE * shares[attribute])
        used = weights > 0
        logits, label, weights = rows.logits[used, column], rows.labels[used, column], weights[used]
        isotonic = attribute == "toxicity"
        curves[attribute] = fit(logits, label, weights, isotonic=isotonic)
        held = cross_fitted(logits, label, weights, isotonic=isotonic)
        figures[attribute] = {
            "fit": "isotonic" if isotonic else "platt",
            "rows": int(used.sum()),
            "positives": int(label.sum()),
            "share_in_mix": round(ABUSIVE_SHARE * shares[attribute], 4),
            "ece_cross_fitted": round(expected_calibration_error(held, label, weights), 4),
        }
    return curves, figures


def settled_below(full: Floats, early: Floats, curves: Mapping[str, Curve]) -> list[float]:
    """For each output the value below which a text looks calm after half of the layers."""
    limits = []
    for column, attribute in enumerate(ATTRIBUTES):
        near = curves[attribute](full[:, column]) >= NEAR_A_THRESHOLD[attribute]
        limits.append(round(float(np.quantile(early[near, column], MISJUDGED_SHARE)), 4) if near.any() else ALWAYS)
    return limits


def early_figures(full: Floats, early: Floats, mixed: Floats, limits: list[float], rows: Sample) -> dict[str, Any]:
    """Measure what settling early gives and costs on the rows at hand."""
    settled = (early < np.array(limits)).all(1)
    known = ~np.isnan(rows.labels[:, 0])
    toxic = rows.labels[known, 0]
    weights = mix_weights(rows, 0, ABUSIVE_SHARE)
    abusive = (weights * (rows.labels[:, 0] == 1))[settled].sum() / weights[settled].sum()
    return {
        "settled_below": dict(zip(ATTRIBUTES, limits, strict=True)),
        "settled_share_of_rows": round(float(settled.mean()), 4),
        "settled_share_in_mix": round(float(weights[settled].sum()), 4),
        "abusive_among_settled_in_mix": round(float(abusive), 4),
        "auc_all_layers": round(float(roc_auc_score(toxic, full[known, 0])), 4),
        "auc_settled_early": round(float(roc_auc_score(toxic, mixed[known, 0])), 4),
    }


def write(bundled: Path, curves: Mapping[str, Curve], limits: list[float], about: dict[str, Any]) -> None:
    """Write calibration.json."""
    content = {
        "model": MODEL_NAME, "outputs": list(ATTRIBUTES), "window_tokens": MAX_TOKENS, "overlap_tokens": OVERLAP_TOKENS,
        "settled_below": limits, "reference_mix": about, "attributes": {name: points(curve) for name, curve in curves.items()},
    }  # fmt: skip
    (bundled / "calibration.json").write_text(json.dumps(content, indent=1) + "\n")


def points(curve: Curve) -> dict[str, list[float]]:
    """Write a curve as it is stored."""
    return {
        "logits": [round(float(x), 4) for x in curve.logits],
        "probabilities": [round(float(x), 6) for x in curve.probabilities],
    }


def main() -> None:
    """Read the arguments, fit every attribute, write the file and its errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundled", type=Path, required=True, help="folder with toxicity.onnx and tokenizer.json")
    parser.add_argument("--metrics", type=Path, help="JSON file to add the figures to, under `calibration`")
    options = parser.parse_args()
    # No data set at hand labels `sexual_explicit`: its scores are the model's own, and the card says so.
    plain = {attribute: Curve(_GRID, 1 / (1 + np.exp(-_GRID))) for attribute in ATTRIBUTES}
    texts, rows = unscored_sample(options.data)

    def logits(limits: list[float], chosen: Sequence[str] = texts) -> Floats:
        write(options.bundled, plain, limits, {})
        return OnnxScorer(options.bundled).logits(chosen)

    full, early = logits([NEVER] * len(ATTRIBUTES)), logits([ALWAYS] * len(ATTRIBUTES))
    curves, _ = fitted(options.data, replace(rows, logits=full))
    limits = settled_below(full, early, plain | curves)
    settled = np.asarray((early < np.array(limits)).all(1))
    mixed = np.where(settled[:, None], early, full)
    # Of a long text some windows may be settled early and others not: only those need another look.
    long = [place for place, text in enumerate(texts) if len(text) > 2 * MAX_TOKENS]
    mixed[long] = logits(limits, [texts[place] for place in long])
    rows = replace(rows, logits=mixed)
    curves, figures = fitted(options.data, rows)
    of_abusive = {name: round(x, 3) for name, x in shares_among_abusive(options.data).items()}
    about = {"abusive_share": ABUSIVE_SHARE, "text": SOURCE_SHARES, "of_abusive": of_abusive}
    write(options.bundled, plain | curves, limits, about)
    figures["settled_early"] = early_figures(full, early, rows.logits, limits, rows)
    print(json.dumps(figures, indent=1))
    if options.metrics:
        known = json.loads(options.metrics.read_text()) if options.metrics.exists() else {}
        options.metrics.write_text(json.dumps({**known, "calibration": figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Fits what the linear model may spare the network: `python -m training.first_look --data DIR --bundled DIR`.

On development rows, with two limits on the linear model's toxicity logit (`moderation.scoring.first_look`). Below the first one a
text is left to its words alone: the highest at which no row has another verdict by its scores, under `standard` from whomever or
under `strict`, and at most half a thousandth of AUC is lost. Below the second one a window of a longer text is skipped: the
highest at which at most one in a thousand of the rows that are held has. Which texts are too short to be judged by their words
is not fitted: in development rows next to none of them is abusive in calm words, on a blog somebody may try it on purpose.
Written into calibration.json, which becomes another version by that.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from moderation.scoring.first_look import FirstLook
from moderation.scoring.onnx import OnnxScorer
from moderation.scoring.scorer import ATTRIBUTES
from training.calibrate import ABUSIVE_SHARE, mix_weights, unscored_sample
from training.judge_cases import JUDGED, judged, signals

Floats = NDArray[np.float64]
CALM = [round(-1.2 + 0.1 * step, 1) for step in range(9)]
SKIPPED = [round(-0.6 + 0.2 * step, 1) for step in range(7)]
FEWEST_TOKENS = 48
"""Two or three sentences; a shorter text costs a few milliseconds at most."""
AUC_LOST = 0.0005
CHANGED = 0.001
STAND_IN_BELOW = -0.4
"""The line is fitted to the texts below this, more than are left to it, so that it does not hang on a few."""
NOTHING = -1000.0


@dataclass(frozen=True, slots=True)
class Text:
    """A development row as the scorer saw it: the linear opinion of the whole and of each window, and the network's outputs."""

    added: Floats
    said: list[float]
    outputs: Floats
    tokens: int
    windows: list[int]
    """How many tokens each window has."""


def read(scorer: OnnxScorer, text: str) -> Text:
    """Take one text apart, with the early exit as it ships."""
    tokens = scorer._tokens(text)  # noqa: SLF001 - the scorer's own steps, one by one
    windows = scorer._windows(tokens)  # noqa: SLF001
    added = scorer._pairs.logits(tokens) if scorer._pairs is not None else np.zeros(len(ATTRIBUTES))  # noqa: SLF001
    outputs = np.array([scorer._run(window, scorer._settled - added) for window in windows], np.float64)  # noqa: SLF001
    said = [float(added[0])] if len(windows) == 1 else scorer._said(windows)  # noqa: SLF001
    return Text(added, said, outputs, len(tokens), [len(window) for window in windows])


def logits(texts: list[Text], look: FirstLook) -> tuple[Floats, float]:
    """Compute what the scorer would say with this first look, and the share of tokens that the network would read."""
    found, tokens = [], 0
    for text in texts:
        chosen = look.worth_reading(text.said, text.tokens)
        found.append(text.outputs[chosen].max(0) + text.added if chosen else look.stand_in(text.said))
        tokens += sum(text.windows[place] for place in chosen)
    return np.array(found), tokens / sum(sum(text.windows) for text in texts)


def held(scorer: OnnxScorer, values: Floats) -> NDArray[np.bool_]:
    """Tell which rows are held by their scores alone, of shape (rows, policies and standings)."""
    calm = dict(signals(["What a fine day for a walk by the river."])[0])
    curves = list(zip(scorer.attributes, scorer._curves, scorer._outputs, strict=True))  # noqa: SLF001
    measured = []
    for row in values:
        scores = {name: float(curve(row[column])) for name, curve, column in curves}
        measured.append({**calm, **scores, "sexual": scores["sexual_explicit"]})
    return np.column_stack([[verdict != "approve" for verdict, _ in judged(measured, *who)] for who in JUDGED])


def main() -> None:
    """Read the arguments, choose the limits, write the calibration and what the choice costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundled", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True)
    options = parser.parse_args()
    file = options.bundled / "calibration.json"
    settings = {name: part for name, part in json.loads(file.read_text()).items() if name != "first_look"}
    file.write_text(json.dumps(settings, indent=1) + "\n")
    scorer = OnnxScorer(options.bundled)
    rows, sample = unscored_sample(options.data)
    texts = [read(scorer, row) for row in rows]
    used = mix_weights(sample, 0, ABUSIVE_SHARE) > 0
    toxic = sample.labels[used, 0]
    none = np.zeros(len(ATTRIBUTES))
    whole, _ = logits(texts, FirstLook(FEWEST_TOKENS, NOTHING, NOTHING, none, none))
    before, auc = held(scorer, whole), float(roc_auc_score(toxic, whole[used, 0]))
    loudest = np.array([max(text.said) for text in texts])
    long = np.array([text.tokens >= FEWEST_TOKENS for text in texts])
    line = np.array([np.polyfit(loudest[loudest < STAND_IN_BELOW], column, 1) for column in whole[loudest < STAND_IN_BELOW].T])

    def tried(calm: float, skipped: float) -> dict[str, Any]:
        values, share = logits(texts, FirstLook(FEWEST_TOKENS, calm, skipped, line[:, 0], line[:, 1]))
        other = (values != whole).any(1)
        moved = (held(scorer, values[other]) != before[other]).any(1)
        weights = mix_weights(sample, 0, ABUSIVE_SHARE, ABUSIVE_SHARE)
        return {
            "auc_lost": round(auc - float(roc_auc_score(toxic, values[used, 0])), 5),
            "other_verdicts": int(moved.sum()),
            "rows_held": int(before.any(1).sum()),
            "share_of_tokens_read": round(share, 4),
            "left_to_the_words_share_in_mix": round(float(weights[long & (loudest < calm)].sum()), 4),
            "left_to_the_words_share_of_rows": round(float((long & (loudest < calm)).mean()), 4),
        }

    costs = {one: tried(one, one) for one in CALM}
    calm = max(one for one, cost in costs.items() if cost["auc_lost"] <= AUC_LOST and not cost["other_verdicts"])
    most = CHANGED * costs[calm]["rows_held"]
    beside = {one: tried(calm, one) for one in SKIPPED if one >= calm}
    skipped = max(one for one, cost in beside.items() if cost["other_verdicts"] <= most)
    settings["first_look"] = {
        "fewest_tokens": FEWEST_TOKENS,
        "calm_below": calm,
        "skip_below": skipped,
        "slope": [round(float(value), 4) for value in line[:, 0]],
        "intercept": [round(float(value), 4) for value in line[:, 1]],
    }
    file.write_text(json.dumps(settings, indent=1) + "\n")
    figures = {"calm_below": calm, "skip_below": skipped, **beside[skipped], "calm_tried": costs, "skip_tried": beside}
    print(json.dumps(figures, indent=1))
    known = json.loads(options.metrics.read_text()) if options.metrics.exists() else {}
    options.metrics.write_text(json.dumps({**known, "first_look": figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()

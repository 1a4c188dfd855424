"""Fits when one sentence of a longer text is read alone: `python -m training.closer_look --data DIR --bundled DIR --name NEW`.

On development rows, with the three numbers of `moderation.scoring.closer_look`. Of the settings that lose at most half a
thousandth of AUC over all and over Wikipedia talk alone, hold at most one more in a thousand harmless comments of the reference
mix and at most one calm text in a hundred, the one is taken that finds most short abusive rows put among calm ones; among equals
the one that reads the fewest sentences. Written into calibration.json, which becomes another version by that; the curves stay.
"""

import argparse
import itertools
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from moderation.scoring.closer_look import CloserLook, sentences
from moderation.scoring.onnx import OnnxScorer
from moderation.scoring.view import model_view
from training.calibrate import ABUSIVE_SHARE, mix_weights, unscored_sample
from training.corpus import read as read_rows
from training.first_look import held

Floats = NDArray[np.float64]
ALARMS = (0.0, 0.25, 0.5, 0.75)
DISCOUNTS = (0.5, 0.75, 1.0, 1.5, 1.75, 2.0, 2.5)
COUNTS = (0.0, 1.0, 1.5, 2.0)
FEWEST_TOKENS = 24
"""Two sentences; a shorter text is judged well as a whole."""
AUC_LOST = 0.0005
MORE_HELD = 0.001
CALM_HELD = 0.01
HIDDEN = 300
CALM_CHARACTERS = 400
SEED = 11


@dataclass(frozen=True, slots=True)
class Looked:
    """Texts as the scorer saw them: outputs of the whole, and of the sentence that alarms most with its alarm (-inf: none)."""

    whole: Floats
    alone: Floats
    alarm: Floats

    def with_look(self, look: CloserLook) -> Floats:
        """Compute what the scorer would say with this closer look."""
        read = self.alarm >= look.alarming_from
        pairs = zip(self.whole, self.alone, read, strict=True)
        return np.array([look.with_sentence(whole, alone) if seen else whole for whole, alone, seen in pairs])


def look(scorer: OnnxScorer, texts: list[str]) -> Looked:
    """Read each text as a whole and its loudest sentence alone, by a scorer without a closer look."""
    whole, alone, alarm = [], [], []
    pairs = scorer._pairs  # noqa: SLF001 - the scorer's own steps, one by one
    if pairs is None:
        raise ValueError("a closer look needs the linear model")
    for text in texts:
        view = model_view(text)
        encoded = scorer._tokenizer.encode(view, add_special_tokens=False)  # noqa: SLF001
        tokens = encoded.ids
        whole.append(scorer._whole(tokens, early=True, pairs=True))  # noqa: SLF001
        parts = sentences(view, encoded.offsets) if len(tokens) >= FEWEST_TOKENS else []
        said = [float(pairs.logits(tokens[part])[0]) for part in parts]
        alarm.append(max(said, default=-np.inf))
        loudest = parts[said.index(max(said))] if said and max(said) >= min(ALARMS) else None
        missing = np.full_like(whole[-1], -np.inf)
        alone.append(missing if loudest is None else scorer._whole(tokens[loudest], early=True, pairs=True))  # noqa: SLF001
    return Looked(np.array(whole), np.array(alone), np.array(alarm))


def hidden(data: Path) -> tuple[list[str], list[str]]:
    """Return short abusive development rows among calm ones, and the calm ones of each without it."""
    dev = read_rows(data, "tox_dev")
    wiki = dev["source"].str.startswith(("jigsaw_train", "wiki"))
    calm = dev.loc[wiki & (dev["toxicity"] == 0), "text"].tolist()
    short = dev["text"].str.len().between(20, 160)
    abusive = dev.loc[short & (dev["toxicity"] == 1) & dev["source"].str.startswith(("jigsaw", "paradetox_toxic")), "text"]
    rng = random.Random(SEED)
    mixed, around = [], []
    for abuse in rng.sample(abusive.tolist(), HIDDEN):
        parts: list[str] = []
        while sum(map(len, parts)) < CALM_CHARACTERS:
            parts.append(rng.choice(calm)[:CALM_CHARACTERS])
        place = rng.randint(0, len(parts))
        mixed.append(" ".join([*parts[:place], abuse, *parts[place:]]))
        around.append(" ".join(parts))
    return mixed, around


def main() -> None:
    """Read the arguments, choose, write the calibration and what the choice costs and finds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundled", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True)
    parser.add_argument("--name", required=True, help="the version that the calibration becomes")
    options = parser.parse_args()
    file = options.bundled / "calibration.json"
    scorer = OnnxScorer(options.bundled)
    settings = {name: part for name, part in json.loads(file.read_text()).items() if name != "closer_look"}
    texts, sample = unscored_sample(options.data)
    rows = look(scorer, texts)
    mixed, around = (look(scorer, part) for part in hidden(options.data))
    weights = mix_weights(sample, 0, ABUSIVE_SHARE, ABUSIVE_SHARE)
    used = weights > 0
    toxic = sample.labels[used, 0]
    harmless = weights[used] * (toxic == 0) / (weights[used] * (toxic == 0)).sum()
    wikipedia = sample.groups[used] == "wikipedia"
    before = held(scorer, rows.whole)[:, 0]

    def auc(values: Floats, chosen: NDArray[np.bool_] | slice = slice(None)) -> float:
        return float(roc_auc_score(toxic[chosen], values[used, 0][chosen]))

    def besides(values: Floats) -> NDArray[np.bool_]:
        """Tell which rows are held by these logits that were not before; only what changed is judged again."""
        more = (values != rows.whole).any(1) & ~before
        more[more] = held(scorer, values[more])[:, 0]
        found: NDArray[np.bool_] = more[used]
        return found

    def tried(look: CloserLook) -> dict[str, Any]:
        values = rows.with_look(look)
        more = besides(values)
        return {
            "alarming_from": look.alarming_from,
            "discount": look.discount,
            "counts_from": look.counts_from,
            "auc_lost": round(auc(rows.whole) - auc(values), 5),
            "auc_lost_on_wikipedia": round(auc(rows.whole, wikipedia) - auc(values, wikipedia), 5),
            "harmless_held_besides": round(float(harmless[more].sum()), 5),
            "abusive_held_besides": int((more & (toxic == 1)).sum()),
            "hidden_held": round(float(held(scorer, mixed.with_look(look))[:, 0].mean()), 4),
            "calm_held": round(float(held(scorer, around.with_look(look))[:, 0].mean()), 4),
            "sentences_read_share": round(float(weights[rows.alarm >= look.alarming_from].sum()), 4),
        }

    costs = [tried(CloserLook(FEWEST_TOKENS, *numbers)) for numbers in itertools.product(ALARMS, DISCOUNTS, COUNTS)]
    limits = {"auc_lost": AUC_LOST, "auc_lost_on_wikipedia": AUC_LOST, "harmless_held_besides": MORE_HELD, "calm_held": CALM_HELD}
    fit = [cost for cost in costs if all(cost[name] <= limit for name, limit in limits.items())]
    best = max(fit, key=lambda cost: (cost["hidden_held"], -cost["sentences_read_share"]))
    settings["model"] = options.name
    settings["closer_look"] = {
        "fewest_tokens": FEWEST_TOKENS,
        **{name: best[name] for name in ("alarming_from", "discount", "counts_from")},
    }
    file.write_text(json.dumps(settings, indent=1) + "\n")
    without = {"hidden_held": round(float(held(scorer, mixed.whole)[:, 0].mean()), 4)}
    figures = {"chosen": best, "without": without}
    print(json.dumps({"tried": costs} | figures, indent=1))
    known = json.loads(options.metrics.read_text()) if options.metrics.exists() else {}
    options.metrics.write_text(json.dumps({**known, "closer_look": figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()

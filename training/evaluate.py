"""Measures the shipped models: `python -m training.evaluate --data DIR --bundled DIR --metrics training/metrics.json`.

The benchmark files are read here and nowhere else; nothing is chosen by them. With --checkpoint the float model is measured
beside the int8 one.
"""

import argparse
import json
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from moderation.scoring.onnx import OnnxScorer
from moderation.scoring.spam import SpamScorer
from training.calibrate import (
    ABUSIVE_SHARE,
    cross_fitted,
    expected_calibration_error,
    mix_weights,
    sample,
    shares_among_abusive,
)
from training.corpus import LABELLED, read
from training.generate import evasions
from training.generate.sexual import names_sex_act
from training.judge_cases import verdicts, wilson

Floats = NDArray[np.float64]
BOOTSTRAPS = 400
FEWEST_POSITIVES = 10
DISGUISED_ROWS = 2000
SPEED_ROWS = 400
LONG_TEXTS = 300
THRESHOLDS = (0.15, 0.25, 0.3, 0.4, 0.6, 0.8)
SHARES = (0.02, 0.05, 0.08, 0.15)
WAYS = ("leet", "lookalikes", "invisible", "spaced", "starred", "stretched", "swapped", "doubled")
TERMS = re.findall(
    r"\w+",
    """
    lesbian gay bisexual transgender trans queer lgbt lgbtq homosexual straight heterosexual male female nonbinary
    african black white european hispanic latino latina latinx mexican canadian american asian indian chinese japanese
    christian muslim jewish buddhist catholic protestant sikh taoist
    old older young younger teenage millenial elderly blind deaf paralyzed
    """,
)


def interval(label: NDArray[np.int64], score: Floats, seed: int = 1) -> list[float]:
    """AUC with its 95 % bootstrap interval: [auc, low, high]."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(BOOTSTRAPS):
        rows = rng.integers(0, len(label), len(label))
        if 0 < label[rows].sum() < len(rows):
            drawn.append(roc_auc_score(label[rows], score[rows]))
    return [round(float(x), 4) for x in (roc_auc_score(label, score), *np.quantile(drawn, (0.025, 0.975)))]


def jigsaw(data: Path, scorer: OnnxScorer) -> dict[str, Any]:
    """AUC on the official test's rows: toxicity on both samples, every attribute with enough positives."""
    frame = read(data / "benchmark", "jigsaw_test")
    logits = scorer.logits(frame["text"].tolist())
    toxic = frame["toxicity"].to_numpy(np.int64)
    found: dict[str, Any] = {}
    for name, column in (("balanced", "in_balanced12k"), ("random_1k", "in_random1k")):
        rows = frame[column].to_numpy() == 1
        found[name] = {"rows": int(rows.sum()), "toxic": int(toxic[rows].sum()), "auc": interval(toxic[rows], logits[rows, 0])}
        found[name]["average_precision"] = round(float(average_precision_score(toxic[rows], logits[rows, 0])), 4)
    means = []
    for column_number, attribute in enumerate(LABELLED):
        known = frame["insult"].notna().to_numpy()
        label = frame.loc[known, attribute].to_numpy(np.int64)
        entry: dict[str, Any] = {"rows": len(label), "positives": int(label.sum())}
        if label.sum() >= FEWEST_POSITIVES:
            entry["auc"] = interval(label, logits[known, column_number])
            means.append(entry["auc"][0])
        found[f"six_labels_{attribute}"] = entry
    found["six_labels_mean_auc"] = round(float(np.mean(means)), 4)
    return found


def disguised(data: Path, scorer: OnnxScorer) -> dict[str, float]:
    """AUC lost on benchmark rows when every longer word of both classes is disguised in one way."""
    frame = read(data / "benchmark", "jigsaw_test")
    frame = frame[frame["in_balanced12k"] == 1].sample(DISGUISED_ROWS, random_state=3)
    toxic = frame["toxicity"].to_numpy(np.int64)
    texts = [text[:600] for text in frame["text"]]
    plain = roc_auc_score(toxic, scorer.logits(texts)[:, 0])
    lost = {}
    for name in WAYS:
        rng = random.Random(5)
        way = getattr(evasions, name)
        hidden = [
            " ".join(way(word, rng) if len(word) >= 4 and word.isalpha() else word for word in text.split(" ")) for text in texts
        ]
        lost[name] = round(float(plain - roc_auc_score(toxic, scorer.logits(hidden)[:, 0])), 4)
    return lost


def madlibs(data: Path, scorer: OnnxScorer) -> dict[str, Any]:
    """Subgroup, BPSN and BNSP AUC per identity term, and the worst five of each."""
    frame = read(data / "benchmark", "bias_madlibs")
    score = scorer.logits(frame["text"].tolist())[:, 0]
    toxic = frame["toxicity"].to_numpy(np.int64)
    lowered = frame["text"].str.lower()
    terms: dict[str, dict[str, float]] = {}
    for term in TERMS:
        inside = lowered.str.contains(rf"\b{re.escape(term)}\b").to_numpy()
        if inside.sum() < 50:
            continue
        parts = {
            "subgroup": inside,
            "bpsn": (inside & (toxic == 0)) | (~inside & (toxic == 1)),
            "bnsp": (inside & (toxic == 1)) | (~inside & (toxic == 0)),
        }
        terms[term] = {name: round(float(roc_auc_score(toxic[rows], score[rows])), 4) for name, rows in parts.items()}
    found: dict[str, Any] = {"rows": len(frame), "auc": round(float(roc_auc_score(toxic, score)), 4), "terms": len(terms)}
    found["all"] = terms
    for name in ("subgroup", "bpsn", "bnsp"):
        ranked = sorted(terms, key=lambda term: terms[term][name])
        found[f"worst_{name}"] = {term: terms[term][name] for term in ranked[:5]}
        found[f"below_0.93_{name}"] = sum(terms[term][name] < 0.93 for term in terms)
    return found


def at_shares(data: Path, scorer: OnnxScorer) -> dict[str, Any]:
    """Share held, precision and recall of toxicity thresholds when 2, 5, 8 or 15 in 100 comments are abusive."""
    rows = sample(data, scorer)
    share = shares_among_abusive(data)["toxicity"] * 0.08
    used = mix_weights(rows, 0, share) > 0
    label = rows.labels[used, 0]
    held_out = cross_fitted(rows.logits[used, 0], label, mix_weights(rows, 0, share)[used], isotonic=True)
    found: dict[str, Any] = {}
    for abusive in SHARES:
        weights = mix_weights(rows, 0, abusive, abusive)[used]
        found[f"{abusive:.2f}"] = {
            str(threshold): {
                "held": round(float(weights[held_out >= threshold].sum()), 4),
                "precision": round(
                    float((weights * label)[held_out >= threshold].sum() / weights[held_out >= threshold].sum()), 3
                ),
                "recall": round(float((weights * label)[held_out >= threshold].sum() / abusive), 3),
            }
            for threshold in THRESHOLDS
        }
    return found


def calibration(data: Path, scorer: OnnxScorer) -> dict[str, float]:
    """Calibration error of the shipped curves at the reference mix, by attribute, on what the scorer as shipped says of the rows.

    The curves were fitted to the same rows, as the network and the linear model saw them before the first and the closer look.
    """
    rows, shares = sample(data, scorer), shares_among_abusive(data)
    found = {}
    for column, attribute in enumerate(LABELLED):
        weights = mix_weights(rows, column, ABUSIVE_SHARE * shares[attribute])
        used = weights > 0
        curve = scorer._curves[scorer.attributes.index(attribute)]  # noqa: SLF001 - the shipped curve itself
        error = expected_calibration_error(curve(rows.logits[used, column]), rows.labels[used, column], weights[used])
        found[attribute] = round(error, 4)
    return found


def harmless_held(data: Path) -> dict[str, Any]:
    """How many harmless benchmark comments and templates `standard` holds by a regular: [share, low, high] and how many."""
    random_1k = read(data / "benchmark", "jigsaw_test").query("in_random1k == 1 and toxicity == 0")["text"]
    templates = read(data / "benchmark", "bias_madlibs").query("toxicity == 0")["text"].sample(2000, random_state=9)
    found = {}
    for name, texts in (("jigsaw_random_1k", random_1k.tolist()), ("bias_madlibs", templates.tolist())):
        held = [verdict != "approve" for verdict, _ in verdicts(texts)]
        found[name] = [*wilson(sum(held), len(held)), len(held)]
    return found


def weak_sexual(data: Path, scorer: OnnxScorer) -> dict[str, Any]:
    """How sexual_explicit agrees with its own weak label on the dev rows; no human label exists to hold it against."""
    dev = read(data, "tox_dev")
    dev = dev[dev["source"].str.startswith(("jigsaw", "paradetox"))]
    named = np.array([names_sex_act(text) for text in dev["text"]]) & (dev["toxicity"] == 1).to_numpy()
    return {
        "rows": len(dev),
        "weak_positives": int(named.sum()),
        "auc": interval(named.astype(np.int64), scorer.logits(dev["text"].tolist())[:, 6]),
    }


def against_float(data: Path, scorer: OnnxScorer, checkpoint: Path) -> dict[str, Any]:
    """Differences between the int8 file and the float checkpoint on texts of at most one window.

    First the network alone, all layers; then what ships, settled early and with the linear model, against floats with it.
    """
    from training.export import load  # noqa: PLC0415 - needs onnx, only here

    frame = read(data / "benchmark", "jigsaw_test")
    frame = frame[(frame["in_random1k"] == 1) | (frame["in_balanced12k"] == 1)]
    frame = frame[frame["text"].str.len() < 500].sample(3000, random_state=2)
    model, toxic = load(checkpoint), frame["toxicity"].to_numpy(np.int64)
    texts = frame["text"].tolist()
    ours, shipped = scorer.logits(texts, early=False, pairs=False), scorer.logits(texts)
    whole = scorer.logits(texts, early=False)
    rows = []
    with torch.no_grad():
        for text in frame["text"]:
            (window, *_) = scorer._windows(scorer._tokens(text))  # noqa: SLF001 - the very tokens that the int8 file saw
            rows.append(model(input_ids=torch.tensor([window])).logits[0].numpy())
    exact = np.array(rows, np.float64)
    gap = np.abs(1 / (1 + np.exp(-ours)) - 1 / (1 + np.exp(-exact)))
    return {
        "rows": len(frame),
        "auc_int8": round(float(roc_auc_score(toxic, ours[:, 0])), 4),
        "auc_float": round(float(roc_auc_score(toxic, exact[:, 0])), 4),
        "auc_shipped": round(float(roc_auc_score(toxic, shipped[:, 0])), 4),
        "auc_float_with_pairs_all_layers": round(float(roc_auc_score(toxic, (exact + whole - ours)[:, 0])), 4),
        "probability_gap_mean": round(float(gap[:, 0].mean()), 4),
        "probability_gap_99": round(float(np.quantile(gap[:, 0], 0.99)), 4),
    }


def long_texts(data: Path, scorer: OnnxScorer) -> dict[str, Any]:
    """Whether abuse is still found inside a long calm text, and how often a calm text is held by its length alone.

    Short abusive development rows, alone and put into calm Wikipedia talk at a random place; held means a calibrated toxicity of
    0.40 or more.
    """
    dev = read(data, "tox_dev")
    wiki = dev["source"].str.startswith(("jigsaw_train", "wiki"))
    calm = dev.loc[wiki & (dev["toxicity"] == 0), "text"].tolist()
    short = dev["text"].str.len().between(20, 160)
    abusive = dev.loc[short & (dev["toxicity"] == 1) & dev["source"].str.startswith(("jigsaw", "paradetox_toxic")), "text"]
    rng = random.Random(8)
    chosen = rng.sample(abusive.tolist(), LONG_TEXTS)

    def held(texts: list[str]) -> float:
        scores = np.array([one["toxicity"] for one in scorer.score(texts)])
        return round(float((scores >= 0.4).mean()), 4)

    found: dict[str, Any] = {"rows": LONG_TEXTS, "held_alone": held(chosen)}
    for length in (400, 1200, 3000):
        around = []
        for _ in chosen:
            parts: list[str] = []
            while sum(map(len, parts)) < length:
                parts.append(rng.choice(calm)[:400])
            around.append(parts)
        mixed = []
        for abuse, parts in zip(chosen, around, strict=True):
            place = rng.randint(0, len(parts))
            mixed.append(" ".join([*parts[:place], abuse, *parts[place:]]))
        found[f"in_{length}_calm_characters"] = {"held_with": held(mixed), "held_without": held([" ".join(p) for p in around])}
    return found


def speed(data: Path, scorer: OnnxScorer, spam: SpamScorer) -> dict[str, Any]:
    """Processor time one by one on one thread, on whole benchmark texts."""
    texts = read(data / "benchmark", "jigsaw_test").sample(SPEED_ROWS, random_state=4)["text"].tolist()
    scorer.score(texts[:20])
    taken = []
    for text in texts:
        started = time.process_time()
        scorer.score([text])
        taken.append(time.process_time() - started)
    windows = [scorer._windows(scorer._tokens(text)) for text in texts]  # noqa: SLF001 - to count tokens as the scorer does
    usual = [cost for cost, (window, *more) in zip(taken, windows, strict=True) if not more and len(window) <= 100]
    started = time.process_time()
    spam.score(texts)
    return {
        "texts": len(texts),
        "tokens_mean": round(float(np.mean([sum(map(len, one)) for one in windows])), 1),
        "comments_per_second": round(len(texts) / sum(taken)),
        "ms_median": round(1000 * float(np.median(taken)), 2),
        "ms_99": round(1000 * float(np.quantile(taken, 0.99)), 2),
        "ms_99_up_to_100_tokens": round(1000 * float(np.quantile(usual, 0.99)), 2),
        "spam_ms_mean": round(1000 * (time.process_time() - started) / len(texts), 2),
    }


def main() -> None:
    """Read the arguments, measure everything, write and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundled", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, help="the float model, to compare with")
    parser.add_argument("--only", nargs="*", help="names of the parts to measure, as in the metrics; all without it")
    options = parser.parse_args()
    torch.set_num_threads(1)
    scorer, spam = OnnxScorer(options.bundled), SpamScorer(options.bundled / "spam.npz")
    parts: dict[str, Callable[[], Any]] = {
        "speed_one_thread": lambda: speed(options.data, scorer, spam),
        "jigsaw": lambda: jigsaw(options.data, scorer),
        "disguised_auc_lost": lambda: disguised(options.data, scorer),
        "long_texts": lambda: long_texts(options.data, scorer),
        "toxicity_at_abusive_shares": lambda: at_shares(options.data, scorer),
        "calibration_error_as_shipped": lambda: calibration(options.data, scorer),
        "harmless_held_by_standard": lambda: harmless_held(options.data),
        "sexual_explicit_against_its_weak_label": lambda: weak_sexual(options.data, scorer),
        "bias_madlibs": lambda: madlibs(options.data, scorer),
    }
    if options.checkpoint:
        parts["int8_against_float"] = lambda: against_float(options.data, scorer, options.checkpoint)
    for name in options.only or parts:
        found = {"model": scorer.version, "spam_model": spam.version, name: parts[name]()}
        print(json.dumps(found, indent=1), flush=True)
        # Read again each time: two processes may share the work.
        metrics: dict[str, Any] = json.loads(options.metrics.read_text()) if options.metrics.exists() else {}
        options.metrics.write_text(json.dumps(metrics | found, indent=1) + "\n")


if __name__ == "__main__":
    main()

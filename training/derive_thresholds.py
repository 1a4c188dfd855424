"""Derives thresholds of the shipped policies from the model's own curve: `python -m training.derive_thresholds --data DIR`.

A threshold is a price: 0.40 says that a miss costs (1 - 0.40) / 0.40 = 1.5 needless holds. What the price makes of it is looked
up on development rows weighted to the reference mix, never on the benchmark and never on the held-out cases.

For one score alone the cheapest threshold of a calibrated score is the price itself, and only how surely the rows say so is
worth knowing. The rules against attacks look at several scores at once: a comment with a toxicity of 0.25 and an insult of 0.12
is likelier abusive than either number says, so their thresholds are searched together, beside all that other rules hold anyway.
A rule is changed only where that saves something on rows that did not choose it in at least four of five divisions of the rows.
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moderation.policy.evaluate import evaluate
from moderation.policy.rules import Policy
from moderation.policy.shipped import SHIPPED
from moderation.scoring import catalog
from moderation.scoring.onnx import OnnxScorer
from training.calibrate import ABUSIVE_SHARE, FOLDS, cross_fitted, mix_weights, sample, shares_among_abusive, unscored_sample
from training.corpus import LABELLED
from training.judge_cases import signals

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
BUNDLED = Path(catalog.__file__).parent / "bundled"
BOOTSTRAPS = 100
DIVISIONS = 100
STATED_THRESHOLDS = (
    ("toxicity", 0.3), ("toxicity", 0.4), ("toxicity", 0.6), ("insult", 0.25), ("identity_attack", 0.25), ("threat", 0.15),
)  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Attack:
    """`toxicity >= together && (insult >= insult || identity_attack >= identity) || toxicity >= alone`."""

    together: float
    insult: float
    identity: float
    alone: float

    def holds(self, scores: Floats) -> Flags:
        """Which rows of scores (columns as `LABELLED`) the rule holds."""
        toxicity, insult, identity = (scores[:, LABELLED.index(name)] for name in ("toxicity", "insult", "identity_attack"))
        aimed = (insult >= self.insult) | (identity >= self.identity)
        return (toxicity >= self.together) & aimed | (toxicity >= self.alone)


PRICES = {
    "attack": (0.40, Attack(0.40, 0.25, 0.12, 0.60)),
    "attack by a newcomer": (0.30, Attack(0.30, 0.20, 0.12, 0.50)),
    "attack by a trusted author": (0.55, Attack(0.55, 0.40, 0.12, 0.70)),
    "strict: attack": (0.15, Attack(0.20, 0.15, 0.10, 0.35)),
}
"""The price of each row, and the numbers that it was first written with."""
_TOGETHER = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55)
_INSULT = (0.05, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4)
GRID = tuple(
    Attack(together, insult, 0.12, alone)
    for together, insult, alone in product(_TOGETHER, _INSULT, (0.4, 0.5, 0.6, 0.7))
    if alone >= together
)
"""Coarse on purpose: the rows cannot tell 0.25 from 0.26. Identity attacks stay at 0.12: no other value was worth anything."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Development rows as the policy sees them: scores, whether each is abusive, its weight, and what other rules hold."""

    scores: Floats
    abusive: Flags
    weights: Floats
    held: Flags


def mix(data: Path) -> Mix:
    """Score the development rows and let every rule of `standard` but those against attacks judge them."""
    texts, rows = unscored_sample(data)
    weights = mix_weights(rows, 0, ABUSIVE_SHARE, ABUSIVE_SHARE)
    used = np.flatnonzero(weights > 0)
    found = signals([texts[place] for place in used])
    policy = Policy.parse(SHIPPED["standard"])
    held = [any(not match.name.startswith("attack") for match in evaluate(policy, one).matched) for one in found]
    # A text in a language that the model does not know has no scores, which are those of a rule that holds nothing.
    scores = np.array([[one.get(name, 0.0) for name in LABELLED] for one in found], np.float64)
    return Mix(scores, rows.labels[used, 0] == 1, weights[used], np.array(held))


def costs(held: Flags, rows: Mix, weights: Floats, price: float) -> Floats:
    """Needless holds in 1,000 comments, a miss counted as its price, for each rule (rules, rows) of verdicts."""
    needless = held @ (weights * ~rows.abusive)
    missed = ~held @ (weights * rows.abusive)
    found: Floats = 1000 * (needless + (1 - price) / price * missed) / weights.sum()
    return found


def together(rows: Mix, rules: Sequence[Attack], price: float, stated: Attack) -> dict[str, Any]:
    """Find the cheapest rule for a price, and what it saves against the stated one on rows that had no part in choosing it."""
    held = np.array([rule.holds(rows.scores) | rows.held for rule in (stated, *rules)])
    whole = costs(held, rows, rows.weights, price)
    rng = np.random.default_rng(6)
    saved: list[float] = []
    chosen: Counter[int] = Counter()
    for _ in range(DIVISIONS):
        fold = rng.permutation(len(rows.abusive)) % FOLDS
        gain = 0.0
        for part in range(FOLDS):
            best = int(costs(held, rows, rows.weights * (fold != part), price)[1:].argmin()) + 1
            chosen[best] += 1
            aside = rows.weights * (fold == part)
            cost = costs(held, rows, aside, price)
            gain += float((cost[0] - cost[best]) * aside.sum() / rows.weights.sum())
        saved.append(gain)
    best = int(whole[1:].argmin()) + 1
    low, middle, high = np.quantile(saved, (0.025, 0.5, 0.975))
    return {
        "price": price,
        "stated": asdict(stated),
        "stated_cost": round(float(whole[0]), 1),
        "cheapest": asdict(rules[best - 1]),
        "cheapest_cost": round(float(whole[best]), 1),
        "saved_on_other_rows": [round(float(value), 1) for value in (middle, low, high)],
        "divisions_that_save": round(float(np.mean(np.array(saved) > 0)), 2),
        "chosen": round(chosen[best] / (DIVISIONS * FOLDS), 2),
    }


def alone(data: Path) -> dict[str, list[float]]:
    """For each stated threshold of a single score, the one that costs least on development rows, with its bootstrap interval."""
    rows = sample(data, OnnxScorer(BUNDLED))
    shares = shares_among_abusive(data)
    found: dict[str, list[float]] = {}
    rng = np.random.default_rng(6)
    for attribute, stated in STATED_THRESHOLDS:
        column = LABELLED.index(attribute)
        weights = mix_weights(rows, column, ABUSIVE_SHARE * shares[attribute])
        used = np.flatnonzero(weights > 0)
        weights, label = weights[used], rows.labels[used, column]
        score = cross_fitted(rows.logits[used, column], label, weights, isotonic=attribute == "toxicity")
        order = np.argsort(-score)
        drawn = []
        for turn in range(BOOTSTRAPS + 1):
            times = np.ones(len(used)) if turn == 0 else np.bincount(rng.integers(0, len(used), len(used)), minlength=len(used))
            mass = (times * weights)[order]
            held, missed = np.cumsum(mass * (1 - label[order])), np.cumsum(mass[::-1] * label[order][::-1])[::-1]
            cost = held + (1 - stated) / stated * np.append(missed[1:], 0.0)
            drawn.append(float(score[order][np.argmin(cost)]))
        found[f"{attribute} {stated}"] = [round(float(x), 3) for x in (drawn[0], *np.quantile(drawn[1:], (0.025, 0.975)))]
    return found


def main() -> None:
    """Read the arguments, search, write and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True)
    options = parser.parse_args()
    rows = mix(options.data)
    found = {
        "cheapest_thresholds": alone(options.data),
        "attack_rules": {name: together(rows, GRID, *price) for name, price in PRICES.items()},
    }
    print(json.dumps(found, indent=1))
    metrics: dict[str, Any] = json.loads(options.metrics.read_text()) if options.metrics.exists() else {}
    options.metrics.write_text(json.dumps(metrics | found, indent=1) + "\n")


if __name__ == "__main__":
    main()

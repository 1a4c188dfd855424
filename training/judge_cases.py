"""Holds the shipped policy against comments: `python -m training.judge_cases --metrics training/metrics.json [--data DIR]`.

The held-out cases under tests/ first: is each held or published as a moderator wants, by `standard` and for a regular author?
That needs nothing beyond the product itself. Then, where the data is at hand, what `standard` does to development rows at 2, 5,
8 and 15 abusive comments in 100.
"""

import argparse
import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from moderation.policy.evaluate import evaluate
from moderation.policy.rules import Policy
from moderation.policy.shipped import SHIPPED
from moderation.scoring import catalog
from moderation.signals import AuthorFacts, Facts, HistoryFacts, PostFacts, Revision, SignalValue, compute, text_to_score

CASES = Path(__file__).parents[1] / "tests" / "moderation" / "scoring" / "cases"
REGULAR = Facts(author=AuthorFacts(identity="verified", approved=5), post=PostFacts(), history=HistoryFacts())
"""Neither new nor trusted, nothing known against them."""
SHARES = (0.02, 0.05, 0.08, 0.15)
JUDGED = (("standard", "regular"), ("standard", "newcomer"), ("standard", "trusted"), ("strict", "regular"))
BOOTSTRAPS = 400


def signals(texts: Sequence[str]) -> list[dict[str, SignalValue]]:
    """Measure each text by itself, sent by a regular, with all that the bundled models say of it."""
    scorer, spam = catalog.bundled(), catalog.spam()
    found = []
    for text in texts:
        revision = Revision(body=text)
        read = text_to_score(revision, REGULAR)
        (scores,), (spam_score,) = scorer.score([read]), spam.score([read])
        found.append(compute(revision, REGULAR, scores, spam_score))
    return found


def verdicts(texts: Sequence[str], policy_name: str = "standard", standing: str = "regular") -> list[tuple[str, tuple[str, ...]]]:
    """Return verdict and matched rules of the shipped policy for each text by itself."""
    return judged(signals(texts), policy_name, standing)


def judged(
    measured: Sequence[Mapping[str, SignalValue]], policy_name: str = "standard", standing: str = "regular"
) -> list[tuple[str, tuple[str, ...]]]:
    """Return verdict and matched rules of the shipped policy for measured texts, sent by an author of this standing."""
    policy = Policy.parse(SHIPPED[policy_name])
    who = {"newcomer": standing == "newcomer", "trusted": standing == "trusted"}
    rulings = (evaluate(policy, {**one, **who}) for one in measured)
    return [(ruling.verdict.value, tuple(match.name for match in ruling.matched)) for ruling in rulings]


def wilson(right: int, total: int) -> list[float]:
    """Share with its 95 % interval: [share, low, high]."""
    z, share = 1.96, right / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return [round(value, 4) for value in (share, middle - half, middle + half)]


def held_out() -> tuple[dict[str, Any], list[str]]:
    """Judge the held-out cases; returns the figures and one line for each case that came out wrong."""
    functions = [
        function
        for path in sorted(CASES.glob("*.toml"))
        for function in tomllib.loads(path.read_text(encoding="utf-8"))["function"]
    ]
    figures: dict[str, Any] = {}
    wrong: list[str] = []
    totals = {"publish": [0, 0], "hold": [0, 0]}
    for function in functions:
        entry: dict[str, str] = {}
        for side in ("publish", "hold"):
            texts = function[side]
            judged = verdicts(texts)
            right = [(verdict == "approve") == (side == "publish") for verdict, _ in judged]
            totals[side][0] += sum(right)
            totals[side][1] += len(texts)
            entry[side] = f"{sum(right)}/{len(texts)}"
            wrong += [f"{side}: {text} {rules}" for text, (_, rules), fine in zip(texts, judged, right, strict=True) if not fine]
        figures[function["name"]] = entry
    (published, publish), (held, hold) = totals["publish"], totals["hold"]
    return {
        "cases": publish + hold,
        "right": wilson(published + held, publish + hold),
        "published_of_harmless": wilson(published, publish),
        "held_of_abusive": wilson(held, hold),
        "functions": figures,
    }, wrong


def shares(data: Path) -> dict[str, Any]:
    """Judge development rows: approved, flagged and rejected at each share of abuse, with bootstrap intervals.

    By `standard` for each standing of an author, and by `strict` for a regular; and how many harmless rows `standard` holds.
    """
    from training.calibrate import mix_weights, unscored_sample  # noqa: PLC0415 - needs scikit-learn

    texts, rows = unscored_sample(data)
    used = np.flatnonzero(mix_weights(rows, 0, 0.08) > 0)
    measured = signals([texts[place] for place in used])
    abusive = rows.labels[used, 0] == 1
    found: dict[str, Any] = {"rows": len(used), "harmless": int((~abusive).sum())}
    for policy, standing in JUDGED:
        given = [verdict for verdict, _ in judged(measured, policy, standing)]
        flagged, rejected = (np.array([verdict == one for verdict in given]) for one in ("flag", "reject"))
        at: dict[str, Any] = {}
        rng = np.random.default_rng(3)
        for share in SHARES:
            weights = mix_weights(rows, 0, share, share)[used]
            drawn = []
            for _ in range(BOOTSTRAPS):
                times = np.bincount(rng.integers(0, len(used), len(used)), minlength=len(used)) * weights
                drawn.append((times * flagged).sum() / times.sum())
            low, high = np.quantile(drawn, (0.025, 0.975))
            held = weights * (flagged | rejected)
            at[f"{share:.2f}"] = {
                "approved": round(float((weights * ~(flagged | rejected)).sum()), 4),
                "flagged": [round(float(x), 4) for x in ((weights * flagged).sum(), low, high)],
                "rejected": round(float((weights * rejected).sum()), 4),
                "abuse_found": round(float((held * abusive).sum() / share), 3),
                "abusive_among_held": round(float((held * abusive).sum() / held.sum()), 3),
            }
        for name in ("all", *sorted(set(rows.groups))):
            calm = ~abusive if name == "all" else ~abusive & (rows.groups[used] == name)
            if calm.any():
                held_rows = int((flagged | rejected)[calm].sum())
                at[f"harmless_{name}_held"] = [*wilson(held_rows, int(calm.sum())), int(calm.sum())]
        found[f"{policy}, {standing}"] = at
    return found


def main() -> None:
    """Read the arguments, judge, write and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--show", action="store_true", help="print the cases that came out wrong")
    options = parser.parse_args()
    metrics: dict[str, Any] = json.loads(options.metrics.read_text()) if options.metrics.exists() else {}
    metrics["held_out_cases"], wrong = held_out()
    if options.data:
        metrics["standard_at_abusive_shares"] = shares(options.data)
    options.metrics.write_text(json.dumps(metrics, indent=1) + "\n")
    print(
        json.dumps(
            {name: metrics[name] for name in ("held_out_cases", "standard_at_abusive_shares") if name in metrics}, indent=1
        )
    )
    if options.show:
        print(*wrong, sep="\n")


if __name__ == "__main__":
    main()

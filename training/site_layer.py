"""What a site's own spam layer is worth: `python -m training.site_layer --data DATA --metrics training/metrics.json --plot FILE`.

Each YouTube video in turn plays a new site: the spam model is trained and calibrated without it, some of its comments are decided
by its moderators, and the rest is judged. Takes two minutes.
"""

import argparse
import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from moderation.scoring.layer import SPAM
from moderation.scoring.learner import Example, learnt
from moderation.scoring.spam import features
from training.calibrate import fit
from training.train_spam import SEED, SPAM_SHARE, VIDEOS, Rows, logits, matrix, recall_at, rows_to_learn, train

DECIDED: Final = (0, 10, 30, 100, 300)
DRAWS: Final = 60
"""Times that the decided comments are drawn anew; what is left is judged each time, and all of it is pooled."""
FALSE_POSITIVES: Final = 0.01
FOLDS: Final = 3


def site(learning: Rows, video: str) -> list[Example]:
    """Return the comments of a video with the calibrated scores of a model that never saw it."""
    texts, spam, source, weights = learning
    rows, held = matrix(texts), source == video
    others, labels, counted = rows[~held], spam[~held], weights[~held]
    fold = np.random.default_rng(SEED).permutation(len(labels)) % FOLDS
    raw = np.zeros(len(labels))
    for each in range(FOLDS):
        out = fold == each
        raw[out] = logits(train(others[~out], labels[~out], counted[~out]), others[out])
    mix = counted * np.where(labels == 1, SPAM_SHARE / counted[labels == 1].sum(), (1 - SPAM_SHARE) / counted[labels == 0].sum())
    curve = fit(raw, labels.astype(np.float64), mix, isotonic=False)
    scores = curve(logits(train(others, labels, counted), rows[held]))
    found = zip(np.flatnonzero(held), scores, strict=True)
    return [Example(float(score), bool(spam[row]), features=features(texts[row])) for row, score in found]


def worth(examples: list[Example], decided: int) -> dict[str, float]:
    """Recall at one false positive in a hundred after so many decisions, with the layer and as the service would use it."""
    positive = np.array([example.positive for example in examples])
    own: list[float] = []
    chosen: list[float] = []
    labels: list[bool] = []
    better = 0
    for draw in range(DRAWS):
        order = np.random.default_rng([SEED, draw]).permutation(len(examples))
        layer, compared = learnt(SPAM, [examples[each] for each in order[:decided]], base="without the video")
        rest = [examples[each] for each in order[decided:]]
        mine = [layer(example.score, example.features) for example in rest]
        own += mine
        chosen += mine if compared.better else [example.score for example in rest]
        labels += positive[order[decided:]].tolist()
        better += compared.better
    yes = np.array(labels)
    return {
        "own": round(recall_at(np.array(own)[~yes], np.array(own)[yes], FALSE_POSITIVES), 3),
        "as_used": round(recall_at(np.array(chosen)[~yes], np.array(chosen)[yes], FALSE_POSITIVES), 3),
        "used_in_draws": round(better / DRAWS, 2),
    }


WIDTH: Final = 520
HEIGHT: Final = 300
MARGIN: Final = 50
COLOURS: Final = ("#1f5fa8", "#b3261e", "#2e7d32", "#444444")


def plot(found: dict[str, dict[str, Any]]) -> str:
    """Return the recalls as used, a line per video and their mean, as an SVG document."""
    lines = {name: [by[str(count)]["as_used"] for count in DECIDED] for name, by in found.items()}
    lines["mean"] = [sum(each) / len(each) for each in zip(*lines.values(), strict=True)]
    left, right, top, bottom = MARGIN, WIDTH - 110, 20, HEIGHT - MARGIN
    across = {count: left + (right - left) * place / (len(DECIDED) - 1) for place, count in enumerate(DECIDED)}

    def down(recall: float) -> float:
        return bottom - (bottom - top) * recall

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        "<title>Spam found on a video that training never saw, by how many of its comments were decided by people</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        parts.append(f'<line x1="{left}" y1="{down(tick):.1f}" x2="{right}" y2="{down(tick):.1f}" stroke="#dddddd"/>')
        parts.append(f'<text x="{left - 6}" y="{down(tick) + 4:.1f}" text-anchor="end">{tick:.1f}</text>')
    parts += [f'<text x="{across[count]:.1f}" y="{bottom + 18}" text-anchor="middle">{count}</text>' for count in DECIDED]
    ends: list[float] = []
    for (name, recalls), colour in sorted(zip(lines.items(), COLOURS, strict=True), key=lambda line: -line[0][1][-1]):
        points = " ".join(f"{across[count]:.1f},{down(recall):.1f}" for count, recall in zip(DECIDED, recalls, strict=True))
        dashes = ' stroke-dasharray="5 3"' if name == "mean" else ""
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>')
        ends.append(max(down(recalls[-1]) + 4, ends[-1] + 14 if ends else 0.0))
        parts.append(f'<text x="{right + 8}" y="{ends[-1]:.1f}" fill="{colour}">{name.removeprefix("youtube_")}</text>')
    middle = (top + bottom) // 2
    turned = f'x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})"'
    parts += [
        f'<text x="{(left + right) / 2}" y="{HEIGHT - 10}" text-anchor="middle">comments that moderators decided</text>',
        f"<text {turned}>recall at 1 % false positives</text>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def main() -> None:
    """Read the arguments, measure each video, print, write the figures and the plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--metrics", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    learning = rows_to_learn(options.data)
    found: dict[str, dict[str, Any]] = {}
    for video in VIDEOS:
        examples = site(learning, video)
        found[video] = {str(count): worth(examples, count) for count in DECIDED}
    print(json.dumps(found, indent=1))
    if options.metrics:
        known = json.loads(options.metrics.read_text()) if options.metrics.exists() else {}
        options.metrics.write_text(json.dumps({**known, "site_layer": found}, indent=1) + "\n")
    if options.plot:
        options.plot.write_text(plot(found), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Trains the spam model that ships: `python -m training.train_spam --data DIR --out moderation/scoring/bundled/spam.npz`.

Takes a minute. Prints, and with --metrics records, how it does on a video that it has not seen: spam does not carry over well
from one site to another, and the card must not claim otherwise.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from moderation.scoring.spam import BUCKETS, COUNTS, features
from training.calibrate import cross_fitted, expected_calibration_error, fit
from training.corpus import read
from training.generate.advertising import advertising

SEED = 20261124
SPAM_SHARE = 0.08
NAME = "bundled-spam-1"
VIDEOS = ("youtube_psy", "youtube_katyperry", "youtube_lmfao")
STRENGTH = 4.0
"""Inverse of the penalty, set beforehand and not tuned."""
# How much a row counts. Comments matter, text messages and generated rows help.
_ROW_WEIGHTS = {"youtube": 2.0, "ham": 1.0, "sms": 0.5, "blog": 2.0, "generated": 1.0}


Rows = tuple[list[str], NDArray[np.int64], NDArray[np.str_], NDArray[np.float64]]


def rows_to_learn(data: Path) -> Rows:
    """Read the texts, whether each is spam, where it is from and how much it counts."""
    frame = read(data, "spam_train")
    frame = frame[~frame["source"].str.startswith("spamassassin")]  # mail is unlike comments and hurts them slightly
    made = advertising(SEED)
    texts = [*frame["text"], *(text for text, _ in made)]
    spam = np.array([*frame["is_spam"], *(int(yes) for _, yes in made)])
    source = np.array([*frame["source"], *("generated" for _ in made)])
    return texts, spam, source, np.array([_ROW_WEIGHTS[name.split("_")[0]] for name in source])


def matrix(texts: Sequence[str]) -> Any:
    """Make the sparse feature rows of the texts."""
    columns, values, ends = [], [], [0]
    for text in texts:
        where, what = features(text)
        columns.append(where)
        values.append(what)
        ends.append(ends[-1] + len(where))
    return csr_matrix(
        (np.concatenate(values), np.concatenate(columns), np.array(ends)), shape=(len(texts), BUCKETS + len(COUNTS))
    )


def train(rows: Any, spam: NDArray[np.int64], weights: NDArray[np.float64]) -> LogisticRegression:
    """Fit a logistic regression on weighted rows."""
    return LogisticRegression(C=STRENGTH, max_iter=400).fit(rows, spam, sample_weight=weights)


def logits(model: LogisticRegression, rows: Any) -> NDArray[np.float64]:
    """Compute the model's raw values."""
    raw: NDArray[np.float64] = model.decision_function(rows)
    return raw


def recall_at(ham: NDArray[np.float64], spam: NDArray[np.float64], false_positives: float) -> float:
    """Share of spam above the threshold that lets through all but `false_positives` of ham."""
    return float((spam > np.quantile(ham, 1 - false_positives)).mean())


def main() -> None:
    """Read the arguments, measure by leaving one video out, calibrate out of fold, train on all, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--metrics", type=Path)
    options = parser.parse_args()
    texts, spam, source, weights = rows_to_learn(options.data)
    rows = matrix(texts)

    videos = {}
    for video in VIDEOS:
        held = source == video
        raw = logits(train(rows[~held], spam[~held], weights[~held]), rows[held])
        yes = spam[held] == 1
        videos[video] = {
            "auc": round(float(roc_auc_score(yes, raw)), 4),
            "recall_at_1_percent_false": round(recall_at(raw[~yes], raw[yes], 0.01), 3),
        }

    fold = np.random.default_rng(SEED).permutation(len(texts)) % 5
    raw = np.zeros(len(texts))
    for held_fold in range(5):
        held = fold == held_fold
        raw[held] = logits(train(rows[~held], spam[~held], weights[~held]), rows[held])
    mix = weights * np.where(spam == 1, SPAM_SHARE / weights[spam == 1].sum(), (1 - SPAM_SHARE) / weights[spam == 0].sum())
    curve = fit(raw, spam.astype(np.float64), mix, isotonic=False)
    held_out = cross_fitted(raw, spam.astype(np.float64), mix, isotonic=False)

    final = train(rows, spam, weights)
    stored = final.coef_[0].astype(np.float16)
    stored[np.abs(stored) < 0.01] = 0  # buckets that no training text reached, and those that hardly matter, compress to nothing
    np.savez_compressed(
        options.out,
        weights=stored,
        bias=np.float64(final.intercept_[0]),
        curve_logits=curve.logits,
        curve_probabilities=curve.probabilities,
        name=np.array(NAME),
    )
    comments = np.char.startswith(source, "youtube")
    figures = {
        "rows": len(texts),
        "spam": int(spam.sum()),
        "auc_out_of_fold": round(float(roc_auc_score(spam, raw)), 4),
        "auc_out_of_fold_youtube": round(float(roc_auc_score(spam[comments], raw[comments])), 4),
        "recall_at_1_percent_false_out_of_fold": round(recall_at(raw[spam == 0], raw[spam == 1], 0.01), 3),
        "ece_cross_fitted": round(expected_calibration_error(held_out, spam.astype(np.float64), mix), 4),
        "leave_one_video_out": videos,
        "file_kb": round(options.out.stat().st_size / 1000),
    }
    print(json.dumps(figures, indent=1))
    if options.metrics:
        known = json.loads(options.metrics.read_text()) if options.metrics.exists() else {}
        options.metrics.write_text(json.dumps({**known, "spam": figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()

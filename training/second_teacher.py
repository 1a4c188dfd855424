"""A second teacher for toxicity: a linear model over words and character runs, which never judges a row it has learned from.

The first teacher (`toxic_comment_classifier`) and this one err differently; the mean of their logits ranks Wikipedia comments
better than either. Five folds, so that what it says of a training row is an opinion and not a memory.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier

from moderation.scoring.view import model_view

FOLDS = 5


def out_of_fold(frame: pd.DataFrame, cache: Path, seed: int) -> NDArray[np.float32]:
    """Toxicity from 0 to 1 for every row of `tox_train`, by a model that did not see it; kept in the cache folder.

    Rows without a toxicity label get the mean of all folds' models.
    """
    kept = cache / "second_teacher.npy"
    if kept.exists():
        found: NDArray[np.float32] = np.load(kept)
        return found
    texts = [model_view(text[:1500]).lower() for text in frame["text"]]
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True, max_features=150_000, token_pattern=r"[^\W_]+|[!?]")
    runs = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), min_df=5, sublinear_tf=True, max_features=200_000)
    columns = hstack([words.fit_transform(texts), runs.fit_transform(texts)]).tocsr().astype(np.float32)
    label = frame["toxicity"].to_numpy(np.float32)
    known = ~np.isnan(label) & (frame["source"] != "davidson_tweets").to_numpy()
    fold = np.random.default_rng(seed).permutation(len(frame)) % FOLDS
    score = np.zeros(len(frame), np.float32)
    for held in range(FOLDS):
        model = SGDClassifier(loss="log_loss", alpha=2e-6, max_iter=12, average=True, random_state=seed, tol=None)
        learned = known & (fold != held)
        model.fit(columns[learned], label[learned])
        judged = model.predict_proba(columns)[:, 1]
        score = np.where(known, np.where(fold == held, judged, score), score + judged / FOLDS).astype(np.float32)
    np.save(kept, score)
    return score

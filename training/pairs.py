"""Makes the linear model beside the network: `python -m training.pairs --data DIR --bundled DIR`.

One logistic regression per attribute over word pieces and their pairs (`moderation.scoring.pairs`), on all rows of `tox_train`
but the Davidson tweets, and on our own sentences, so that an identity term by itself weighs nothing. Where people gave no label
for an attribute the teacher's score stands in, at half weight. `sexual_explicit` gets none: nothing labels it.

How much each counts was chosen on development rows (`SHARES`); the benchmark files are not read.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack
from sklearn.linear_model import SGDClassifier
from tokenizers import Tokenizer

from moderation.scoring.pairs import features
from moderation.scoring.scorer import ATTRIBUTES
from moderation.scoring.view import model_view
from training.corpus import LABELLED, labels, read, read_teacher
from training.generate.cases import generated_rows
from training.generate.identity import identity_rows

BUCKETS = 1 << 17
SHARES = dict.fromkeys(("toxicity", "obscene", "insult", "identity_attack"), 0.175)
"""What each linear logit is multiplied by before it is added to the network's, the others 0: half of what ranked Wikipedia best
on development rows. It brings nearly all of the gain there and costs less on hate without bad words, of which a linear model
knows nothing."""
STRENGTH = 3e-6
WIKIPEDIA_WEIGHT = 2.0
SEED = 20261125


def tokens(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    """Token ids of the texts' normalised views."""
    views = [model_view(text) for text in texts]
    return [encoding.ids for encoding in tokenizer.encode_batch(views, add_special_tokens=False)]


def matrix(rows: list[list[int]]) -> Any:
    """Make the sparse feature rows of the texts' tokens."""
    found = [features(ids, BUCKETS) for ids in rows]
    ends = np.cumsum([0, *(len(buckets) for buckets, _ in found)])
    values = np.concatenate([values for _, values in found]).astype(np.float32)
    return csr_matrix((values, np.concatenate([buckets for buckets, _ in found]), ends), shape=(len(rows), BUCKETS))


def fit(rows: Any, targets: NDArray[np.float64], weights: NDArray[np.float64]) -> SGDClassifier:
    """Fit one attribute; a target between 0 and 1 counts as that much of a yes and the rest of a no."""
    yes, no = targets * weights, (1 - targets) * weights
    positive, negative = np.flatnonzero(yes > 0.02), np.flatnonzero(no > 0.02)
    model = SGDClassifier(loss="log_loss", alpha=STRENGTH, max_iter=12, average=True, random_state=SEED, tol=None)
    label = np.concatenate([np.ones(len(positive)), np.zeros(len(negative))])
    return model.fit(vstack([rows[positive], rows[negative]]), label, sample_weight=np.concatenate([yes[positive], no[negative]]))


def trained(data: Path, tokenizer: Tokenizer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights (buckets, attributes) and biases of the linear models, each by itself."""
    frame = read(data, "tox_train")
    frame = frame[frame["source"] != "davidson_tweets"]
    teacher = read_teacher(data).loc[frame["id"]].to_numpy(np.float64)
    human = labels(frame).astype(np.float64)
    own = [generated_rows(SEED), identity_rows(SEED)]
    rows = matrix(tokens(tokenizer, [*frame["text"], *(text for part in own for text in part.texts)]))
    targets = np.concatenate([np.where(np.isnan(human), teacher, human), *(part.targets[:, :6] for part in own)])
    weights = np.concatenate([np.where(np.isnan(human), 0.5, 1.0), *(np.ones((len(part), 6)) for part in own)])
    weights[: len(frame)][frame["source"].str.startswith("jigsaw").to_numpy()] *= WIKIPEDIA_WEIGHT
    # A row without a label of toxicity says too little of it; for the finer ones there is nothing better.
    weights[: len(frame), 0][np.isnan(human[:, 0])] = 0.0
    learned, biases = np.zeros((BUCKETS, len(ATTRIBUTES))), np.zeros(len(ATTRIBUTES))
    for column, attribute in enumerate(LABELLED):
        if attribute in SHARES:
            model = fit(rows, targets[:, column], weights[:, column])
            learned[:, column], biases[column] = model.coef_[0], model.intercept_[0]
            print(attribute, f"{np.abs(learned[:, column]).max():.1f} at most, bias {biases[column]:.2f}", flush=True)
    return learned, biases


def main() -> None:
    """Read the arguments, train, round to 8 bits, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundled", type=Path, required=True, help="folder with tokenizer.json, for pairs.npz")
    options = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(options.bundled / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    learned, biases = trained(options.data, tokenizer)
    shares = np.array([SHARES.get(attribute, 0.0) for attribute in ATTRIBUTES])
    scale = np.maximum(np.abs(learned).max(0), 1e-9) / 127
    rounded = np.round(learned / scale).astype(np.int8)
    out = options.bundled / "pairs.npz"
    real = {"scale": (scale * shares).astype(np.float32), "bias": (biases * shares).astype(np.float32)}
    np.savez_compressed(out, weights=rounded, **real)
    print(json.dumps({"kB": out.stat().st_size // 1000, "weights": int((rounded != 0).sum())}))


if __name__ == "__main__":
    main()

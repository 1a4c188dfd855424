"""Prints what each choice of the bundled scorer is worth in time: `python -m training.bench_models [--data DIR]`.

Every variant scores the same texts in the same run, in turn, so that other work on the machine slows all of them alike; the ratio
to the first row is what counts. With the data at hand the texts are the benchmark's, whole; without it they are put together from
the held-out cases in lengths like those of Wikipedia talk (half below 50 tokens, one in five above 126).
"""

import argparse
import json
import tempfile
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from moderation.scoring import catalog
from moderation.scoring.onnx import OnnxScorer
from moderation.scoring.view import model_view
from training.judge_cases import CASES

BUNDLED = Path(catalog.__file__).parent / "bundled"
TEXTS = 240
ROUNDS = 3


def texts(data: Path | None) -> list[str]:
    """Texts to score: the benchmark's, or joined held-out cases."""
    if data is not None:
        from training.corpus import read  # noqa: PLC0415 - needs pandas

        found: list[str] = read(data / "benchmark", "jigsaw_test").sample(TEXTS, random_state=4)["text"].tolist()
        return found
    cases = [
        text
        for path in sorted(CASES.glob("*.toml"))
        for function in tomllib.loads(path.read_text(encoding="utf-8"))["function"]
        for text in (*function["publish"], *function["hold"])
    ]
    rng = np.random.default_rng(1)
    joined = []
    for characters in np.minimum(rng.lognormal(5.3, 1.0, TEXTS), 6000):
        parts: list[str] = []
        while sum(map(len, parts)) < characters:
            parts.append(cases[rng.integers(len(cases))])
        joined.append(" ".join(parts))
    return joined


def variant(folder: Path, *, window: int, overlap: int, fuse: bool) -> OnnxScorer:
    """Make a scorer from the bundled model with other windows, or with the fusion that `training.export` takes back."""
    for name in ("toxicity.onnx", "tokenizer.json"):
        (folder / name).write_bytes((BUNDLED / name).read_bytes())
    settings = json.loads((BUNDLED / "calibration.json").read_text())
    (folder / "calibration.json").write_text(json.dumps(settings | {"window_tokens": window, "overlap_tokens": overlap}))
    scorer = OnnxScorer(folder)
    if fuse:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        scorer._session = onnxruntime.InferenceSession((folder / "toxicity.onnx").read_bytes(), options)  # noqa: SLF001
    return scorer


def alone(scorer: OnnxScorer) -> Callable[[str], Any]:
    """Score one text at a time, as the service does."""
    return lambda text: scorer.logits([text])


def first_only(scorer: OnnxScorer, window: list[int]) -> Any:
    """Run one window and nothing else."""
    return scorer._session.run(None, {"input_ids": [window]})  # noqa: SLF001


def main() -> None:
    """Read the arguments, time every variant in turns, print the table and keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--metrics", type=Path, help="JSON file to add the table to, under `speed_variants`")
    options = parser.parse_args()
    read = texts(options.data)
    with tempfile.TemporaryDirectory() as place:

        def made(name: str, **choices: Any) -> OnnxScorer:
            folder = Path(place) / name
            folder.mkdir()
            return variant(folder, **choices)

        shipped = OnnxScorer(BUNDLED)
        windows = {text: shipped._windows(model_view(text)) for text in read}  # noqa: SLF001
        variants: dict[str, Callable[[str], Any]] = {
            "int8, layer norms fused, windows 160/40": alone(made("a", window=160, overlap=40, fuse=True)),
            "int8, layer norms apart, windows 160/40": alone(made("b", window=160, overlap=40, fuse=False)),
            "int8, layer norms fused, windows 128/16": alone(made("c", window=128, overlap=16, fuse=True)),
            "int8, layer norms apart, windows 128/16 (shipped)": alone(shipped),
            "the same, first window only (cuts; not shipped)": lambda text: first_only(shipped, windows[text][0]),
            "normalising and tokenising alone": lambda text: shipped._windows(model_view(text)),  # noqa: SLF001
        }
        taken = {name: np.full((ROUNDS, len(read)), np.inf) for name in variants}
        for turn in range(ROUNDS):
            for place_in, text in enumerate(read):
                for name, score in variants.items():
                    started = time.process_time()
                    score(text)
                    taken[name][turn, place_in] = time.process_time() - started
    usual = np.array([len(windows[text]) == 1 and len(windows[text][0]) <= 100 for text in read])
    base = float(taken[next(iter(variants))].min(0).sum())
    table = {
        name: {
            "comments_per_second": round(len(read) / float(cost.min(0).sum())),
            "ratio": round(base / float(cost.min(0).sum()), 2),
            "ms_99_up_to_100_tokens": round(1000 * float(np.quantile(cost.min(0)[usual], 0.99)), 2),
        }
        for name, cost in taken.items()
    }
    tokens = float(np.mean([sum(map(len, windows[text])) for text in read]))
    print(f"{len(read)} texts, {tokens:.0f} tokens on average in windows of 128/16; best of {ROUNDS}, CPU time, 1 thread")
    for name, row in table.items():
        print(f"{row['comments_per_second']:6d}/s  x{row['ratio']:.2f}  p99 {row['ms_99_up_to_100_tokens']:5.1f} ms  {name}")
    if options.metrics:
        known = json.loads(options.metrics.read_text()) if options.metrics.exists() else {}
        options.metrics.write_text(json.dumps({**known, "speed_variants": table}, indent=1) + "\n")


if __name__ == "__main__":
    main()

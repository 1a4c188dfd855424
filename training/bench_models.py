"""Prints what each choice of the bundled scorer is worth in time: `python -m training.bench_models [--data DIR]`.

Every variant scores the same texts in the same run, in turn, so that other work on the machine slows all of them alike; the ratio
to the first row is what counts. Where OpenVINO is installed (nothing of ours needs it), it runs the
same weights, too. With the data at hand the texts are the benchmark's, whole; without it they are put together from
the held-out cases in lengths like those of Wikipedia talk (half below 50 tokens, one in five above 126).
"""

import argparse
import json
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

from moderation.scoring import catalog
from moderation.scoring.onnx import OnnxScorer
from training.dequantise import state_dict, write_checkpoint
from training.graph import Choices, State, build
from training.judge_cases import CASES

BUNDLED = Path(catalog.__file__).parent / "bundled"
TEXTS = 240
ROUNDS = 3
SETTLES_MORE = {"calm_below": -0.4, "fewest_tokens": 0}
_ALWAYS = 1000.0


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


def variant(
    folder: Path,
    graph: onnx.ModelProto,
    *,
    window: int = 128,
    overlap: int = 16,
    always: bool = False,
    fused: bool = False,
    look: Mapping[str, Any] | None = None,
) -> OnnxScorer:
    """Make a scorer from another graph, with other windows, half of the layers for all, fused norms or another first look."""
    folder.mkdir()
    for name in ("tokenizer.json", "pairs.npz"):
        (folder / name).write_bytes((BUNDLED / name).read_bytes())
    onnx.save(graph, str(folder / "toxicity.onnx"))
    settings = json.loads((BUNDLED / catalog.NEWEST).read_text())
    settings |= {"window_tokens": window, "overlap_tokens": overlap}
    settings["settled_below"] = [_ALWAYS if always else value for value in settings["settled_below"]]
    settings["first_look"] |= look or {}
    (folder / "calibration.json").write_text(json.dumps(settings))
    scorer = OnnxScorer(folder)
    if fused:  # the service keeps the runtime from fusing them, not from running what is fused
        scorer._session = session(folder / "toxicity.onnx")  # noqa: SLF001
    return scorer


def session(model: Path, *, arena: bool = True, prepacked: bool = True) -> onnxruntime.InferenceSession:
    """Load a graph for one thread, with or without the runtime's memory arena and weights laid out beforehand."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = arena
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.disable_prepacking", "0" if prepacked else "1")
    return onnxruntime.InferenceSession(model.read_bytes(), options, providers=["CPUExecutionProvider"])


class _Seen(CalibrationDataReader):
    """Windows for the ranges of static quantisation."""

    def __init__(self, windows: Iterable[Sequence[int]]) -> None:
        self._left = iter(windows)

    def get_next(self) -> dict[str, Any] | None:
        """Return the next window, or None."""
        window = next(self._left, None)
        return None if window is None else {"input_ids": np.array([window], np.int64)}


def otherwise_run(shipped: OnnxScorer, state: State, place: Path) -> dict[str, Callable[[str], Any]]:
    """Run all layers under other settings of the runtime, and with ranges fixed beforehand by the held-out cases."""
    place.mkdir()
    plain = {name: part for name, part in state.items() if not name.startswith("exit.")}
    floats, fixed = place / "floats.onnx", place / "fixed.onnx"
    onnx.save(build(plain, Choices(floats=True)), str(floats))
    ranges = _Seen(window for text in texts(None) for window in shipped._windows(shipped._tokens(text))[:1])  # noqa: SLF001
    quantize_static(
        str(floats), str(fixed), ranges, quant_format=QuantFormat.QDQ, per_channel=True, reduce_range=True,
        op_types_to_quantize=["MatMul"], extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )  # fmt: skip
    limits = {"limits": np.full(len(shipped.attributes), -np.inf, np.float32)}
    bundled = BUNDLED / "toxicity.onnx"

    def runner(loaded: onnxruntime.InferenceSession, more: Mapping[str, Any]) -> Callable[[str], Any]:
        return lambda text: [
            loaded.run(None, {"input_ids": np.array([window], np.int64), **more})
            for window in shipped._windows(shipped._tokens(text))  # noqa: SLF001
        ]

    return {
        "all layers, static int8 (not shipped)": runner(session(fixed), {}),
        "all layers, no memory arena (not shipped)": runner(session(bundled, arena=False), limits),
        "all layers, weights not prepacked (not shipped)": runner(session(bundled, prepacked=False), limits),
    }


def alone(scorer: OnnxScorer, *, early: bool = False, pairs: bool = False) -> Callable[[str], Any]:
    """Score one text at a time, as the service does."""
    return lambda text: scorer.logits([text], early=early, pairs=pairs)


def on_openvino(shipped: OnnxScorer, place: Path) -> dict[str, Callable[[str], Any]]:
    """Run the float weights, all layers of them, on OpenVINO; nothing where it is not installed."""
    try:
        import openvino  # noqa: PLC0415 - not among our requirements
    except ModuleNotFoundError:
        return {}
    import torch  # noqa: PLC0415 - slow to load
    from transformers import BertConfig, BertForSequenceClassification  # noqa: PLC0415

    checkpoint = write_checkpoint(BUNDLED, place)
    model = BertForSequenceClassification(BertConfig.from_pretrained(place / "base", attn_implementation="eager"))
    model.load_state_dict(torch.load(checkpoint, weights_only=True)["state_dict"])
    example = {"input_ids": torch.ones((1, 16), dtype=torch.int64)}
    converted = openvino.convert_model(model.eval(), example_input=example, input=[("input_ids", [1, -1], openvino.Type.i64)])

    def runner(precision: str) -> Callable[[str], Any]:
        settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": precision}
        request = openvino.Core().compile_model(converted, "CPU", settings).create_infer_request()
        return lambda text: [
            request.infer([np.array([window], np.int64)])[0].copy()
            for window in shipped._windows(shipped._tokens(text))  # noqa: SLF001
        ]

    return {f"OpenVINO, {precision}, all layers (not shipped)": runner(precision) for precision in ("f32", "bf16")}


def main() -> None:
    """Read the arguments, time every variant in turns, print the table and keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--metrics", type=Path, help="JSON file to add the table to, under `speed_variants`")
    options = parser.parse_args()
    read = texts(options.data)
    state = {name: part.numpy() for name, part in state_dict(BUNDLED / "toxicity.onnx").items()}
    before = Choices(first_token_last=False, attention_in_one=True)
    with tempfile.TemporaryDirectory() as place:

        def made(choices: Choices | None = None, **more: Any) -> OnnxScorer:
            return variant(Path(tempfile.mkdtemp(dir=place)) / "made", build(state, choices), **more)

        shipped, third = OnnxScorer(BUNDLED), OnnxScorer(BUNDLED, catalog.EARLIER["bundled-3"])
        earlier = OnnxScorer(BUNDLED, catalog.EARLIER["bundled-2"])
        windows = {text: shipped._windows(shipped._tokens(text)) for text in read}  # noqa: SLF001
        as_bundled_1 = made(replace(before, norms_in_one=True), fused=True, window=160, overlap=40)
        variants: dict[str, Callable[[str], Any]] = {
            "int8 as bundled-1: one attention, norms fused, windows 160/40": alone(as_bundled_1),
            "float32, the same": alone(made(Choices(first_token_last=False, floats=True), window=160, overlap=40)),
            "int8, norms apart": alone(made(before, window=160, overlap=40)),
            "and attention in floats over one int8 product": alone(made(Choices(first_token_last=False), window=160, overlap=40)),
            "and windows 128/16": alone(made(Choices(first_token_last=False))),
            "and the last layer for the first token only": alone(shipped),
            "and the linear model": alone(shipped, pairs=True),
            "and clear texts settled after three layers (bundled-2)": alone(earlier, early=True, pairs=True),
            "and what has calm words left to them (bundled-3)": alone(third, early=True, pairs=True),
            "and the sentence that alarms read alone (bundled-4, shipped)": alone(shipped, early=True, pairs=True),
            "the most alarming window alone (not shipped)": alone(made(look={"skip_below": _ALWAYS}), early=True, pairs=True),
            "a first stage that settles more (not shipped)": alone(made(look=SETTLES_MORE), early=True, pairs=True),
            "three layers for all (not shipped)": alone(made(always=True), early=True),
            "normalising and tokenising alone": lambda text: shipped._windows(shipped._tokens(text)),  # noqa: SLF001
        }
        variants |= otherwise_run(shipped, state, Path(place) / "otherwise") | on_openvino(shipped, Path(place) / "openvino")
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

